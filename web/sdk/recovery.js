// What is tried again, when, and how long it is waited for.

export const PING_EVERY_MS = 2_000;
export const PING_FIRST_MS = 250; // until the clock has a few samples
export const PINGS_FIRST = 4;
export const SILENCE_MAX_MS = 8_000;
export const HANDSHAKE_MAX_MS = 8_000;
export const JOIN_ATTEMPTS_MAX = 5;
export const REFRESH_AHEAD_MS = 60_000;
export const INPUT_AGE_MAX_MS = 1_500; // in a game with ticks; an older wish is nobody's any more
export const INPUTS_RESENT_MAX = 8;    // what the server takes of a player in a tick

const FIRST_MS = 400;
const MAX_MS = 10_000;

/** Jitter over the upper half: clients that lost one server do not come back in one wave. */
export function backoffMs(attempt, random = Math.random) {
  const ceiling = Math.min(MAX_MS, FIRST_MS * 2 ** attempt);
  return ceiling * (0.5 + random() / 2);
}

/** Refusals of a Join that may pass by themselves. */
export const PASSING = new Set([
  "unavailable", "draining", "server_full", "match_elsewhere", "rate_limited", "match_full",
]);

/** An operator keeps new players out, for minutes at least: asked again rarely, but for ever. */
export const MAINTENANCE = "maintenance";
export const MAINTENANCE_RETRY_MS = 20_000;

/** With our own name: a reconnect is then no second client of the player. */
export function named(url) {
  const full = new URL(url);
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  const name = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  full.searchParams.set("client", name);
  return full.href;
}

const TOLD_MAX = 200;

/** Ids of what was told already, the newest of them. */
export class Told {
  #ids = new Set();

  isNew(id) {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    if (this.#ids.size > TOLD_MAX) this.#ids.delete(this.#ids.values().next().value);
    return true;
  }
}

/** Timers by name: one that is set again replaces the one before. */
export class Timers {
  #set = new Map();

  has(name) { return this.#set.has(name); }

  after(name, ms, action) {
    this.cancel(name);
    this.#set.set(name, setTimeout(() => { this.#set.delete(name); action(); }, ms));
  }

  cancel(name) {
    clearTimeout(this.#set.get(name));
    this.#set.delete(name);
  }

  clear() { for (const name of [...this.#set.keys()]) this.cancel(name); }
}
