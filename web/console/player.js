// One player: where they are, what they have played, and what can be done about them.

import { part } from "./client.js";
import { confirm } from "./confirm.js";
import { button, copy, h, pill, toast } from "./dom.js";
import { age, tail, when } from "./format.js";
import { askBan, liftBan, seatLinks } from "./people.js";
import { Poller } from "./poll.js";
import { Pager, Table } from "./table.js";

const EVERY_MS = 5_000;
const PAGE = 20;

export class PlayerPage {
  title = "Player";
  #api;
  #id;
  #poller;
  #name;
  #pills;
  #facts;
  #actions;
  #table;
  #pager;
  #problem;
  #shown = "";
  #over = false;

  constructor({ api, args: [id] }) {
    this.#api = api;
    this.#id = id;
    this.#poller = new Poller(
      () => api.get(`/players/${part(id)}`),
      EVERY_MS,
      (found, error) => this.#told(found, error),
    );
    this.#name = h("h1", {}, id);
    this.#pills = h("span", { class: "pills" });
    this.#facts = h("dl", { class: "facts" });
    this.#actions = h("div", { class: "actions" });
    this.#problem = h("p", { class: "problem", role: "alert" });
    this.#table = this.#matches();
    this.#pager = new Pager(() => this.#showMatches());
    this.element = h(
      "div",
      { class: "page" },
      h("a", { href: "#/players", class: "back" }, "← Players"),
      h("div", { class: "title" }, this.#name, this.#pills, this.#actions),
      this.#problem,
      this.#facts,
      h(
        "section",
        { class: "stack" },
        h("h2", {}, "Recent matches"),
        this.#table.element,
        this.#pager.element,
      ),
    );
  }

  start() {
    this.#poller.start();
    this.#showMatches();
  }

  stop() {
    this.#over = true;
    this.#poller.stop();
  }

  #matches() {
    return new Table({
      caption: "Matches played",
      key: (one) => one.match,
      empty: "None is known.",
      columns: [
        {
          title: "Match",
          class: "grow",
          sign: (one) => one.match,
          node: (one) =>
            h(
              "a",
              { href: `#/match/${part(one.match)}`, class: "mono", title: one.match },
              tail(one.match, 12),
            ),
        },
        { title: "Game", text: (one) => `${one.game} · ${one.mode}` },
        { title: "Joined", class: "number", text: (one) => when(one.joined_ms) },
        { title: "Ended", text: (one) => (one.ended_ms === null ? "runs" : (one.reason ?? "–")) },
        {
          title: "Lasted",
          class: "number",
          text: (one) => (one.duration_ms === null ? "–" : age(one.duration_ms)),
        },
        { title: "Place", class: "number", text: (one) => String(one.place ?? "–") },
        { title: "Score", class: "number", text: (one) => String(one.score ?? "–") },
      ],
    });
  }

  #told(found, error) {
    this.#problem.textContent = error ? error.message : "";
    if (!found || JSON.stringify(found) === this.#shown) return;
    this.#shown = JSON.stringify(found);
    const { here, ban, silent } = found;
    const name = here?.name ?? this.#id;
    this.#name.textContent = name;
    this.#pills.replaceChildren(
      here?.sockets.length ? pill("connected", "good") : here ? pill("away", "warn") : pill("not here"),
      ...(ban ? [pill("banned", "bad")] : []),
    );
    const fact = (label, ...value) => h("div", { class: "fact" }, h("dt", {}, label), h("dd", {}, ...value));
    this.#facts.replaceChildren(
      fact(
        "Id",
        h(
          "button",
          { type: "button", class: "link mono", title: "Copy", onclick: () => copy(this.#id) },
          this.#id,
        ),
      ),
      fact("Connected to", here?.sockets.join(", ") || "–"),
      fact("Matches", ...seatLinks(here?.seats ?? [])),
      ...(ban
        ? [
            fact(
              "Banned",
              `${ban.until_ms === null ? "for good" : `until ${when(ban.until_ms)}`}, by ${ban.by || "–"}: ${ban.reason || "–"}`,
            ),
          ]
        : []),
      ...(silent.length ? [fact("Not answered", silent.join(", "))] : []),
    );
    const again = (done) => {
      if (done) this.#poller.now();
    };
    this.#actions.replaceChildren(
      button("Kick…", () => this.#kick(name).then(again)),
      button("End sessions…", () => this.#signOut(name).then(again)),
      ban
        ? button("Lift ban…", () => liftBan(this.#api, this.#id, name).then(again), "primary small")
        : button("Ban…", () => askBan(this.#api, this.#id, name).then(again), "quiet small danger-text"),
    );
  }

  #kick(name) {
    return confirm({
      title: `Put ${name} out?`,
      lines: [
        "All seats are freed and all connections closed, on all nodes.",
        "They are told the reason. Nothing keeps them from coming back; a ban does.",
      ],
      verb: "Kick",
      danger: true,
      reason: "Reason (the player is told)",
      act: async ({ reason }) => {
        const { matches, sockets } = await this.#api.post(`/players/${part(this.#id)}/kick`, { reason });
        toast(`Put out of ${matches.length} matches; ${sockets} connections closed.`);
      },
    });
  }

  #signOut(name) {
    return confirm({
      title: `End all sessions of ${name}?`,
      lines: [
        "All tokens are refused and all connections closed, on all nodes.",
        "They may log in again at once, with their password.",
      ],
      verb: "End sessions",
      danger: true,
      reason: false,
      act: async () => {
        await this.#api.delete(`/players/${part(this.#id)}/sessions`);
        toast(`The sessions of ${name} have ended.`);
      },
    });
  }

  async #showMatches() {
    try {
      const { matches, next } = await this.#api.get(`/players/${part(this.#id)}/matches`, {
        limit: PAGE,
        cursor: this.#pager.cursor,
      });
      if (this.#over) return;
      this.#table.show(matches);
      this.#pager.show(matches.length, next, { size: PAGE });
    } catch (error) {
      this.#table.show(
        [],
        error.code === "not_configured" ? "This server reads no database." : error.message,
      );
      this.#pager.show(0, null);
    }
  }
}
