// A match from within: players, state, spectators' view; end it, take seats away, ban.

import { Tree } from "../playground/tree.js";
import { part } from "./client.js";
import { confirm } from "./confirm.js";
import { button, copy, h, pill, toast } from "./dom.js";
import { age, count } from "./format.js";
import { askBan } from "./people.js";
import { Poller } from "./poll.js";
import { Spectator } from "./spectate.js";
import { Table } from "./table.js";

const EVERY_MS = 2_000;

function fact(label, ...value) {
  return h("div", { class: "fact" }, h("dt", {}, label), h("dd", { class: "tabular" }, ...value));
}

export class MatchPage {
  #api;
  #id;
  #overview;
  #poller;
  #table;
  #trees;
  #facts;
  #pills;
  #gone;
  #spectator = null;
  #detail = null;
  #config;

  constructor({ api, overview, config, args: [id] }) {
    this.title = "Match";
    this.#api = api;
    this.#overview = overview;
    this.#config = config;
    this.#id = id;
    this.#poller = new Poller(
      () => api.get(`/matches/${part(id)}`),
      EVERY_MS,
      (found, error) => this.#told(found, error),
    );
    this.#table = this.#players();
    this.#facts = h("dl", { class: "facts" });
    this.#pills = h("span", { class: "pills" });
    this.#gone = h("p", { class: "notice", role: "status", hidden: true });
    const places = ["What everyone sees", "The whole state"].map((text) => ({
      text,
      place: h("div", { class: "tree", tabindex: "0", "aria-label": text }),
    }));
    this.#trees = places.map(({ place }) => new Tree(place));
    this.stage = h("section", { class: "card stack", hidden: true, "aria-label": "Spectating" });
    this.watch = button("Spectate", () => this.#spectate(), "primary");
    this.ending = button("End match…", () => this.#end(), "quiet danger-text");
    this.element = h(
      "div",
      { class: "page" },
      h("a", { href: "#/matches", class: "back" }, "← Matches"),
      h(
        "div",
        { class: "title" },
        h("h1", {}, "Match ", h("span", { class: "mono id" }, id)),
        this.#pills,
        h(
          "div",
          { class: "actions" },
          button("Copy id", () => copy(id)),
          this.watch,
          this.ending,
        ),
      ),
      this.#gone,
      this.#facts,
      this.stage,
      h("section", { class: "stack" }, h("h2", {}, "Players"), this.#table.element),
      h(
        "div",
        { class: "pair" },
        ...places.map(({ text, place }) => h("section", { class: "card stack" }, h("h2", {}, text), place)),
      ),
    );
  }

  start() {
    this.#trees.forEach((tree) => tree.clear("Asking the match’s node…"));
    this.#poller.start();
  }

  stop() {
    this.#poller.stop();
    this.#spectator?.stop();
  }

  #players() {
    return new Table({
      caption: "Players of this match",
      key: (one) => one.player,
      empty: "Nobody has a seat.",
      columns: [
        { title: "Seat", class: "number", text: (one) => String(one.seat) },
        {
          title: "Player",
          class: "grow",
          sign: (one) => one.name,
          node: (one) => h("a", { href: `#/player/${part(one.player)}` }, one.name),
        },
        { title: "Id", class: "cut mono small", text: (one) => one.player },
        {
          title: "Connection",
          sign: (one) => String(one.connected),
          node: (one) => (one.connected ? pill("connected", "good") : pill("away", "warn")),
        },
        {
          title: "Actions",
          class: "do",
          sign: (one) => one.player,
          node: (one) =>
            h(
              "span",
              { class: "actions" },
              button("Kick…", () => this.#kick(one), "quiet small", { "aria-label": `Kick ${one.name}` }),
              button("Ban…", () => this.#ban(one), "quiet small danger-text", {
                "aria-label": `Ban ${one.name}`,
              }),
            ),
        },
      ],
    });
  }

  #told(found, error) {
    if (error) {
      this.#gone.hidden = false;
      this.#gone.textContent =
        error.status === 404 ? "This match is over, or there has never been one of this id." : error.message;
      if (error.status === 404) {
        this.#poller.stop();
        this.watch.disabled = this.ending.disabled = true;
        this.#table.show([]);
        if (!this.#detail) this.#trees.forEach((tree) => tree.clear("Nothing to see."));
        this.#result();
      }
      return;
    }
    this.#gone.hidden = true;
    const known = (this.#detail = found);
    this.#pills.replaceChildren(
      pill(`${known.game} · ${known.mode}`),
      pill(known.state, known.state === "running" ? "good" : "warn"),
    );
    this.#facts.replaceChildren(
      fact("Tick", count(known.tick)),
      fact("Age", age(this.#overview.nowMs - known.created_ms)),
      fact("Players", `${known.players.length} / ${known.players_max}`),
      fact("Key events", count(known.events)),
      fact("Not yet durable", count(known.uncommitted)),
      fact("Epoch", String(known.epoch)),
      fact("Node", h("a", { class: "mono", href: `#/matches?node=${part(known.node)}` }, known.node)),
    );
    this.#table.show(known.players);
    [known.view, known.game_state].forEach((value, index) => {
      if (value === null) this.#trees[index].clear("Too long, or nothing that JSON can tell.");
      else this.#trees[index].show(value, {}, {});
    });
  }

  /** What became of it, once PostgreSQL knows. */
  async #result() {
    try {
      const result = await this.#api.result(this.#id);
      const places = result.players.map(
        (one) =>
          `${one.place ?? "–"}. ${one.name ?? one.player}${one.score === null ? "" : ` (${one.score})`}`,
      );
      this.#gone.textContent = `This match is over: ${result.reason ?? "how is not known yet"}. ${places.join("   ")}`;
    } catch {
      // Nothing more is known.
    }
  }

  #spectate() {
    if (this.#spectator) {
      this.#spectator.stop();
      this.#spectator = null;
      this.stage.hidden = true;
      this.watch.textContent = "Spectate";
      return;
    }
    this.stage.hidden = false;
    this.watch.textContent = "Stop spectating";
    this.#spectator = new Spectator({
      place: this.stage,
      url: this.#config.ws_url,
      token: (fresh) => this.#api.token(fresh),
      match: this.#id,
      game: this.#detail?.game ?? "",
    });
  }

  #end() {
    const players = this.#detail?.players.length ?? 0;
    return confirm({
      title: "End this match?",
      lines: [
        `All ${players} players lose their seats at once, and are told the reason.`,
        "It ends as abandoned: there is no result, and no rating changes.",
        "This cannot be undone.",
      ],
      verb: "End match",
      danger: true,
      reason: "Reason (players are told)",
      act: async ({ reason }) => {
        await this.#api.post(`/matches/${part(this.#id)}/end`, { reason });
        toast("The match is over.");
        this.#poller.now();
      },
    });
  }

  #kick(one) {
    return confirm({
      title: `Take ${one.name}’s seat away?`,
      lines: [
        `${one.name} leaves this match at once. Other sessions of theirs stay open.`,
        "Nothing keeps them from joining again; a ban does.",
      ],
      verb: "Kick",
      danger: true,
      act: async ({ reason }) => {
        await this.#api.post(`/matches/${part(this.#id)}/kick`, { player: one.player, reason });
        toast(`${one.name} has lost the seat.`);
        this.#poller.now();
      },
    });
  }

  async #ban(one) {
    if (await askBan(this.#api, one.player, one.name)) this.#poller.now();
  }
}
