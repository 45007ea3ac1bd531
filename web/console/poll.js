// Asks again and again: never two calls at a time, less often after failures, not while the tab is
// hidden.

const SLOWEST_MS = 30_000;

export class Poller {
  #ask;
  #everyMs;
  #told;
  #timer = 0;
  #running = false;
  #asking = false;
  #failures = 0;

  /** `ask`: the call; `told`: gets what it gave, or (null, error). */
  constructor(ask, everyMs, told) {
    this.#ask = ask;
    this.#everyMs = everyMs;
    this.#told = told;
    this.visibility = () => (document.hidden ? clearTimeout(this.#timer) : this.now());
  }

  start() {
    if (this.#running) return;
    this.#running = true;
    document.addEventListener("visibilitychange", this.visibility);
    this.now();
  }

  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.visibility);
  }

  /** Ask at once, unless a call is under way. */
  async now() {
    clearTimeout(this.#timer);
    if (!this.#running || this.#asking) return;
    this.#asking = true;
    let pauseMs = this.#everyMs;
    try {
      const found = await this.#ask();
      this.#failures = 0;
      if (this.#running) this.#told(found, null);
    } catch (error) {
      this.#failures += 1;
      pauseMs = Math.min(
        SLOWEST_MS,
        Math.max(this.#everyMs * 2 ** Math.min(this.#failures - 1, 4), (error.retryAfterS ?? 0) * 1_000),
      );
      if (this.#running) this.#told(null, error);
    } finally {
      this.#asking = false;
    }
    if (this.#running && !document.hidden) this.#timer = setTimeout(() => this.now(), pauseMs);
  }
}
