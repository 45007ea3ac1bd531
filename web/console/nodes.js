// Nodes: what each does, draining one, and the maintenance of all.

import { part } from "./client.js";
import { confirm, expiryField } from "./confirm.js";
import { button, h, heading, pill, toast } from "./dom.js";
import { age, count, duration, percent, when } from "./format.js";
import { Table } from "./table.js";

const MESSAGE_CHARS_MAX = 300;
const HOUR_MS = 3_600_000;
const UNTIL = [
  ["No time given", 0],
  ["30 minutes", HOUR_MS / 2],
  ["1 hour", HOUR_MS],
  ["2 hours", 2 * HOUR_MS],
  ["6 hours", 6 * HOUR_MS],
];

/** `drain`: what a row's button does; without it there is none. */
export function nodeTable({ drain = null, nowMs = () => Date.now(), compact = false } = {}) {
  const columns = [
    {
      title: "Node",
      class: "grow",
      node: (one) =>
        h("a", { href: `#/matches?node=${part(one.name)}`, class: "mono", title: "Its matches" }, one.name),
      sign: (one) => one.name,
    },
    {
      title: "State",
      node: (one) => pill(one.state, one.state === "ready" ? "good" : "warn"),
      sign: (one) => one.state,
    },
    { title: "Sessions", class: "number", text: (one) => count(one.sessions) },
    { title: "Matches", class: "number", text: (one) => count(one.matches) },
    { title: "Load", class: "number", text: (one) => percent(one.load) },
    { title: "Late p99", class: "number", text: (one) => duration(one.lateness_p99_ms) },
    {
      title: "Outbox",
      class: "number",
      text: (one) =>
        one.outbox_events ? `${count(one.outbox_events)} · ${duration(one.outbox_age_ms)}` : "0",
    },
    { title: "Up", class: "number", text: (one) => (one.started_ms ? age(nowMs() - one.started_ms) : "–") },
    { title: "Version", text: (one) => one.version || "–" },
  ];
  if (!compact) columns.splice(8, 0, { title: "Region", text: (one) => one.region || "–" });
  if (drain) {
    columns.push({
      title: "Actions",
      class: "do",
      sign: (one) => one.state,
      node: (one) =>
        button("Drain…", () => drain(one), "quiet small", {
          disabled: one.state !== "ready",
          "aria-label": `Drain ${one.name}`,
        }),
    });
  }
  return new Table({ caption: "Nodes", columns, key: (one) => one.name, empty: "No node is known." });
}

export class NodesPage {
  title = "Nodes";
  #api;
  #overview;
  #table;
  #maintenance;
  #listen;
  #shown = "";

  constructor({ api, overview }) {
    this.#api = api;
    this.#overview = overview;
    this.#table = nodeTable({ drain: (one) => this.#drain(one), nowMs: () => overview.nowMs });
    this.#maintenance = h("div", { class: "card stack" });
    this.element = h(
      "div",
      { class: "page" },
      heading(1, "Nodes"),
      this.#table.element,
      h("section", { class: "stack" }, h("h2", {}, "Maintenance"), this.#maintenance),
    );
  }

  start() {
    this.#listen = () => this.#show();
    this.#overview.addEventListener("news", this.#listen);
    this.#show();
  }

  stop() {
    this.#overview.removeEventListener("news", this.#listen);
  }

  #show() {
    if (!this.#overview.heard) return;
    this.#table.show(this.#overview.nodes);
    const now = this.#overview.maintenance;
    if (JSON.stringify(now) === this.#shown) return;
    this.#shown = JSON.stringify(now);
    this.#maintenance.replaceChildren(
      ...(now.on
        ? [
            h(
              "p",
              {},
              pill("On", "warn"),
              ` since ${when(now.since_ms)}, by ${now.by}`,
              now.until_ms ? `; expected until ${when(now.until_ms)}` : "",
            ),
            h("blockquote", {}, now.message),
            h(
              "div",
              { class: "actions start" },
              button("Change…", () => this.#turnOn(now.message), "quiet"),
              button("Turn off…", () => this.#turnOff(), "primary"),
            ),
          ]
        : [
            h(
              "p",
              { class: "muted" },
              "Off. While it is on no match is opened and nobody gets a new seat; matches that run play on.",
            ),
            h(
              "div",
              { class: "actions start" },
              button("Turn on…", () => this.#turnOn(""), "quiet"),
            ),
          ]),
    );
  }

  #drain(one) {
    return confirm({
      title: `Drain ${one.name}?`,
      lines: [
        `Its ${count(one.matches)} matches move to other nodes and play on.`,
        `Its ${count(one.sessions)} sessions are asked to connect elsewhere; players notice a short pause.`,
        "The process then ends. What runs the nodes (ECS, Kubernetes) starts another in its place.",
      ],
      verb: "Drain it",
      danger: true,
      act: async ({ reason }) => {
        await this.#api.post(`/nodes/${part(one.name)}/drain`, { reason });
        toast(`${one.name} is draining.`);
        this.#overview.refresh();
      },
    });
  }

  #turnOn(message) {
    const field = h("textarea", {
      id: "notice",
      rows: 2,
      maxLength: MESSAGE_CHARS_MAX,
      value: message,
      required: true,
    });
    const until = expiryField("notice-until", "Expected to last", UNTIL);
    return confirm({
      title: message ? "Change what players are told?" : "Turn maintenance on?",
      lines: [
        "On all nodes within a second: no match is opened and nobody gets a new seat.",
        "Matches that run play on; their players keep their seats and may reconnect.",
        "It ends when somebody turns it off, whatever time is given.",
      ],
      extra: [
        h("div", { class: "field" }, h("label", { for: "notice" }, "What players are told, one line"), field),
        until.element,
      ],
      verb: message ? "Change it" : "Turn it on",
      danger: !message,
      reason: false,
      act: async () => {
        if (!field.value.trim()) throw new Error("Players have to be told something.");
        await this.#api.put("/maintenance", { message: field.value.trim(), until_ms: until.untilMs });
        toast("Maintenance is on.");
        this.#overview.refresh();
      },
    });
  }

  #turnOff() {
    return confirm({
      title: "Turn maintenance off?",
      lines: ["Players get seats and matches again, on all nodes within a second."],
      verb: "Turn it off",
      reason: false,
      act: async () => {
        await this.#api.delete("/maintenance");
        toast("Maintenance is off.");
        this.#overview.refresh();
      },
    });
  }
}
