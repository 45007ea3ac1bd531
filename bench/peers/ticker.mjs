// Ticks for many rooms from one timer, on a schedule that does not drift.
//
// setInterval starts its next period when it is called, and so loses the lateness of every call: a
// room at "50 ms" ticks 19.6 times a second. Here a tick is due at origin + n * period, whenever the
// one before it ran. A room far behind skips time, as this project's server does.

const GOLDEN = (Math.sqrt(5) - 1) / 2; // multiples of it spread any number of rooms evenly
const BEHIND_MAX = 3;

export class Ticker {
  #periodMs;
  #rooms = [];
  #made = 0;
  #timer = null;

  constructor(periodMs) {
    this.#periodMs = periodMs;
  }

  // Calls `tick` every period until the function that is returned is called.
  add(tick) {
    const period = this.#periodMs;
    const now = performance.now();
    const origin = ((this.#made++ * GOLDEN) % 1) * period;
    const room = { tick, due: origin + Math.ceil((now - origin) / period) * period };
    this.#rooms.push(room);
    if (this.#timer === null) this.#timer = setTimeout(() => this.#run(), 1);
    return () => {
      this.#rooms = this.#rooms.filter((other) => other !== room);
    };
  }

  #run() {
    const period = this.#periodMs;
    let now = performance.now();
    let next = now + period;
    for (const room of this.#rooms) {
      if (room.due <= now) {
        room.due += period;
        const behind = Math.floor((now - room.due) / period);
        if (behind >= BEHIND_MAX) room.due += behind * period;
        room.tick();
      }
      if (room.due < next) next = room.due;
    }
    // A timer fires at the first whole millisecond that is not too early.
    this.#timer = setTimeout(() => this.#run(), Math.max(1, next - performance.now()));
  }
}
