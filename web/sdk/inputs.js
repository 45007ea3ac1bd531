// Inputs on their way: numbered, kept until they are acknowledged, sent again after a resume.

/** An input whose fate is unknown is kept; of more than `sizeMax` the oldest are forgotten. */
export class InputBuffer {
  #waiting = []; // {seq, data, atMs}

  constructor({ sizeMax = 64 } = {}) {
    this.sizeMax = sizeMax;
    this.seq = 0; // of the newest
  }

  get waiting() { return this.#waiting.length; }

  /** Number an input and keep it. */
  push(data, atMs) {
    this.seq += 1;
    this.#waiting.push({ seq: this.seq, data, atMs });
    if (this.#waiting.length > this.sizeMax) this.#waiting.shift();
    return this.seq;
  }

  /** All up to `seq` are applied. */
  acknowledge(seq) {
    while (this.#waiting.length && this.#waiting[0].seq <= seq) this.#waiting.shift();
  }

  /** This one was refused. */
  refuse(seq) { this.#waiting = this.#waiting.filter((each) => each.seq !== seq); }

  /**
   * A seat was taken again, of which the server knows inputs up to `seq`: the ones after it, to be
   * sent again. Older ones than `sinceMs`, and more than `countMax`, are forgotten.
   */
  resume(seq, { sinceMs = -Infinity, countMax = Infinity } = {}) {
    this.acknowledge(seq);
    this.#waiting = this.#waiting.filter((each) => each.atMs >= sinceMs);
    if (this.#waiting.length > countMax) this.#waiting = this.#waiting.slice(-countMax);
    this.seq = Math.max(this.seq, seq);
    return [...this.#waiting];
  }

  /** Another seat: number on from `seq`. */
  begin(seq) {
    this.#waiting = [];
    this.seq = seq;
  }
}

const MISSED_MAX = 3;

/**
 * Calls `act(dueMs)` once in every `periodMs`, without drift: as often as the server ticks. Calls
 * that could not be made in time are made up for, up to three; more are left out (a tab in the
 * background, a laptop asleep).
 */
export class Pacer {
  #timer = 0; #dueMs = 0;

  constructor(periodMs, act, { now = () => performance.now() } = {}) {
    this.periodMs = periodMs;
    this.act = act;
    this.now = now;
  }

  start() {
    this.stop();
    this.#dueMs = this.now() + this.periodMs;
    this.#wait();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#dueMs = Infinity;
  }

  /** Make the calls that are due; for pages that draw, to be called before a picture too. */
  run() {
    const now = this.now();
    if (now - this.#dueMs > MISSED_MAX * this.periodMs) this.#dueMs = now;
    while (this.#dueMs <= now) {
      const dueMs = this.#dueMs;
      this.#dueMs += this.periodMs;
      this.act(dueMs);
    }
  }

  #wait() {
    this.#timer = setTimeout(() => {
      this.run();
      if (this.#dueMs < Infinity) this.#wait();
    }, Math.max(0, this.#dueMs - this.now()));
  }
}
