// Live: the cluster in figures, over time, and its nodes.

import { Chart } from "./chart.js";
import { h } from "./dom.js";
import { count, duration, percent } from "./format.js";
import { nodeTable } from "./nodes.js";

const RANGES = [
  ["5 min", 5],
  ["15 min", 15],
  ["1 h", 60],
];
const LATE_WARN_MS = 10;
const LATE_BAD_MS = 50;
const LAG_WARN_MS = 15_000;
const QUEUE_NOTES = {
  not_configured: "This server reads no database",
  unavailable: "The database does not answer",
};
const SAMPLE_NOTES = { unavailable: "Redis does not answer" };

const kindOf = (value, warn, bad) => (value >= bad ? "bad" : value >= warn ? "warn" : "");

function tile(label) {
  const value = h("strong", { class: "tabular" }, "–");
  const note = h("span", { class: "muted small tabular" });
  const element = h("div", { class: "tile" }, h("span", { class: "tile-label" }, label), value, note);
  return {
    element,
    show(text, told = "", kind = "") {
      value.textContent = text;
      note.textContent = told;
      element.dataset.kind = kind;
    },
  };
}

export class LivePage {
  title = "Live";
  #overview;
  #tiles = {};
  #charts = [];
  #minutes = 15;
  #table;
  #listen;

  constructor({ overview }) {
    this.#overview = overview;
    this.#tiles = {
      ccu: tile("Connected"),
      seated: tile("Seated"),
      matches: tile("Matches"),
      nodes: tile("Nodes"),
      late: tile("Tick lateness p99"),
      lag: tile("Events lag"),
      queue: tile("Queue"),
      dead: tile("Dead letters"),
    };
    this.#charts = this.#made();
    this.#table = nodeTable({ compact: true, nowMs: () => overview.nowMs });
    const choose = (minutes) => () => {
      this.#minutes = minutes;
      this.#show();
    };
    const ranges = RANGES.map(([text, minutes]) =>
      h(
        "label",
        { class: "choice" },
        h("input", {
          type: "radio",
          name: "range",
          class: "visually-hidden",
          checked: minutes === this.#minutes,
          onchange: choose(minutes),
        }),
        h("span", {}, text),
      ),
    );
    this.element = h(
      "div",
      { class: "page" },
      h("h1", { class: "visually-hidden" }, "Live"),
      h(
        "section",
        { class: "tiles", "aria-label": "Now" },
        ...Object.values(this.#tiles).map((one) => one.element),
      ),
      h(
        "section",
        { class: "stack", "aria-label": "Over time" },
        h(
          "div",
          { class: "title" },
          h("h2", {}, "Over time"),
          h("div", { class: "choices", role: "radiogroup", "aria-label": "Time span" }, ...ranges),
        ),
        h("div", { class: "charts" }, ...this.#charts.map(({ chart }) => chart.element)),
      ),
      h(
        "section",
        { class: "stack" },
        h("div", { class: "title" }, h("h2", {}, "Nodes"), h("a", { href: "#/nodes" }, "Drain, maintenance")),
        this.#table.element,
      ),
    );
  }

  start() {
    this.#listen = () => this.#show();
    this.#overview.addEventListener("news", this.#listen);
    this.#show();
  }

  stop() {
    this.#overview.removeEventListener("news", this.#listen);
    this.#charts.forEach(({ chart }) => chart.stop());
  }

  #made() {
    const cluster = (options) => ({ chart: new Chart(options), of: "samples" });
    const queues = (options) => ({ chart: new Chart(options), of: "queue" });
    return [
      cluster({
        title: "Tick lateness p99, worst node",
        format: duration,
        least: 10,
        lines: [{ name: "lateness", read: (one) => one.lateness_p99_ms }],
      }),
      cluster({
        title: "Players",
        format: count,
        least: 10,
        lines: [
          { name: "connected", read: (one) => one.sessions },
          { name: "seated", read: (one) => one.players },
        ],
      }),
      cluster({
        title: "Matches",
        format: count,
        least: 4,
        lines: [{ name: "matches", read: (one) => one.matches }],
      }),
      queues({
        title: "Events lag: oldest that is not stored",
        format: duration,
        least: 1_000,
        lines: [{ name: "lag", read: (one) => one.oldest_age_ms }],
      }),
      queues({
        title: "Queue",
        format: count,
        least: 10,
        lines: [
          { name: "waiting", read: (one) => one.visible + one.delayed },
          { name: "held", read: (one) => one.held },
        ],
      }),
      queues({
        title: "Dead letters",
        format: count,
        least: 4,
        lines: [
          { name: "in the queue", read: (one) => one.dead_letters },
          { name: "parked", read: (one) => one.parked },
        ],
      }),
    ];
  }

  #show() {
    const it = this.#overview;
    if (!it.heard) return;
    this.#showTiles(it);
    const toMs = it.nowMs;
    const fromMs = toMs - this.#minutes * 60_000;
    for (const { chart, of } of this.#charts) {
      const own = of === "samples";
      chart.show(own ? it.samples : it.queue, {
        fromMs,
        toMs,
        gapMs: own ? it.sampleMs * 3.5 : 35_000,
        note: own ? SAMPLE_NOTES[it.samplesKnown] : QUEUE_NOTES[it.queueKnown],
      });
    }
    this.#table.show(it.nodes);
  }

  #showTiles(it) {
    const { nodes } = it;
    const sum = (name) => nodes.reduce((total, one) => total + one[name], 0);
    const ready = nodes.filter((one) => one.state === "ready").length;
    const late = Math.max(0, ...nodes.map((one) => one.lateness_p99_ms));
    const load = Math.max(0, ...nodes.map((one) => one.load));
    const peak = (name, now) => `peak ${count(Math.max(now, ...it.samples.map((one) => one[name])))} in 1 h`;
    for (const [name, of] of [
      ["ccu", "sessions"],
      ["seated", "players"],
      ["matches", "matches"],
    ]) {
      this.#tiles[name].show(count(sum(of)), peak(of, sum(of)));
    }
    const draining = nodes.length - ready;
    this.#tiles.nodes.show(
      `${ready}`,
      draining ? `and ${draining} draining` : `load up to ${percent(load)}`,
      draining ? "warn" : "",
    );
    this.#tiles.late.show(
      `${late >= 1_000 ? "≥ " : "≤ "}${duration(late)}`,
      "worst node",
      kindOf(late, LATE_WARN_MS + 1, LATE_BAD_MS),
    );
    const outbox = Math.max(0, ...nodes.map((one) => one.outbox_age_ms));
    const queue = it.latestQueue;
    if (!queue) {
      const why =
        { not_configured: "not configured", unavailable: "database silent" }[it.queueKnown] ??
        "no worker seen";
      this.#tiles.lag.show(duration(outbox), `to the queue; ${why}`, kindOf(outbox, LAG_WARN_MS, Infinity));
      this.#tiles.queue.show("–", why, it.queueKnown === "known" ? "warn" : "");
      this.#tiles.dead.show("–", why);
      return;
    }
    const lag = Math.max(outbox, queue.oldest_age_ms);
    this.#tiles.lag.show(
      duration(lag),
      `${count(sum("outbox_events"))} in outboxes`,
      kindOf(lag, LAG_WARN_MS, 8 * LAG_WARN_MS),
    );
    this.#tiles.queue.show(
      count(queue.visible + queue.held + queue.delayed),
      `${queue.workers} worker${queue.workers === 1 ? "" : "s"}`,
    );
    this.#tiles.dead.show(
      count(queue.dead_letters),
      `${count(queue.parked)} parked`,
      queue.dead_letters ? "warn" : "",
    );
  }
}
