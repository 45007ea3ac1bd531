// What time it is at the server, from pings.

const SAMPLES = 8;

/**
 * Of the last pings the quickest one is believed: its answer was on its way for half of its round
 * trip, give or take the least. Times are in ms; local ones of any clock that only goes forward.
 */
export class ServerClock {
  #samples = [];

  constructor() {
    this.offsetMs = 0; // server time minus local time
    this.rttMs = null; // of the last ping
  }

  get synced() { return this.#samples.length > 0; }

  /** A ping sent at `sentMs` was answered at `receivedMs`; the server's clock stood at `serverMs`. */
  sample(sentMs, serverMs, receivedMs) {
    const rttMs = receivedMs - sentMs;
    this.#samples.push({ rttMs, offsetMs: serverMs - (sentMs + receivedMs) / 2 });
    if (this.#samples.length > SAMPLES) this.#samples.shift();
    // Of equals the newest: clocks drift.
    const best = this.#samples.reduce((a, b) => (b.rttMs <= a.rttMs ? b : a));
    this.rttMs = rttMs;
    this.offsetMs = best.offsetMs;
  }

  /** How much longer than the quickest of the last pings they took on average. */
  get jitterMs() {
    if (!this.#samples.length) return 0;
    const all = this.#samples.map((each) => each.rttMs);
    return all.reduce((a, b) => a + b) / all.length - Math.min(...all);
  }

  /** Server time, ms since the Unix epoch, at a local time. */
  at(localMs) { return localMs + this.offsetMs; }

  reset() { this.#samples = []; }
}
