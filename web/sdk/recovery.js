// What is tried again, and when.

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
