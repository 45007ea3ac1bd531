// A match as spectators see it: the arena drawn, other games as a tree.

import { ArenaScene } from "../arena/scene.js";
import { Tree } from "../playground/tree.js";
import { GameClient } from "../sdk/index.js";
import { h } from "./dom.js";

const DRAWN = "arena";
const WORDS = {
  waiting: "Connection lost; coming back…",
  left: "The match is over, or cannot be watched.",
};

export class Spectator {
  #client; #told; #scene = null; #tree = null; #frame = 0; #over = false;

  constructor({ place, url, token, match, game }) {
    this.#told = h("span", { class: "muted", role: "status" }, "Connecting…");
    const head = h("div", { class: "title" }, h("h2", {}, "Spectating"), this.#told);
    if (game === DRAWN) {
      const canvas = h("canvas", { class: "stage", "aria-label": "The match as spectators see it" });
      place.replaceChildren(head, canvas);
      this.#scene = new ArenaScene(canvas);
      this.#draw();
    } else {
      const tree = h("div", { class: "tree", tabindex: "0", "aria-label": "The match as spectators see it" });
      place.replaceChildren(head, tree);
      this.#tree = new Tree(tree);
    }
    this.#client = new GameClient({ url, token });
    this.#listen();
    this.#client.watch(match);
    this.#client.connect();
  }

  stop() {
    this.#over = true;
    cancelAnimationFrame(this.#frame);
    this.#client.close();
  }

  #listen() {
    const on = (type, listener) => this.#client.on(type, (told) => { if (!this.#over) listener(told); });
    on("status", ({ state, reason }) => {
      if (state === "waiting") this.#say(WORDS.waiting);
      else if (state === "closed") this.#say(`The connection was closed: ${reason}.`);
    });
    on("joined", ({ seats, seat, tickRate }) => {
      if (!this.#scene) return;
      this.#scene.names = new Map(seats.map((one) => [one.seat, one.name]));
      this.#scene.reset(seat, tickRate);
    });
    on("event", ({ kind, data }) => {
      if (kind === "player_joined") this.#scene?.names.set(data.seat, data.name);
    });
    on("frame", (frame) => {
      this.#say(`Tick ${frame.tick}`);
      this.#scene?.push(frame, performance.now());
      this.#tree?.show(frame.view, {}, {});
    });
    on("left", ({ error }) => this.#say(error?.message ?? WORDS.left));
    on("error", ({ message }) => this.#say(message));
  }

  #say(text) { this.#told.textContent = text; }

  #draw() {
    this.#frame = requestAnimationFrame(() => this.#draw());
    this.#scene.draw(performance.now(), 0);
  }
}
