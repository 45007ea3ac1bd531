// What stands around the arena: scores, clock, health.

import { $, clockText, make, setText } from "../shared/dom.js";
import { HEALTH_MAX, RESPAWN_TICKS, fighter } from "./rules.js";
import { seatColour } from "./scene.js";

const ROWS_MAX = 8;
const NEAR = 46;

export class ArenaHud {
  constructor() { this.reset(); }

  reset() {
    this.bots = new Set(); // seats that the game plays
    this.deadSinceTick = null;
    this.scoresShown = "";
    $("goal").textContent = "";
    $("clock").textContent = "–:––";
    $("scores").replaceChildren();
  }

  /** Show what a frame says. `names`: Map of seat → name. */
  frame({ tick, view }, seat, names, tickRate) {
    this.#clock(view, tick, tickRate);
    const all = Object.entries(view.players).map(([key, raw]) => ({ seat: Number(key), ...fighter(raw) }));
    this.#scores(all, seat, names);
    const me = all.find((each) => each.seat === seat);
    if (!me) return;
    setText($("health-text"), String(me.health));
    $("health").style.transform = `scaleX(${me.health / HEALTH_MAX})`;
    $("health").classList.toggle("low", me.health <= 25);
    $("rapid").hidden = !me.rapid;
    if (me.health > 0) this.deadSinceTick = null;
    else this.deadSinceTick ??= tick;
    const left = this.deadSinceTick === null ? 0 : this.deadSinceTick + RESPAWN_TICKS - tick;
    setText($("notice"), this.deadSinceTick === null ? ""
      : `You are down – back in ${Math.max(1, Math.ceil(left / tickRate))}`);
  }

  #clock(view, tick, tickRate) {
    const seconds = Math.max(0, Math.ceil((view.ends_tick - tick) / tickRate));
    setText($("clock"), view.ends_tick ? clockText(seconds) : "–:––");
    document.querySelector(".clock").classList.toggle("ending", view.ends_tick > 0 && seconds <= 10);
    const waiting = Object.keys(view.players).length < 2;
    setText($("goal"), waiting ? "waiting for a second player"
      : view.kills ? `first to ${view.kills}` : "most kills win");
  }

  #scores(all, seat, names) {
    all.sort((a, b) => b.kills - a.kills || a.deaths - b.deaths || a.seat - b.seat);
    let rows = all.slice(0, ROWS_MAX);
    const me = all.find((each) => each.seat === seat);
    if (me && !rows.includes(me)) rows = [...rows.slice(0, ROWS_MAX - 1), me];
    const key = JSON.stringify(rows.map((r) => [r.seat, names.get(r.seat), r.kills, r.deaths, this.bots.has(r.seat)]));
    if (key === this.scoresShown) return;
    this.scoresShown = key;
    $("scores").replaceChildren(...rows.map((row) => {
      const line = make("tr", "", row.seat === seat ? "self" : "");
      const name = make("td");
      const dot = make("span", "", "dot");
      dot.style.background = row.seat === seat ? "var(--self)" : seatColour(row.seat);
      name.append(dot, names.get(row.seat) ?? "…");
      if (this.bots.has(row.seat)) name.append(make("span", "bot", "tag"));
      line.append(name, make("td", String(row.kills)), make("td", String(row.deaths)));
      return line;
    }));
  }

  /** Fade what would hide the own fighter, which is at a point of the page (or nowhere: null). */
  uncover(point) {
    for (const element of document.querySelectorAll(".scores, .clock, #feed, .vitals")) {
      const box = point && element.getBoundingClientRect();
      element.classList.toggle("behind", !!box && box.height > 0
        && point.x > box.left - NEAR && point.x < box.right + NEAR
        && point.y > box.top - NEAR && point.y < box.bottom + NEAR);
    }
  }
}
