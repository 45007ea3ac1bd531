// What operators have done, newest first.

import { button, h, heading, pill } from "./dom.js";
import { when } from "./format.js";
import { Pager, Table } from "./table.js";

const PAGE = 50;
const ASKED = "asked";

/** "POST /v1/admin/matches/{match}/end" → "end match". */
export function inWords(call) {
  const words = {
    "POST /v1/admin/matches/{match}/end": "ended a match",
    "POST /v1/admin/matches/{match}/kick": "kicked from a match",
    "POST /v1/admin/matches/{match}/signal": "signalled a match",
    "POST /v1/admin/players/{player_id}/kick": "kicked a player",
    "PUT /v1/admin/players/{player_id}/ban": "banned a player",
    "DELETE /v1/admin/players/{player_id}/ban": "lifted a ban",
    "DELETE /v1/admin/players/{player_id}/sessions": "ended sessions",
    "PUT /v1/admin/maintenance": "turned maintenance on",
    "DELETE /v1/admin/maintenance": "turned maintenance off",
    "POST /v1/admin/nodes/{node}/drain": "drained a node",
    "POST /v1/admin/letter-orders": "ordered about letters",
  };
  return words[call] ?? call;
}

function subjectOf({ call, subject, about, given }) {
  if (call.includes("/matches/") && subject)
    return h("a", { href: `#/match/${encodeURIComponent(subject)}`, class: "mono small" }, subject);
  if (call.includes("/players/") && subject)
    return h("a", { href: `#/player/${encodeURIComponent(subject)}`, class: "mono small" }, subject);
  if (call.includes("/letter-orders")) {
    try {
      const { verb, letter, dry_run: dry } = JSON.parse(given);
      return h("span", {}, `${verb}${letter ? ` ${letter}` : ""}${dry ? ", dry run" : ""}`);
    } catch {
      return h("span", {}, "–");
    }
  }
  return h("span", { class: "mono small" }, subject || about || "–");
}

export class AuditPage {
  title = "Audit";
  #api;
  #table;
  #pager;
  #problem;
  #over = false;
  #failed = new Set();

  constructor({ api }) {
    this.#api = api;
    this.#problem = h("p", { class: "problem", role: "alert" });
    this.#pager = new Pager(() => this.#show());
    this.#table = new Table({
      caption: "Calls of operators",
      key: (one) => `${one.request_id} ${one.outcome} ${one.at_ms}`,
      empty: "Nothing has been done yet.",
      columns: [
        { title: "When", class: "number first", text: (one) => when(one.at_ms) },
        { title: "Who", text: (one) => one.by },
        {
          title: "What",
          class: "grow",
          sign: (one) => one.call,
          node: (one) => h("span", { title: one.call }, inWords(one.call)),
        },
        { title: "Of", class: "cut", node: subjectOf, sign: (one) => one.subject + one.given },
        { title: "Reason", class: "cut", text: (one) => one.reason || "–" },
        {
          title: "Outcome",
          sign: (one) => `${one.outcome} ${this.#failed.has(one.request_id)}`,
          node: (one) => this.#outcome(one),
        },
      ],
    });
    this.element = h(
      "div",
      { class: "page" },
      heading(
        1,
        "Audit",
        h(
          "div",
          { class: "actions" },
          button("Refresh", () => {
            this.#pager.reset();
            this.#show();
          }),
        ),
      ),
      h(
        "p",
        { class: "muted" },
        "What operators have changed through the API. A call that failed has a second line, with what came of it.",
      ),
      this.#problem,
      this.#table.element,
      this.#pager.element,
    );
  }

  start() {
    this.#show();
  }

  stop() {
    this.#over = true;
  }

  /** What is written down first is that something was asked; a failure is a second record. */
  #outcome({ outcome, request_id: id }) {
    if (outcome !== ASKED) return pill(outcome, "bad");
    return this.#failed.has(id) ? pill("asked") : pill("done", "good");
  }

  async #show() {
    try {
      const { records, next } = await this.#api.get("/audit", { limit: PAGE, cursor: this.#pager.cursor });
      if (this.#over) return;
      this.#problem.textContent = "";
      this.#failed = new Set(records.filter((one) => one.outcome !== ASKED).map((one) => one.request_id));
      this.#table.show(records);
      this.#pager.show(records.length, next, { size: PAGE });
    } catch (error) {
      this.#problem.textContent = error.message;
    }
  }
}
