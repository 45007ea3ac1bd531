// A table whose rows stay while their values change: focus and scroll position survive a refresh.

import { h } from "./dom.js";

const BLANK = "–"; // nothing to say, which cards leave out

/** Columns: `title`; `text(item)`, or `node(item)` with `sign(item)`, which says when to make it anew;
    `class`, of which `do` is for buttons. On narrow screens rows are cards, with titles before values. */
export class Table {
  #columns;
  #key;
  #rows = new Map();
  #body;
  #note;
  #empty;

  constructor({ caption, columns, key, empty = "Nothing here." }) {
    this.#columns = columns;
    this.#key = key;
    this.#empty = empty;
    this.#body = h("tbody");
    this.#note = h("p", { class: "empty muted", hidden: true });
    const head = columns.map(({ title, class: kind = "" }) =>
      h(
        "th",
        { scope: "col", class: kind },
        kind === "do" ? h("span", { class: "visually-hidden" }, title) : title,
      ),
    );
    this.element = h(
      "div",
      { class: "table" },
      h(
        "table",
        {},
        h("caption", { class: "visually-hidden" }, caption),
        h("thead", {}, h("tr", {}, ...head)),
        this.#body,
      ),
      this.#note,
    );
  }

  get size() {
    return this.#rows.size;
  }

  show(items, empty = this.#empty) {
    const wanted = new Map(items.map((item) => [this.#key(item), item]));
    for (const [key, row] of this.#rows) {
      if (!wanted.has(key)) {
        row.element.remove();
        this.#rows.delete(key);
      }
    }
    let place = this.#body.firstElementChild;
    for (const [key, item] of wanted) {
      let row = this.#rows.get(key);
      if (!row) {
        row = this.#made(item);
        this.#rows.set(key, row);
      }
      this.#fill(row, item);
      if (row.element !== place) this.#body.insertBefore(row.element, place);
      else place = place.nextElementSibling;
    }
    this.#note.hidden = items.length > 0;
    this.#note.textContent = items.length ? "" : empty;
  }

  #made() {
    const cells = this.#columns.map(({ title, class: kind = "" }) =>
      h("td", { class: kind, "data-title": title }),
    );
    return { element: h("tr", {}, ...cells), cells, signs: cells.map(() => null) };
  }

  #fill(row, item) {
    this.#columns.forEach(({ text, node, sign }, index) => {
      const said = text ? text(item) : sign ? sign(item) : this.#key(item);
      if (row.signs[index] === said) return;
      row.signs[index] = said;
      row.cells[index].dataset.blank = said === BLANK;
      if (text) row.cells[index].textContent = said;
      else row.cells[index].replaceChildren(node(item));
    });
  }
}

/** Pages by the server's cursors: there and back again. */
export class Pager {
  #before = [];
  #cursor = "";
  #next = null;
  #turned;
  #label;
  #back;
  #on;

  constructor(turned) {
    this.#turned = turned;
    this.#label = h("span", { class: "muted tabular", role: "status" });
    this.#back = h(
      "button",
      { type: "button", class: "quiet small", onclick: () => this.#turn(-1) },
      "← Newer",
    );
    this.#on = h("button", { type: "button", class: "quiet small", onclick: () => this.#turn(1) }, "Older →");
    this.element = h("div", { class: "pager" }, this.#label, this.#back, this.#on);
  }

  get cursor() {
    return this.#cursor;
  }

  get first() {
    return this.#before.length === 0;
  }

  reset() {
    this.#before = [];
    this.#cursor = "";
  }

  words(back, on) {
    this.#back.textContent = `← ${back}`;
    this.#on.textContent = `${on} →`;
  }

  /** `count` rows of this page, of `total` if that is known; `size`: of a page. */
  show(count, next, { total = null, size = 0, format = String } = {}) {
    this.#next = next;
    const start = this.#before.length * size;
    const range = count ? `${format(start + 1)}–${format(start + count)}` : "0";
    this.#label.textContent = total === null ? (count ? range : "") : `${range} of ${format(total)}`;
    this.#back.disabled = this.first;
    this.#on.disabled = next === null;
    this.element.hidden = this.first && next === null && total === null;
  }

  #turn(way) {
    if (way > 0) {
      this.#before.push(this.#cursor);
      this.#cursor = this.#next;
    } else {
      this.#cursor = this.#before.pop() ?? "";
    }
    this.#turned();
  }
}
