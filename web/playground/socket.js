// One connection in the JSON subprotocol, as it is: nothing is retried and nothing hidden.

import { JSON_TEXT, applyDelta } from "../sdk/index.js";

const PING_EVERY_MS = 2_000;

export class JsonSocket {
  #socket; #heard; #ref = 0; #seq = 0; #ping = 0;

  /** `heard(what, detail)`: frame {up, message, text} | view | event | status | closed … */
  constructor({ url, token, conditions, heard }) {
    this.#heard = heard;
    this.view = null;
    this.seat = null;
    const query = new URLSearchParams(conditions);
    this.#socket = new WebSocket(`${url}/v1/play?${query}`, [JSON_TEXT, `bearer.${token}`]);
    this.#socket.onmessage = ({ data }) => this.#received(data);
    this.#socket.onclose = ({ code, reason }) => this.#closed(code, reason);
  }

  join(game, mode) { this.#send({ type: "join", ref: ++this.#ref, game, mode }); }

  leave() { this.#send({ type: "leave", ref: ++this.#ref }); }

  input(data) { this.#send({ type: "input", seq: ++this.#seq, data }); }

  close() {
    clearTimeout(this.#ping);
    this.#socket.close(1000);
  }

  #send(message) {
    // A socket that is closing says so later, by `onclose`; until then it takes nothing any more.
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const text = JSON.stringify(message);
    this.#socket.send(text);
    this.#heard("frame", { up: true, message, text });
  }

  #pingSoon() {
    this.#ping = setTimeout(() => {
      this.#send({ type: "ping", sent: performance.now() });
      this.#pingSoon();
    }, PING_EVERY_MS);
  }

  #closed(code, reason) {
    clearTimeout(this.#ping);
    this.seat = this.view = null;
    this.#heard("closed", { code, reason });
  }

  #received(text) {
    const message = JSON.parse(text);
    this.#heard("frame", { up: false, message, text });
    switch (message.type) {
      case "welcome":
        this.#pingSoon();
        break;
      case "joined":
        this.seat = message;
        this.view = null;
        this.#seq = message.input_seq;
        break;
      case "snapshot":
        this.#heard("view", { view: message.view, tick: message.tick, again: this.view !== null });
        this.view = message.view;
        return;
      case "delta":
        this.view = applyDelta(this.view, message.fields, message.entities, message.removed);
        this.#heard("view", { view: this.view, tick: message.tick, again: false });
        return;
      case "left":
        this.seat = this.view = null;
        break;
      case "pong":
        this.#heard("ping", { ms: performance.now() - message.sent });
        return;
      default:
    }
    this.#heard(message.type, message);
  }
}
