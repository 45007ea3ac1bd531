// What stands around a match of any game: feed, banner, connection, and the panel at its end.

import { $, make, setText } from "../shared/dom.js";

const FEED_MAX = 6;
const FEED_MS = 7_000;
const TOAST_MS = 6_000;
const TRIGGER_MS = 700;

/** How good a connection feels: 3 good, 2 fair, 1 poor, 0 none. */
export function quality(rttMs, jitterMs) {
  if (rttMs === null) return 0;
  const felt = rttMs + 2 * jitterMs;
  return felt < 110 ? 3 : felt < 250 ? 2 : 1;
}

const QUALITY = ["no connection", "poor connection", "fair connection", "good connection"];

export class Hud {
  reset() {
    $("feed").replaceChildren();
    $("notice").textContent = "";
  }

  /** One line in the feed; `parts` alternate plain and emphasised text, plain first. */
  tell(...parts) {
    this.#add($("feed"), FEED_MS, FEED_MAX, parts);
  }

  /** News that are seen on every screen. */
  toast(...parts) {
    const playing = document.body.dataset.screen === "game";
    this.#add(playing ? $("feed") : $("toasts"), TOAST_MS, FEED_MAX, parts);
  }

  #add(list, forMs, most, parts) {
    const line = make("li");
    parts.forEach((part, i) => { if (part) line.append(i % 2 ? make("b", part) : part); });
    list.append(line);
    while (list.children.length > most) list.firstChild.remove();
    setTimeout(() => line.remove(), forMs);
  }

  /** A calm line about the connection; null takes it away. */
  banner(text, { retry = false } = {}) {
    $("banner").hidden = text === null;
    $("retry").hidden = !retry;
    if (text !== null) setText($("banner-text"), text);
  }

  network(rttMs, jitterMs, fps) {
    const good = quality(rttMs, jitterMs);
    $("net").dataset.quality = String(good);
    $("net").title = `Round trip to the server: ${QUALITY[good]}`;
    setText($("net-text"), `${rttMs === null ? "–" : Math.round(rttMs)} ms`);
    setText($("net-fps"), ` · ${fps} fps`);
  }

  /** The end: `standings` of {player, name, place, score}; `unit`: what a score counts. */
  over(standings, selfId, { reason, unit }) {
    const mine = standings.find((each) => each.player === selfId);
    const winners = standings.filter((each) => each.place === 1);
    $("over").dataset.won = String(winners.includes(mine));
    $("over-title").textContent = !winners.includes(mine) ? "Match over"
      : winners.length > 1 ? "A draw" : "You win";
    $("over-score").textContent = unit.title;
    $("over-text").textContent = reason ?? (mine
      ? `Place ${mine.place} of ${standings.length}, ${unit.count(mine.score)}` : "");
    $("standings").replaceChildren(...standings.map((each) => {
      const line = make("tr", "", each.player === selfId ? "self" : "");
      line.append(make("td", String(each.place)), make("td", each.name), make("td", String(each.score)));
      return line;
    }));
    // Who is still holding the trigger must not press a button that has just appeared under it.
    const buttons = [...$("over").querySelectorAll("button")];
    for (const each of buttons) each.disabled = true;
    setTimeout(() => {
      for (const each of buttons) each.disabled = false;
      $("again").focus();
    }, TRIGGER_MS);
    if (!$("over").open) $("over").showModal();
  }
}
