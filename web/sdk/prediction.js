// The own player, ahead of the server, and in agreement with it.

/**
 * Inputs are applied at once; those that the server has not applied yet are applied again to what
 * it says. `step(state, input)` returns the state after one input, by the game's rules, and leaves
 * the given one alone; `fields` are the numbers of a state that are drawn.
 *
 * A difference that is left (the rules held a surprise) fades within about three times `fadeMs`;
 * one above `snap` is taken at once.
 */
export class Predictor {
  constructor({ step, fields = ["x", "y"], snap = Infinity, fadeMs = 80, pendingMax = 64 }) {
    this.step = step;
    this.fields = fields;
    this.snap = snap;
    this.fadeMs = fadeMs;
    this.pendingMax = pendingMax;
    this.reset();
  }

  reset() {
    this.pending = []; // {seq, input, after}: sent and not confirmed
    this.last = null;  // the newest confirmed one
    this.rest();
  }

  /** There is nothing to predict for now (dead, in a menu); inputs go on being noted. */
  rest() {
    this.state = null;  // after all inputs
    this.before = null; // before the newest of them
    this.error = Object.fromEntries(this.fields.map((name) => [name, 0]));
    for (const each of this.pending) each.after = null;
    if (this.last) this.last.after = null;
  }

  /** An input was sent. */
  apply(seq, input) {
    if (!seq) return;
    if (this.state) {
      this.before = this.state;
      this.state = this.step(this.state, input);
    }
    this.pending.push({ seq, input, after: this.state });
    if (this.pending.length > this.pendingMax) this.pending.shift();
  }

  /**
   * A frame says `truth`, in which inputs up to `ack` are applied, and beyond them `ahead` steps
   * that the server took on the last one's word, because the next was late.
   * Returns how far that is from what was predicted.
   */
  confirm(truth, ack, ahead = 0) {
    while (this.pending.length && this.pending[0].seq <= ack) this.last = this.pending.shift();
    const known = this.last?.seq === ack ? this.last.after : null;
    const base = ahead > 0 && known ? this.#without(truth, ahead, known) : truth;
    if (this.last?.seq === ack) this.last.after = base;
    let before = null;
    let state = base;
    for (const each of this.pending) {
      before = state;
      state = each.after = this.step(state, each.input);
    }
    const predicted = this.state;
    const beforeThen = this.before;
    this.state = state;
    this.before = before ?? state;
    if (!predicted) return 0;
    const off = this.fields.map((name) => predicted[name] - state[name]);
    const distance = Math.hypot(...off);
    if (distance > this.snap) {
      this.before = state;
      this.fields.forEach((name) => { this.error[name] = 0; });
    } else if (distance > 0) {
      // The drawn place goes on from where it is: only what it fades towards has changed.
      this.fields.forEach((name, i) => { this.error[name] += off[i]; });
    }
    // All have been confirmed, and the last step is still being drawn.
    if (distance <= this.snap && !before && beforeThen) {
      this.before = { ...state };
      this.fields.forEach((name, i) => { this.before[name] = beforeThen[name] - off[i]; });
    }
    return distance;
  }

  // What is certain of `truth`: without the steps that were taken ahead.
  #without(truth, ahead, known) {
    let expected = known;
    for (let i = 0; i < ahead; i++) expected = this.step(expected, this.last.input);
    const base = { ...truth };
    for (const name of this.fields) base[name] = known[name] + (truth[name] - expected[name]);
    return base;
  }

  /** What to draw, `share` (0 to 1) of a step after the last input; null while unknown. */
  drawn(share, elapsedMs) {
    if (!this.state) return null;
    const fade = Math.exp(-elapsedMs / this.fadeMs);
    const t = Math.min(1, Math.max(0, share));
    const found = { ...this.state };
    for (const name of this.fields) {
      this.error[name] *= fade;
      const from = (this.before ?? this.state)[name];
      found[name] = from + (this.state[name] - from) * t + this.error[name];
    }
    return found;
  }
}
