// What players say and decide beside the game: a line of chat, a pause, a rematch.

import { $ } from "../shared/dom.js";

/** `tell(...parts)`: a line of the feed; `client()`: the connection, or null; `done`: give the
 * keys back to the game. */
export class Talk {
  constructor({ client, tell, done }) {
    this.client = client;
    this.tell = tell;
    this.heard = 0;
    this.paused = false;
    $("chat").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = $("chat-text").value.trim();
      if (text) client()?.chat(text);
      $("chat-text").value = "";
      done();
    });
    $("chat-text").addEventListener("keydown", (event) => {
      event.stopPropagation(); // what is typed moves nobody
      if (event.key === "Escape") done();
    });
    window.addEventListener("keydown", (event) => {
      const free = document.body.dataset.screen === "game" && !$("chat").hidden && !$("over").open;
      const typing = /^(INPUT|BUTTON|SELECT)$/.test(document.activeElement?.tagName ?? "");
      if (event.key !== "Enter" || !free || typing) return;
      event.preventDefault();
      $("chat-text").focus();
    });
    $("pause").addEventListener("click", () => {
      client()?.vote(this.paused ? "resume" : "pause");
      done();
    });
    $("rematch").addEventListener("click", () => {
      client()?.vote("rematch");
      $("rematch").disabled = true;
    });
  }

  /** A match is joined; `seat` -1: watched. `mode`: whether pauses may be voted for, if it is known. */
  joined({ match, seat }, mode) {
    if (match !== this.match) this.heard = 0;
    this.match = match;
    const watching = seat < 0;
    document.body.toggleAttribute("data-watching", watching);
    $("chat").hidden = watching;
    $("pause").hidden = watching || mode?.pauses === 0;
    $("rematch").hidden = true;
    this.stands(false);
  }

  /** Whether the match stands still. */
  stands(paused) {
    this.paused = paused;
    $("pause").textContent = paused ? "Go on" : "Pause";
  }

  said({ number, name, text }) {
    if (number <= this.heard) return;
    this.heard = number;
    this.tell("", name, `: ${text}`);
  }

  voting({ what, yes, needed }) {
    if (what === "rematch") {
      $("rematch").hidden = needed === 0;
      $("rematch").textContent = yes.length ? `Rematch (${yes.length})` : "Rematch";
      if (yes.length === 0) $("rematch").disabled = false;
    } else if (needed) {
      const wish = what === "pause" ? "to pause" : "to go on";
      this.tell(`${yes.length} of ${needed} want `, wish);
    }
  }

  refused({ code, message }) {
    if (code === "chat_refused" || code === "vote_refused") this.tell("", "Not done", `: ${message}`);
  }
}
