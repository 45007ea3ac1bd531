// Matches: all of them, page by page; the server searches and sorts.

import { part } from "./client.js";
import { h, heading, pill } from "./dom.js";
import { age, count, tail } from "./format.js";
import { Poller } from "./poll.js";
import { Pager, Table } from "./table.js";

const PAGE = 50;
const EVERY_MS = 5_000;
const TYPED_MS = 300;
const PEOPLE_TEXT_MIN = 2;
const ORDERS = [
  ["newest", "Newest first"],
  ["oldest", "Oldest first"],
  ["fullest", "Fullest first"],
  ["emptiest", "Emptiest first"],
];
const STATES = { running: "good", paused: "warn", ended: "" };

export function matchTable(nowMs) {
  return new Table({
    caption: "Matches",
    key: (one) => one.id,
    empty: "No match is like that.",
    columns: [
      {
        title: "Match",
        class: "grow",
        sign: (one) => one.id,
        node: (one) =>
          h("a", { href: `#/match/${part(one.id)}`, class: "mono", title: one.id }, tail(one.id, 12)),
      },
      { title: "Game", text: (one) => `${one.game} · ${one.mode}` },
      { title: "Title", class: "cut", text: (one) => one.title || "–" },
      { title: "Players", class: "number", text: (one) => `${one.players} / ${one.players_max}` },
      {
        title: "State",
        sign: (one) => `${one.state} ${one.visibility}`,
        node: (one) =>
          h(
            "span",
            { class: "pills" },
            pill(one.state, STATES[one.state]),
            one.visibility !== "public" && pill(one.visibility),
          ),
      },
      { title: "Tick", class: "number", text: (one) => count(one.tick) },
      { title: "Age", class: "number", text: (one) => age(nowMs() - one.created_ms) },
      { title: "Node", class: "cut mono", text: (one) => one.node },
    ],
  });
}

export class MatchesPage {
  title = "Matches";
  #api;
  #overview;
  #asked;
  #table;
  #pager;
  #poller;
  #people;
  #timer = 0;
  #problem;
  #games = [];
  #searched = null;

  constructor({ api, overview, query }) {
    this.#api = api;
    this.#overview = overview;
    this.#asked = {
      text: query.get("text") ?? "",
      game: query.get("game") ?? "",
      node: query.get("node") ?? "",
      order: query.get("order") ?? "newest",
    };
    this.#table = matchTable(() => overview.nowMs);
    this.#pager = new Pager(() => this.#poller.now());
    this.#pager.words("Previous", "Next");
    this.#poller = new Poller(
      () => this.#ask(),
      EVERY_MS,
      (found, error) => this.#told(found, error),
    );
    this.#people = h("div", { class: "people", hidden: true, role: "status" });
    this.#problem = h("p", { class: "problem", role: "alert" });
    this.element = h(
      "div",
      { class: "page" },
      heading(1, "Matches"),
      this.#filters(),
      this.#people,
      this.#problem,
      this.#table.element,
      this.#pager.element,
    );
  }

  async start() {
    this.#poller.start();
    this.#searchPeople();
    this.#games = await this.#api.games().catch(() => []);
    this.game.append(
      ...this.#games.map(({ name }) =>
        h("option", { value: name, selected: name === this.#asked.game }, name),
      ),
    );
  }

  stop() {
    this.#poller.stop();
    clearTimeout(this.#timer);
  }

  #filters() {
    const set =
      (name) =>
      ({ target }) => {
        this.#asked[name] = target.value.trim();
        this.#changed();
      };
    const typed = ({ target }) => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => set("text")({ target }), TYPED_MS);
    };
    this.game = h(
      "select",
      { id: "match-game", onchange: set("game") },
      h("option", { value: "" }, "All games"),
    );
    const nodes = [...new Set([...this.#overview.nodes.map((one) => one.name), this.#asked.node])].filter(
      Boolean,
    );
    const node = h(
      "select",
      { id: "match-node", onchange: set("node") },
      h("option", { value: "" }, "All nodes"),
      ...nodes.map((name) => h("option", { value: name, selected: name === this.#asked.node }, name)),
    );
    const order = h(
      "select",
      { id: "match-order", onchange: set("order") },
      ...ORDERS.map(([value, text]) => h("option", { value, selected: value === this.#asked.order }, text)),
    );
    const search = h("input", {
      id: "match-text",
      type: "search",
      value: this.#asked.text,
      maxLength: 64,
      autocomplete: "off",
      spellcheck: false,
      placeholder: "Match id, title, or player",
      oninput: typed,
    });
    const labelled = (id, text, field) =>
      h("div", { class: "field" }, h("label", { for: id, class: "visually-hidden" }, text), field);
    return h(
      "form",
      {
        class: "filters",
        role: "search",
        onsubmit: (event) => {
          event.preventDefault();
          set("text")({ target: search });
        },
      },
      labelled("match-text", "Search", search),
      labelled("match-game", "Game", this.game),
      labelled("match-node", "Node", node),
      labelled("match-order", "Order", order),
    );
  }

  #changed() {
    this.#pager.reset();
    const query = new URLSearchParams(
      Object.entries(this.#asked).filter(
        ([name, value]) => value && !(name === "order" && value === "newest"),
      ),
    );
    history.replaceState(null, "", `#/matches${query.size ? `?${query}` : ""}`);
    this.#poller.now();
    this.#searchPeople();
  }

  async #ask() {
    const asked = JSON.stringify([this.#asked, this.#pager.cursor]);
    const found = await this.#api.get("/matches", {
      ...this.#asked,
      limit: PAGE,
      cursor: this.#pager.cursor,
    });
    return { asked, found };
  }

  #told(answer, error) {
    this.#problem.textContent = error ? error.message : "";
    if (!answer) return;
    if (answer.asked !== JSON.stringify([this.#asked, this.#pager.cursor])) {
      setTimeout(() => this.#poller.now()); // Something else is wanted by now.
      return;
    }
    const { matches, next, total } = answer.found;
    this.#table.show(matches);
    this.#pager.show(matches.length, next, { total, size: PAGE, format: count });
  }

  async #searchPeople() {
    const text = this.#asked.text;
    if (text === this.#searched) return;
    this.#searched = text;
    if (text.length < PEOPLE_TEXT_MIN) {
      this.#people.hidden = true;
      return;
    }
    const found = await this.#api.get("/players", { text, limit: 8 }).catch(() => ({ players: [] }));
    if (text !== this.#asked.text) return;
    this.#people.hidden = found.players.length === 0;
    this.#people.replaceChildren(
      h("span", { class: "muted" }, found.more ? "First players" : "Players"),
      ...found.players.map((one) => {
        const seat = one.seats[0];
        return h(
          "span",
          { class: "person" },
          h("a", { href: `#/player/${part(one.player)}` }, one.name),
          seat
            ? h(
                "a",
                {
                  class: "mono small",
                  href: `#/match/${part(seat.match)}`,
                  "aria-label": `${one.name}’s match ${seat.match}`,
                },
                tail(seat.match, 8),
              )
            : h("span", { class: "muted small" }, "no match"),
        );
      }),
    );
  }
}
