// What stands around the arena: scores, clock, feed, banner, and the panel at the end.

import { HEALTH_MAX, RESPAWN_TICKS, fighter } from "./rules.js";
import { seatColour } from "./scene.js";

const ROWS_MAX = 8;
const FEED_MAX = 6;
const FEED_MS = 7_000;
const TRIGGER_MS = 700;

const $ = (id) => document.getElementById(id);

/** An element of text only: names come from other people. */
function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const clockText = (seconds) =>
  `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

export class Hud {
  constructor() { this.reset(); }

  reset() {
    this.bots = new Set(); // seats that the game plays
    this.deadSinceTick = null;
    this.scoresShown = "";
    $("feed").replaceChildren();
    $("notice").textContent = "";
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
    const near = 46;
    for (const element of document.querySelectorAll(".scores, .clock, #feed, .vitals")) {
      const box = point && element.getBoundingClientRect();
      element.classList.toggle("behind", !!box && box.height > 0
        && point.x > box.left - near && point.x < box.right + near
        && point.y > box.top - near && point.y < box.bottom + near);
    }
  }

  /** One line in the feed; `parts` alternate plain and emphasised text, plain first. */
  tell(...parts) {
    const line = make("li");
    parts.forEach((part, i) => { if (part) line.append(i % 2 ? make("b", part) : part); });
    const feed = $("feed");
    feed.append(line);
    while (feed.children.length > FEED_MAX) feed.firstChild.remove();
    setTimeout(() => line.remove(), FEED_MS);
  }

  /** A calm line about the connection; null takes it away. */
  banner(text, { retry = false } = {}) {
    $("banner").hidden = text === null;
    $("retry").hidden = !retry;
    if (text !== null) setText($("banner-text"), text);
  }

  network(rttMs, fps) { setText($("net"), `${rttMs === null ? "–" : Math.round(rttMs)} ms · ${fps} fps`); }

  /** The end: `standings` of {player, name, place, score}. */
  over(standings, selfId, reason) {
    const mine = standings.find((each) => each.player === selfId);
    const winners = standings.filter((each) => each.place === 1);
    $("over-title").textContent = !winners.includes(mine) ? "Match over"
      : winners.length > 1 ? "A draw" : "You win";
    $("over-text").textContent = reason ?? (mine
      ? `Place ${mine.place} of ${standings.length}, ${mine.score} ${mine.score === 1 ? "kill" : "kills"}` : "");
    $("standings").replaceChildren(...standings.map((each) => {
      const line = make("tr", "", each.player === selfId ? "self" : "");
      line.append(make("td", String(each.place)), make("td", each.name), make("td", String(each.score)));
      return line;
    }));
    // Who is still holding the trigger must not press a button that has just appeared under it.
    const buttons = [...$("over").querySelectorAll("button")];
    for (const button of buttons) button.disabled = true;
    setTimeout(() => {
      for (const button of buttons) button.disabled = false;
      $("again").focus();
    }, TRIGGER_MS);
    if (!$("over").open) $("over").showModal();
  }
}
