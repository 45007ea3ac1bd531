// A line chart in SVG: up to a few lines over time, with a cursor for mouse, touch and keyboard.

import { h, s } from "./dom.js";
import { hourMinute, time } from "./format.js";

const HEIGHT = 156;
const LEFT = 46;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 22;
const POINTS_MAX = 400;

/** The least round number that is not below `value`, and whose half is round as well. */
export function roundUp(value) {
  if (value <= 0) return 2;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10]
    .map((factor) => factor * power)
    .find((each) => each >= value * 0.999 && each !== 1);
}

/** At most `most` points; of those that share a place the greatest stays, so that no peak is lost. */
export function thinned(points, most = POINTS_MAX) {
  if (points.length <= most) return points;
  const size = points.length / most;
  const found = [];
  for (let i = 0; i < most; i++) {
    const some = points.slice(Math.floor(i * size), Math.floor((i + 1) * size));
    found.push(some.reduce((best, each) => (each[1] > best[1] ? each : best)));
  }
  return found;
}

export class Chart {
  #title;
  #lines;
  #format;
  #least;
  #width = 0;
  #data = null;
  #at = null;
  #drawn = [];

  /** `lines`: [{name, read(sample)}], the first is the one that counts; `least`: the top of the
      scale is never below. */
  constructor({ title, lines, format, least = 1 }) {
    this.#title = title;
    this.#lines = lines;
    this.#format = format;
    this.#least = least;
    this.value = h("span", { class: "chart-value tabular" }, "–");
    const legend = lines.map(({ name }, index) => h("span", { class: `key line-${index}` }, name));
    this.svg = s("svg", { role: "img", tabindex: "0", height: HEIGHT, "aria-label": title });
    this.told = h("div", { class: "chart-told tabular", "aria-live": "off" });
    this.element = h(
      "figure",
      { class: "chart card" },
      h("figcaption", {}, h("span", { class: "chart-title" }, title), this.value),
      this.svg,
      h(
        "div",
        { class: "chart-foot" },
        h("div", { class: "legend" }, ...(lines.length > 1 ? legend : [])),
        this.told,
      ),
    );
    this.svg.addEventListener("pointermove", (event) => this.#point(event));
    this.svg.addEventListener("pointerleave", () => this.#cursor(null));
    this.svg.addEventListener("blur", () => this.#cursor(null));
    this.svg.addEventListener("keydown", (event) => this.#key(event));
    this.watch = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width && width !== this.#width) {
        this.#width = width;
        this.#draw();
      }
    });
    this.watch.observe(this.svg);
  }

  stop() {
    this.watch.disconnect();
  }

  /** `samples`: oldest first, each with `at_ms`; from `fromMs` to `toMs`; `gapMs`: with a longer
      pause between them there is no line. `note`: in the place of what is not known. */
  show(samples, { fromMs, toMs, gapMs, note = "" }) {
    this.#data = { samples: samples.filter((one) => one.at_ms >= fromMs), fromMs, toMs, gapMs, note };
    this.#draw();
  }

  #draw() {
    if (!this.#data || !this.#width) return;
    const { samples, fromMs, toMs, note } = this.#data;
    const lines = this.#lines.map(({ read }) => thinned(samples.map((one) => [one.at_ms, read(one)])));
    const most = Math.max(this.#least, ...lines.flat().map(([, value]) => value));
    const top = roundUp(most);
    const width = this.#width;
    const x = (ms) => LEFT + ((ms - fromMs) / (toMs - fromMs)) * (width - LEFT - RIGHT);
    const y = (value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
    this.#drawn = lines.map((points) => points.map(([ms, value]) => [x(ms), y(value), ms, value]));
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.cursor = s("g", { class: "cursor" });
    this.svg.replaceChildren(
      ...this.#scale(top, y, width),
      ...this.#times(x, fromMs, toMs),
      ...this.#drawn
        .map((points, index) => this.#path(points, index, y(0)))
        .flat()
        .reverse(),
      this.cursor,
    );
    if (!samples.length) {
      const text = s("text", { x: (LEFT + width) / 2, y: HEIGHT / 2, class: "none" });
      text.textContent = note || "No samples yet";
      this.svg.append(text);
    }
    const last = samples.at(-1);
    this.value.textContent = last ? this.#format(this.#lines[0].read(last)) : "–";
    this.svg.setAttribute("aria-label", this.#words(samples));
    this.#cursor(this.#at);
  }

  #scale(top, y, width) {
    return [0, 0.5, 1].flatMap((share) => {
      const label = s("text", { x: LEFT - 8, y: y(share * top) + 4, class: "tick end" });
      label.textContent = this.#format(share * top);
      return [
        s("line", { x1: LEFT, x2: width - RIGHT, y1: y(share * top), y2: y(share * top), class: "grid" }),
        label,
      ];
    });
  }

  #times(x, fromMs, toMs) {
    const stepMs = [60_000, 300_000, 900_000].find((each) => (toMs - fromMs) / each <= 6) ?? 1_800_000;
    const found = [];
    for (let ms = Math.ceil(fromMs / stepMs) * stepMs; ms <= toMs; ms += stepMs) {
      if (x(ms) < LEFT + 14 || x(ms) > this.#width - RIGHT - 14) continue;
      const label = s("text", { x: x(ms), y: HEIGHT - 5, class: "tick middle" });
      label.textContent = hourMinute(ms);
      found.push(label);
    }
    return found;
  }

  #path(points, index, bottom) {
    const runs = [];
    for (const point of points) {
      const run = runs.at(-1);
      if (run && point[2] - run.at(-1)[2] <= this.#data.gapMs) run.push(point);
      else runs.push([point]);
    }
    return runs.flatMap((run) => {
      const line = run.map(([px, py], i) => `${i ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`).join("");
      if (run.length === 1)
        return [s("circle", { cx: run[0][0], cy: run[0][1], r: 1.6, class: `dot line-${index}` })];
      const drawn = [s("path", { d: line, class: `line line-${index}` })];
      if (index === 0) {
        const [start, end] = [run[0][0].toFixed(1), run.at(-1)[0].toFixed(1)];
        drawn.push(s("path", { d: `${line}L${end} ${bottom}L${start} ${bottom}Z`, class: "area" }));
      }
      return drawn;
    });
  }

  #words(samples) {
    if (!samples.length) return `${this.#title}: nothing is known`;
    const told = this.#lines.map(({ name, read }) => {
      const values = samples.map(read);
      const [now, low, high] = [values.at(-1), Math.min(...values), Math.max(...values)].map((each) =>
        this.#format(each),
      );
      return `${name}: now ${now}, lowest ${low}, highest ${high}`;
    });
    return `${this.#title}. ${told.join(". ")}.`;
  }

  #point(event) {
    const box = this.svg.getBoundingClientRect();
    const at = event.clientX - box.left;
    const points = this.#drawn[0] ?? [];
    if (!points.length) return;
    let best = 0;
    points.forEach(([px], i) => {
      if (Math.abs(px - at) < Math.abs(points[best][0] - at)) best = i;
    });
    this.#cursor(points[best][2]);
  }

