// Dead letters: looked at and acted on by a worker, which the server sends an order.

import { part } from "./client.js";
import { confirm } from "./confirm.js";
import { button, h, heading, pill, toast } from "./dom.js";
import { age, count, tail, when } from "./format.js";
import { VERBS, verbButton } from "./letter_verbs.js";
import { Table } from "./table.js";

const LIMIT = 200;
const ORDERS_EVERY_MS = 2_000;
const PLACES = [
  ["all", "Everywhere"],
  ["queue", "In the queue"],
  ["parked", "Parked"],
];
const IDS_SHOWN = 5;

export class LettersPage {
  title = "Dead letters";
  #api;
  #overview;
  #filter;
  #table;
  #orders;
  #note;
  #detail;
  #timer = 0;
  #over = false;
  #asking = 0;
  #listen;
  #depths;

  constructor({ api, overview, query }) {
    this.#api = api;
    this.#overview = overview;
    this.#filter = { place: "all", code: query.get("code") ?? "", game: "", match: query.get("match") ?? "" };
    this.#note = h("p", { class: "muted", role: "status" });
    this.#depths = h("p", { class: "muted tabular" });
    this.#detail = h("section", { class: "card stack", hidden: true, "aria-label": "Letter" });
    this.#table = this.#letters();
    this.#orders = this.#ordered();
    const actions = Object.keys(VERBS).map((verb) =>
      verbButton(verb, () => this.#act(verb), { "data-verb": verb }),
    );
    this.element = h(
      "div",
      { class: "page" },
      heading(1, "Dead letters"),
      this.#depths,
      this.#filters(),
      h(
        "div",
        { class: "title" },
        this.#note,
        h(
          "div",
          { class: "actions", role: "group", "aria-label": "All that are shown" },
          h("span", { class: "muted small" }, "All of these:"),
          ...actions,
        ),
      ),
      this.#table.element,
      this.#detail,
      h("section", { class: "stack" }, h("h2", {}, "Ordered lately"), this.#orders.element),
    );
  }

  start() {
    this.#listen = () => this.#showDepths();
    this.#overview.addEventListener("news", this.#listen);
    this.#showDepths();
    this.#look();
    this.#showOrders();
  }

  stop() {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#overview.removeEventListener("news", this.#listen);
  }

  #filters() {
    const field = (name, text, input) =>
      h(
        "div",
        { class: "field" },
        h("label", { for: `letter-${name}`, class: "visually-hidden" }, text),
        input,
      );
    const input = (name, text) =>
      field(
        name,
        text,
        h("input", {
          id: `letter-${name}`,
          placeholder: text,
          value: this.#filter[name],
          maxLength: 128,
          autocomplete: "off",
          spellcheck: false,
          oninput: ({ target }) => {
            this.#filter[name] = target.value.trim();
          },
        }),
      );
    const place = h(
      "select",
      {
        id: "letter-place",
        onchange: ({ target }) => {
          this.#filter.place = target.value;
          this.#look();
        },
      },
      ...PLACES.map(([value, text]) => h("option", { value }, text)),
    );
    return h(
      "form",
      {
        class: "filters",
        role: "search",
        onsubmit: (event) => {
          event.preventDefault();
          this.#look();
        },
      },
      field("place", "Where", place),
      input("code", "Reason"),
      input("game", "Game"),
      input("match", "Match id"),
      h("button", { type: "submit", class: "quiet" }, "Look"),
    );
  }

  #letters() {
    return new Table({
      caption: "Dead letters",
      key: (one) => `${one.place} ${one.id}`,
      columns: [
        {
          title: "Reason",
          class: "grow",
          sign: (one) => one.reason,
          node: (one) =>
            h(
              "span",
              { class: "pills" },
              button(one.reason, () => this.#show(one), "link", { title: "Its records" }),
              pill(one.place, one.place === "queue" ? "warn" : ""),
            ),
        },
        { title: "Detail", class: "cut", text: (one) => one.detail || "–" },
        {
          title: "Events",
          class: "cut mono small",
          text: (one) =>
            one.events.length
              ? one.events
                  .slice(0, 2)
                  .map((each) => tail(each, 14))
                  .join(" ") + (one.events.length > 2 ? ` +${one.events.length - 2}` : "")
              : "–",
        },
        { title: "Game", text: (one) => one.games.join(" ") || "–" },
        { title: "Since", class: "number", text: (one) => age(this.#overview.nowMs - one.sent_at_ms) },
        { title: "Redriven", class: "number", text: (one) => String(one.redrives) },
        {
          title: "Actions",
          class: "do",
          sign: (one) => one.id,
          node: (one) =>
            h(
              "span",
              { class: "actions" },
              verbButton("redrive", () => this.#act("redrive", one), { "aria-label": `Redrive ${one.id}` }),
              verbButton("discard", () => this.#act("discard", one), { "aria-label": `Discard ${one.id}` }),
            ),
        },
      ],
    });
  }

  #ordered() {
    return new Table({
      caption: "Orders",
      key: (one) => one.id,
      empty: "Nothing was ordered in the last weeks.",
      columns: [
        {
          title: "What",
          class: "grow",
          text: (one) =>
            `${one.verb}${one.letter ? ` ${tail(one.letter, 8)}` : ` (${one.place})`}${one.dry_run ? ", dry run" : ""}`,
        },
        {
          title: "State",
          sign: (one) => one.state + one.failure,
          node: (one) => pill(one.state, { done: "good", failed: "bad" }[one.state] ?? "warn"),
        },
        {
          title: "Came of it",
          class: "cut",
          text: (one) =>
            one.failure ||
            (one.moved
              ? `${count(one.moved.length)} letters${one.failed.length ? `, ${one.failed.length} not completely` : ""}`
              : "–"),
        },
        { title: "By", text: (one) => one.by },
        { title: "Reason", class: "cut", text: (one) => one.reason },
        { title: "Asked", class: "number", text: (one) => when(one.asked_ms) },
      ],
    });
  }

  #showDepths() {
    const seen = this.#overview.latestQueue;
    this.#depths.textContent = seen
      ? `${count(seen.dead_letters)} in the dead-letter queue, ${count(seen.parked)} parked; workers: ${count(seen.workers)}.`
      : "No worker has been heard of in the last minute.";
  }

  async #look() {
    const number = ++this.#asking;
    this.#note.textContent = "A worker is looking…";
    try {
      const { letters } = await this.#api.get("/letters", { ...this.#filter, limit: LIMIT });
      if (this.#over || number !== this.#asking) return;
      this.#table.show(letters, "No dead letters. Good.");
      this.#note.textContent =
        letters.length >= LIMIT
          ? `The first ${LIMIT}; choose more closely to see others.`
          : `${count(letters.length)} letters`;
    } catch (error) {
      if (this.#over || number !== this.#asking) return;
      this.#table.show([], "Not known.");
      this.#note.textContent =
        error.code === "not_configured"
          ? "This server reads no database, through which workers are reached."
          : error.message;
    }
  }

  async #show(one) {
    this.#detail.hidden = false;
    this.#detail.replaceChildren(h("p", { class: "muted" }, "A worker is looking…"));
    this.#detail.scrollIntoView({ block: "nearest" });
    try {
      const { letter, records, text } = await this.#api.get(`/letters/${one.place}/${part(one.id)}`);
      if (this.#over) return;
      const close = button("Close", () => {
        this.#detail.hidden = true;
      });
      const acts = Object.keys(VERBS)
        .filter((verb) => verb !== "park" || letter.place === "queue")
        .map((verb) => verbButton(verb, () => this.#act(verb, letter)));
      this.#detail.replaceChildren(
        h(
          "div",
          { class: "title" },
          h("h2", {}, letter.reason),
          h("span", { class: "mono small muted" }, letter.id),
          h("div", { class: "actions" }, ...acts, close),
        ),
        letter.detail ? h("p", {}, letter.detail) : "",
        h(
          "p",
          { class: "muted small" },
          "What was sealed stays sealed here; who has the right to the key opens it by `persistence_worker dlq show --open`.",
        ),
        h(
          "pre",
          { class: "code", tabindex: "0", "aria-label": "Records" },
          records.length ? JSON.stringify(records, null, 2) : text || "(empty)",
        ),
      );
      this.#detail.querySelector("button").focus();
    } catch (error) {
      this.#detail.replaceChildren(h("p", { class: "problem" }, error.message));
    }
  }

  /** First what it would be, then the question. */
  async #act(verb, one = null) {
    const { verb: text, done, danger = false, lines } = VERBS[verb];
    const wanted = one ? { place: one.place, letter: one.id } : { ...this.#filter, limit: LIMIT };
    if (verb === "park") wanted.place = "queue";
    let would;
    this.#note.textContent = "A worker is looking which letters are meant…";
    try {
      would = await this.#settled(
        await this.#api.post("/letter-orders", { verb, ...wanted, dry_run: true, reason: "dry run" }),
      );
    } catch (error) {
      this.#note.textContent = error.message;
      return;
    }
    this.#showOrders();
    const { moved } = would;
    this.#note.textContent = `${count(moved.length)} letters are meant.`;
    if (!moved.length) return;
    const ids =
      moved
        .slice(0, IDS_SHOWN)
        .map((id) => tail(id, 8))
        .join(", ") + (moved.length > IDS_SHOWN ? ", …" : "");
    const finished = await confirm({
      title: `${text}: ${count(moved.length)} ${moved.length === 1 ? "letter" : "letters"}?`,
      lines: [`A dry run has found ${ids}.`, ...lines()],
      verb: text,
      danger,
      act: async ({ reason }) => {
        const order = await this.#api.post("/letter-orders", { verb, ...wanted, reason });
        this.#showOrders();
        return order;
      },
    });
    if (!finished) return;
    try {
      const order = await this.#settled(finished);
      toast(`${count(order.moved?.length ?? 0)} ${done}.`);
    } catch (error) {
      toast(error.message);
    }
    this.#detail.hidden = true;
    this.#showOrders();
    this.#look();
    this.#overview.refresh();
  }

  /** Wait until a worker is done with an order. */
  async #settled(order) {
    while (!this.#over && (order.state === "asked" || order.state === "taken")) {
      await new Promise((resolve) => {
        setTimeout(resolve, ORDERS_EVERY_MS);
      });
      order = await this.#api.get(`/letter-orders/${part(order.id)}`);
    }
    if (order.state === "failed") throw new Error(`The worker: ${order.failure}.`);
    return order;
  }

  async #showOrders() {
    clearTimeout(this.#timer);
    try {
      const { orders } = await this.#api.get("/letter-orders");
      if (this.#over) return;
      this.#orders.show(orders.filter((one) => !one.dry_run));
      if (orders.some((one) => !one.dry_run && ["asked", "taken"].includes(one.state)))
        this.#timer = setTimeout(() => this.#showOrders(), ORDERS_EVERY_MS);
    } catch (error) {
      this.#orders.show([], error.message);
    }
  }
}
