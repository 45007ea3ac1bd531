// A recorded match as the server streams it: the bytes that a socket of it would have carried.
//
//   film.add(bytes) ──► frames, events      film.at(index) ──► the whole view of that frame
//
// Whole views come every few seconds and deltas in between, so that any frame is a short way off.

import { applyDelta, decodeServer } from "../sdk/index.js";

export class Film {
  #rest = new Uint8Array(0);
  #cursor = -1; // the frame whose view is at hand
  #view = null;

  constructor() {
    this.joined = null; // { match, game, mode, tickRate }
    this.frames = [];   // { epoch, tick, atMs, message }; atMs since the first
    this.events = [];   // { frame, seq, tick, kind, player, data }; frame: index of the next one
    this.ended = null;  // why the stream ended, once it has
  }

  get durationMs() { return this.frames.at(-1)?.atMs ?? 0; }

  /** More of the stream, cut anywhere. */
  add(bytes) {
    const data = new Uint8Array(this.#rest.length + bytes.length);
    data.set(this.#rest);
    data.set(bytes, this.#rest.length);
    const view = new DataView(data.buffer);
    let at = 0;
    while (at + 2 <= data.length) {
      // RFC 6455, 5.2: whole frames without a mask.
      let length = data[at + 1];
      let header = 2;
      if (length === 126) header = 4;
      else if (length === 127) header = 10;
      if (at + header > data.length) break;
      if (header === 4) length = view.getUint16(at + 2);
      else if (header === 10) length = Number(view.getBigUint64(at + 2));
      if (at + header + length > data.length) break;
      this.#take(decodeServer(data.slice(at + header, at + header + length)));
      at += header + length;
    }
    this.#rest = data.slice(at);
  }

  #take(message) {
    switch (message.type) {
      case "joined": {
        const { match, game, mode, tick_rate: tickRate } = message;
        this.joined = { match, game, mode, tickRate };
        return;
      }
      case "snapshot":
      case "delta": {
        const { epoch, tick, server_ms: serverMs } = message;
        this.startedMs ??= serverMs;
        this.frames.push({ epoch, tick, atMs: serverMs - this.startedMs, message });
        return;
      }
      case "event": {
        const { seq, tick, kind, player, data } = message;
        this.events.push({ frame: this.frames.length, seq, tick, kind, player, data });
        return;
      }
      case "left":
        this.ended = message.reason;
        return;
      default: // a newer server may say more
    }
  }

  /** The frame at `index` with its whole view; never changed later. */
  at(index) {
    const isWhole = (i) => this.frames[i].message.type === "snapshot";
    if (index < this.#cursor || this.#cursor < 0) this.#cursor = -1;
    // Not further back than the last whole view; not over whole views one by one either.
    let from = index;
    while (from > this.#cursor && !isWhole(from)) from -= 1;
    for (let i = from > this.#cursor ? from : this.#cursor + 1; i <= index; i++) {
      const { message } = this.frames[i];
      if (isWhole(i)) this.#view = message.view;
      else this.#view = applyDelta(this.#view, message.fields, message.entities, message.removed);
    }
    this.#cursor = index;
    const { epoch, tick, atMs } = this.frames[index];
    return { epoch, tick, atMs, acks: [], view: this.#view };
  }

  /** The last frame that is not later than `atMs`, -1 where there is none. */
  indexAt(atMs) {
    let low = 0;
    let high = this.frames.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.frames[middle].atMs <= atMs) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** The first frame of `tick` or later. */
  indexOfTick(tick) {
    const found = this.frames.findIndex((each) => each.tick >= tick);
    return found < 0 ? this.frames.length - 1 : found;
  }
}

/** Shows a film at a speed: calls `frame(frame)`, `event(event)` and, after a jump, `jump()`. */
export class Projector {
  #film; #on; #shown = -1; #told = 0; #beforeMs = null;

  constructor(film, on) {
    this.#film = film;
    this.#on = on;
    this.speed = 1;
    this.playing = true;
    this.atMs = 0;
  }

  get index() { return this.#shown; }

  /** Once for every picture of the screen; `nowMs`: its time. */
  run(nowMs) {
    const elapsedMs = this.#beforeMs === null ? 0 : Math.min(250, nowMs - this.#beforeMs);
    this.#beforeMs = nowMs;
    const film = this.#film;
    if (this.playing) this.atMs = Math.min(film.durationMs, this.atMs + elapsedMs * this.speed);
    const due = film.indexAt(this.atMs);
    // What is drawn is smooth between two frames, so that none may be left out of a short gap.
    for (let i = this.#shown + 1; i <= due; i++) this.#show(i, nowMs);
    return film.ended !== null && this.atMs >= film.durationMs;
  }

  /** Go to a frame: what has happened until then is told again. */
  seek(index, nowMs) {
    const film = this.#film;
    const goal = Math.max(0, Math.min(index, film.frames.length - 1));
    if (!film.frames.length) return;
    this.atMs = film.frames[goal].atMs;
    this.#told = 0;
    this.#on.jump();
    this.#shown = goal - 1;
    this.#show(goal, nowMs, true);
  }

  #show(index, nowMs, silent = false) {
    const film = this.#film;
    while (this.#told < film.events.length && film.events[this.#told].frame <= index) {
      this.#on.event(film.events[this.#told], silent);
      this.#told += 1;
    }
    const frame = film.at(index);
    // When it is due by the clock of the screen, which runs at another speed.
    const serverMs = nowMs + (frame.atMs - this.atMs) / this.speed;
    this.#on.frame({ ...frame, serverMs }, nowMs);
    this.#shown = index;
  }
}
