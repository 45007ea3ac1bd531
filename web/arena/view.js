// The arena as a game of the page: takes what a match says, sends what the player wants.

import { Pacer } from "../sdk/index.js";
import { $ } from "../shared/dom.js";
import { Controls, STICK_PIXELS } from "./controls.js";
import { ArenaHud } from "./hud.js";
import { fighter, radiansToAim } from "./rules.js";
import { ArenaScene } from "./scene.js";

const UNIT = { title: "Kills", count: (score) => `${score} ${score === 1 ? "kill" : "kills"}` };

export class ArenaView {
  name = "arena";
  botsCalled = 7;
  unit = UNIT;
  #tell; #send; #sound; #pacer = null; #joined = null; #before = null;

  /** `tell(...parts)`: a line of the feed; `send(input)`: its number; `sound(name)`. */
  constructor({ tell, send, sound }) {
    this.#tell = tell;
    this.#send = send;
    this.#sound = sound;
    this.scene = new ArenaScene($("arena"));
    this.hud = new ArenaHud();
    this.controls = new Controls($("arena"), (x, y) => this.scene.aimAt(x, y));
  }

  /** A match is about to be shown. */
  enter() {
    this.stop();
    this.#before = null;
    this.hud.reset();
    this.scene.reset(-1);
    this.controls.enabled = document.body.dataset.screen === "game";
    this.focus();
  }

  focus() { $("arena").focus({ preventScroll: true }); }

  joined(joined) {
    this.#joined = joined;
    this.scene.names = new Map(joined.seats.map(({ seat, name }) => [seat, name]));
    // A replay at another speed has frames that come as much sooner.
    this.scene.reset(joined.seat, joined.tickRate * (joined.speed ?? 1));
    this.hud.reset();
    this.hud.bots = new Set(joined.seats.filter(({ player }) => isBot(player)).map(({ seat }) => seat));
    this.stop();
    this.#pacer = new Pacer(1000 / joined.tickRate, (dueMs) => this.#input(dueMs));
    if (joined.seat >= 0) this.#pacer.start();
  }

  frame(frame) {
    const { scene } = this;
    scene.push(frame, performance.now());
    this.hud.frame(frame, this.#joined.seat, scene.names, this.#joined.tickRate);
    this.hud.uncover(scene.ownAt && scene.ownOnPage);
    this.#sounds(frame);
  }

  /** An event of the game; `nameOf(player)`. */
  event({ kind, player, data }, nameOf, self) {
    switch (kind) {
      case "player_joined":
        this.scene.names.set(data.seat, data.name);
        this.hud.bots[isBot(player) ? "add" : "delete"](data.seat);
        return;
      case "kill":
        if (player === self) this.#sound("kill");
        return this.#tell("", nameOf(player), " shot ", nameOf(data.victim));
      case "lead":
        return this.#tell("", nameOf(player), " takes the lead");
      default:
    }
  }

  /** Send nothing more. */
  stop() {
    this.#pacer?.stop();
    this.controls.release();
  }

  /** The screen is left. */
  leave() {
    this.stop();
    this.controls.enabled = false;
    this.hud.uncover(null);
  }

  /** The connection is lost: whoever held a key may have let it go by the time it is back. */
  lost() { this.controls.release(); }

  draw(nowMs) {
    this.#pacer?.run();
    this.scene.draw(nowMs, this.controls.read().aim, this.controls.sticks.values(), STICK_PIXELS);
  }

  #input(dueMs) {
    const { dx, dy, aim, fire } = this.controls.read();
    const seq = this.#send([dx, dy, radiansToAim(aim), fire]);
    if (seq) this.scene.sent(seq, { dx, dy }, dueMs);
  }

  #sounds({ view: { players, bullets } }) {
    const { seat } = this.#joined;
    const raw = players[seat];
    const now = raw ? { ...fighter(raw), bullets: Object.values(bullets).filter((each) => each[4] === seat).length } : null;
    const was = this.#before;
    this.#before = now;
    if (!now || !was) return;
    if (now.bullets > was.bullets) this.#sound("shot");
    if (now.health <= 0 && was.health > 0) this.#sound("down");
    else if (now.health < was.health) this.#sound("hit");
    else if ((now.health > was.health && was.health > 0) || (now.rapid && !was.rapid)) this.#sound("pickup");
  }
}

const isBot = (player) => player.startsWith("bot:");
