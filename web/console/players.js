// Players who are there now, found by id or name on all nodes; and everybody who is banned.

import { part } from "./client.js";
import { button, h, heading, pill } from "./dom.js";
import { count, when } from "./format.js";
import { liftBan, seatLinks } from "./people.js";
import { Pager, Table } from "./table.js";

const TEXT_MIN = 2;
const TYPED_MS = 300;
const FOUND_MAX = 50;
const BANS = 25;
const AN_ID = /^[!-.0-~]{2,128}$/;

export class PlayersPage {
  title = "Players";
  #api;
  #text;
  #found;
  #bans;
  #pager;
  #note;
  #exact;
  #timer = 0;
  #asked = 0;
  #over = false;

  constructor({ api, query }) {
    this.#api = api;
    this.#text = query.get("text") ?? "";
    this.#note = h("p", { class: "muted", role: "status" });
    this.#exact = h("p", { hidden: true });
    this.#found = this.#people();
    this.#bans = this.#banned();
    this.#pager = new Pager(() => this.#showBans());
    this.#pager.words("Previous", "Next");
    const typed = ({ target }) => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#search(target.value.trim()), TYPED_MS);
    };
    const input = h("input", {
      id: "player-text",
      type: "search",
      value: this.#text,
      maxLength: 128,
      autocomplete: "off",
      spellcheck: false,
      placeholder: "Name or id",
      oninput: typed,
    });
    this.element = h(
      "div",
      { class: "page" },
      heading(1, "Players"),
      h(
        "form",
        {
          class: "filters",
          role: "search",
          onsubmit: (event) => {
            event.preventDefault();
            this.#search(input.value.trim());
          },
        },
        h(
          "div",
          { class: "field" },
          h("label", { for: "player-text", class: "visually-hidden" }, "Search"),
          input,
        ),
      ),
      this.#exact,
      this.#note,
      this.#found.element,
      h("section", { class: "stack" }, h("h2", {}, "Banned"), this.#bans.element, this.#pager.element),
    );
    this.#found.element.hidden = true;
  }

  start() {
    this.#search(this.#text);
    this.#showBans();
  }

  stop() {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  #people() {
    return new Table({
      caption: "Players found",
      key: (one) => one.player,
      columns: [
        {
          title: "Player",
          class: "grow",
          sign: (one) => one.name,
          node: (one) => h("a", { href: `#/player/${part(one.player)}` }, one.name),
        },
        { title: "Id", class: "cut mono small", text: (one) => one.player },
        {
          title: "Connected",
          sign: (one) => one.sockets.join(),
          node: (one) =>
            one.sockets.length ? pill(`to ${one.sockets.join(", ")}`, "good") : pill("away", "warn"),
        },
        {
          title: "Match",
          sign: (one) => one.seats.map((seat) => seat.match).join(),
          node: (one) => h("span", {}, ...seatLinks(one.seats)),
        },
      ],
    });
  }

  #banned() {
    return new Table({
      caption: "Banned players",
      key: (one) => one.player,
      empty: "Nobody is banned.",
      columns: [
        {
          title: "Player",
          class: "grow cut",
          sign: (one) => one.player,
          node: (one) => h("a", { href: `#/player/${part(one.player)}`, class: "mono" }, one.player),
        },
        { title: "Reason", class: "cut", text: (one) => one.reason || "–" },
        {
          title: "Until",
          class: "number",
          text: (one) => (one.until_ms === null ? "for good" : when(one.until_ms)),
        },
        { title: "By", text: (one) => one.by || "–" },
        { title: "Since", class: "number", text: (one) => when(one.at_ms) },
        {
          title: "Actions",
          class: "do",
          sign: (one) => one.player,
          node: (one) =>
            button(
              "Lift…",
              async () => {
                if (await liftBan(this.#api, one.player, one.player)) this.#showBans();
              },
              "quiet small",
              { "aria-label": `Lift the ban of ${one.player}` },
            ),
        },
      ],
    });
  }

  async #search(text) {
    if (text !== this.#text)
      history.replaceState(null, "", text ? `#/players?text=${part(text)}` : "#/players");
    this.#text = text;
    const enough = text.length >= TEXT_MIN;
    this.#exact.hidden = !(enough && AN_ID.test(text));
    if (!this.#exact.hidden)
      this.#exact.replaceChildren(
        "By this very id, also of who is not here: ",
        h("a", { href: `#/player/${part(text)}`, class: "mono" }, text),
      );
    this.#found.element.hidden = !enough;
    this.#note.textContent = enough
      ? "Asking all nodes…"
      : "Finds players who are connected or seated now, by a part of their name or id.";
    if (!enough) return;
    const number = ++this.#asked;
    try {
      const { players, more, silent } = await this.#api.get("/players", { text, limit: FOUND_MAX });
      if (this.#over || number !== this.#asked) return;
      this.#found.show(players, "Nobody who is here is called like that.");
      const told = more
        ? `The first ${count(players.length)}; type more to see others.`
        : `${count(players.length)} found.`;
      this.#note.textContent = silent.length
        ? `${told} Not answered: ${silent.join(", ")}; players there may be missing.`
        : told;
    } catch (error) {
      this.#note.textContent = error.message;
    }
  }

  async #showBans() {
    try {
      const { bans, next, total } = await this.#api.get("/bans", { limit: BANS, cursor: this.#pager.cursor });
      if (this.#over) return;
      this.#bans.show(bans);
      this.#pager.show(bans.length, next, { total: total || null, size: BANS, format: count });
    } catch (error) {
      this.#bans.show([], error.message);
    }
  }
}