  #key(event) {
    const points = this.#drawn[0] ?? [];
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined || !points.length) return;
    event.preventDefault();
    const found = points.findIndex(([, , ms]) => ms === this.#at);
    const from = found < 0 ? points.length - 1 : found;
    const to = Math.max(0, Math.min(points.length - 1, step === -Infinity ? 0 : from + step));
    this.#cursor(points[to][2]);
  }

  #cursor(ms) {
    this.#at = ms;
    if (!this.cursor) return;
    const found = ms === null ? [] : this.#drawn.map((points) => points.find((each) => each[2] === ms));
    if (!found[0]) {
      this.cursor.replaceChildren();
      this.told.textContent = "";
      return;
    }
    const [px] = found[0];
    this.cursor.replaceChildren(
      s("line", { x1: px, x2: px, y1: TOP, y2: HEIGHT - BOTTOM }),
      ...found.flatMap((each, index) =>
        each ? [s("circle", { cx: each[0], cy: each[1], r: 3.5, class: `dot line-${index}` })] : [],
      ),
    );
    const values = found.map(
      (each, index) =>
        each && `${this.#lines.length > 1 ? `${this.#lines[index].name} ` : ""}${this.#format(each[3])}`,
    );
    this.told.textContent = `${time(ms)}  ${values.filter(Boolean).join(" · ")}`;
  }
}
