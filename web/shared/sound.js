// Small sounds, made on the spot: off until the player wants them, and then remembered.

const KEY = "sound";
const VOLUME = 0.16;
const EVERY_MS = 45; // of one sound; more of it at once is only noise

// [shape, from Hz, to Hz, s, share of the volume, starts after s]; shape "noise": from and to are a filter's.
const SOUNDS = {
  shot: [["square", 620, 180, 0.07, 0.35, 0]],
  hit: [["noise", 900, 300, 0.09, 0.9, 0]],
  down: [["sawtooth", 320, 60, 0.42, 0.7, 0]],
  kill: [["triangle", 660, 660, 0.08, 0.9, 0], ["triangle", 990, 990, 0.14, 0.9, 0.08]],
  pickup: [["sine", 520, 880, 0.13, 0.9, 0]],
  found: [["sine", 523, 523, 0.12, 1, 0], ["sine", 659, 659, 0.12, 1, 0.12], ["sine", 784, 784, 0.2, 1, 0.24]],
  turn: [["sine", 784, 784, 0.12, 0.9, 0], ["sine", 1046, 1046, 0.16, 0.8, 0.1]],
  roll: [["noise", 2600, 1800, 0.05, 0.8, 0], ["noise", 2200, 1500, 0.05, 0.7, 0.09], ["noise", 1900, 900, 0.07, 0.7, 0.17]],
  bid: [["triangle", 440, 440, 0.06, 0.7, 0]],
  challenge: [["square", 330, 220, 0.16, 0.5, 0]],
  won: [["triangle", 523, 523, 0.12, 1, 0], ["triangle", 659, 659, 0.12, 1, 0.12], ["triangle", 1046, 1046, 0.3, 1, 0.24]],
  lost: [["triangle", 392, 392, 0.16, 0.8, 0], ["triangle", 294, 294, 0.3, 0.8, 0.16]],
};

export class Sounds {
  #context = null; #noise = null; #played = new Map();

  constructor() {
    this.on = false;
    this.count = 0; // played so far, for tests and for the curious
    try {
      this.on = localStorage.getItem(KEY) === "on";
    } catch {
      // Where nothing may be remembered, sound is off at each start.
    }
  }

  /** Turn them on or off; to be called from a press of a button, as browsers want it. */
  set(on) {
    this.on = on;
    try {
      localStorage.setItem(KEY, on ? "on" : "off");
    } catch {
      // It holds until the page is left.
    }
    if (on) this.play("pickup");
    else this.#context?.suspend();
  }

  play(name) {
    if (!this.on || document.hidden) return;
    const nowMs = performance.now();
    if (nowMs - (this.#played.get(name) ?? -EVERY_MS) < EVERY_MS) return;
    this.#played.set(name, nowMs);
    this.#context ??= new AudioContext();
    if (this.#context.state === "suspended") this.#context.resume();
    for (const part of SOUNDS[name]) this.#sound(part);
    this.count += 1;
  }

  #sound([shape, from, to, lastS, share, afterS]) {
    const context = this.#context;
    const begin = context.currentTime + afterS;
    const gain = context.createGain();
    gain.gain.setValueAtTime(VOLUME * share, begin);
    gain.gain.exponentialRampToValueAtTime(0.0001, begin + lastS);
    gain.connect(context.destination);
    const source = shape === "noise" ? this.#hiss(from, to, begin, lastS, gain)
      : this.#tone(shape, from, to, begin, lastS, gain);
    source.start(begin);
    source.stop(begin + lastS);
    source.onended = () => gain.disconnect();
  }

  #tone(shape, from, to, begin, lastS, gain) {
    const tone = this.#context.createOscillator();
    tone.type = shape;
    tone.frequency.setValueAtTime(from, begin);
    tone.frequency.exponentialRampToValueAtTime(to, begin + lastS);
    tone.connect(gain);
    return tone;
  }

  #hiss(from, to, begin, lastS, gain) {
    const context = this.#context;
    if (!this.#noise) {
      this.#noise = context.createBuffer(1, context.sampleRate / 2, context.sampleRate);
      const values = this.#noise.getChannelData(0);
      for (let i = 0; i < values.length; i++) values[i] = Math.random() * 2 - 1;
    }
    const source = context.createBufferSource();
    source.buffer = this.#noise;
    const filter = context.createBiquadFilter();
    filter.type = "bandpass";
    filter.frequency.setValueAtTime(from, begin);
    filter.frequency.exponentialRampToValueAtTime(to, begin + lastS);
    source.connect(filter);
    filter.connect(gain);
    return source;
  }
}
