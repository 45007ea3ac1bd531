// Snapshots as something that moves: the recent past, smooth between two of them.

const FRAMES_MAX = 40;

/**
 * The last frames, seen from a little behind the newest, so that there are two to draw between.
 * How little is measured: the distance of two frames and twice their mean lateness, at least
 * `delayMinMs` and at most `delayMaxMs`.
 */
export class Timeline {
  constructor({ delayMinMs = 100, delayMaxMs = 300, gapMs = 400 } = {}) {
    this.delayMinMs = delayMinMs;
    this.delayMaxMs = delayMaxMs;
    this.gapMs = gapMs;
    this.reset();
  }

  reset() {
    this.frames = [];
    this.offsetMs = null; // server time minus local time, of the frames with the least delay
    this.delayMs = this.delayMinMs;
    this.latenessMs = 0;
    this.periodMs = 0;
  }

  get newest() { return this.frames.at(-1) ?? null; }

  /** `frame`: {epoch, tick, serverMs, …}, which came at `nowMs`. */
  push(frame, nowMs) {
    const last = this.frames.at(-1);
    if (last && (frame.epoch !== last.epoch || frame.tick < last.tick)) this.reset();
    const sample = frame.serverMs - nowMs;
    if (this.offsetMs === null || Math.abs(sample - this.offsetMs) > 1000) this.offsetMs = sample;
    else this.offsetMs += (sample - this.offsetMs) * (sample > this.offsetMs ? 0.3 : 0.002);
    this.#adapt(frame, this.offsetMs - sample);
    this.frames.push(frame);
    if (this.frames.length > FRAMES_MAX) this.frames.shift();
  }

  // Slowly, so that nobody sees time run faster or slower; a stall is no jitter.
  #adapt(frame, lateMs) {
    const before = this.frames.at(-1);
    if (!before) return;
    const periodMs = frame.serverMs - before.serverMs;
    if (periodMs > 0 && periodMs < this.gapMs) {
      this.periodMs = this.periodMs ? this.periodMs + (periodMs - this.periodMs) * 0.05 : periodMs;
    }
    if (lateMs < 3 * this.periodMs) this.latenessMs += (Math.max(0, lateMs) - this.latenessMs) * 0.05;
    const wanted = Math.min(this.delayMaxMs,
      Math.max(this.delayMinMs, this.periodMs + 2 * this.latenessMs));
    this.delayMs += Math.max(-1, Math.min(1, wanted - this.delayMs));
  }

  /** Two frames and how far (0 to 1) between them it is now: {from, to, share, tick}, or null. */
  at(nowMs) {
    const { frames } = this;
    if (!frames.length) return null;
    const when = nowMs + this.offsetMs - this.delayMs;
    let i = frames.length - 1;
    while (i > 0 && frames[i - 1].serverMs > when) i -= 1;
    const to = frames[i];
    const from = frames[i - 1] ?? to;
    const span = to.serverMs - from.serverMs;
    let share = span > 0 ? (when - from.serverMs) / span : 1;
    // After a pause nobody crept from one place to the other: jump.
    share = span > this.gapMs ? 1 : Math.min(1, Math.max(0, share));
    return { from, to, share, tick: from.tick + (to.tick - from.tick) * share };
  }
}

/** Between two numbers. */
export const mix = (a, b, share) => a + (b - a) * share;

/** Between two angles of a circle of `turn`, the short way. */
export function mixAngle(a, b, share, turn = 2 * Math.PI) {
  const way = ((((b - a) % turn) + 1.5 * turn) % turn) - turn / 2;
  return a + way * share;
}
