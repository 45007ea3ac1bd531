// A value as a tree that is kept up to date in place: what is open stays open, what changed flashes.

import { resolved } from "./form.js";

const CHILDREN_MAX = 200;
const FLASH_MS = 900;
const OPEN_DEPTH = 3;
const OPEN_CHILDREN_MAX = 12;

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const isBranch = (value) => value !== null && typeof value === "object";

/** What a part of a value is by its schema; {} where that says nothing. */
function partOf(schema, key, defs) {
  const part = schema.prefixItems?.[key] ?? schema.properties?.[key] ?? schema.additionalProperties ?? schema.items;
  if (typeof part !== "object") return {};
  const found = resolved(part, defs);
  const variant = found.anyOf?.find((each) => each.type !== "null");
  return variant ? resolved(variant, defs) : found;
}

function span(className, text = "") {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}

function flash(element) {
  const colour = getComputedStyle(element).getPropertyValue("--flash");
  // Without motion it is marked for the same time, and does not fade.
  element.getAnimations().forEach((each) => each.cancel());
  element.animate(
    calm.matches ? [{ backgroundColor: colour }, { backgroundColor: colour }]
      : [{ backgroundColor: colour }, { backgroundColor: "transparent" }],
    { duration: FLASH_MS },
  );
}

/** The nodes of one value; `update` gives it another. */
class Node {
  #key; #depth; #schema; #defs; #value; #children = new Map(); #branch = null;

  constructor(key, depth, schema, defs) {
    this.#key = key;
    this.#depth = depth;
    this.#schema = schema;
    this.#defs = defs;
    this.element = null;
  }

  /** True where the element had to be made anew: the parent puts it in its place. */
  update(value, fresh) {
    const branch = isBranch(value);
    const other = branch !== this.#branch;
    if (other) this.#make(branch, value);
    if (branch) this.#grow(value, fresh || other);
    else if (other || value !== this.#value) {
      this.label.textContent = JSON.stringify(value);
      if (!fresh) flash(this.label);
    }
    this.#value = value;
    return other;
  }

  #make(branch, value) {
    this.#branch = branch;
    this.#children.clear();
    const key = span("key", this.#key);
    if (branch) {
      const summary = document.createElement("summary");
      this.count = span("count");
      summary.append(key, this.count);
      this.element = document.createElement("details");
      const few = this.#depth < 1 || Object.keys(value).length <= OPEN_CHILDREN_MAX;
      this.element.open = few && this.#depth < OPEN_DEPTH;
      this.element.append(summary);
    } else {
      this.label = span("value");
      this.element = document.createElement("div");
      this.element.className = "leaf";
      this.element.append(key, this.label);
    }
  }

  #grow(value, fresh) {
    const keys = Object.keys(value);
    const shown = new Set(keys.slice(0, CHILDREN_MAX));
    const more = keys.length - shown.size;
    const brackets = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
    const count = `${brackets[0]}${keys.length}${brackets[1]}${more ? ` first ${shown.size}` : ""}`;
    if (this.count.textContent !== count) {
      const known = this.count.textContent !== "";
      this.count.textContent = count;
      if (known && !fresh) flash(this.count);
    }
    for (const [key, child] of this.#children) {
      if (!shown.has(key)) {
        child.element.remove();
        this.#children.delete(key);
      }
    }
    for (const key of shown) {
      let child = this.#children.get(key);
      const isNew = !child;
      if (isNew) {
        const schema = partOf(this.#schema, key, this.#defs);
        // An array that stands for a Struct has its fields' names as titles.
        const name = this.#schema.prefixItems?.[key]?.title ?? key;
        child = new Node(name, this.#depth + 1, schema, this.#defs);
        this.#children.set(key, child);
      }
      const old = child.element;
      // What has come is flashed as a whole, once.
      if (!child.update(value[key], fresh || isNew)) continue;
      if (old) old.replaceWith(child.element);
      else this.element.append(child.element);
      if (isNew && !fresh) flash(child.element);
    }
  }
}

export class Tree {
  #place; #root = null; #waiting = null; #frame = 0;

  constructor(place) { this.#place = place; }

  /** Show `value` with the next picture; several in one picture are one. */
  show(value, schema, defs) {
    this.#waiting = { value, schema: resolved(schema, defs), defs };
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  clear(text) {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#root = this.#waiting = null;
    const note = document.createElement("p");
    note.className = "note";
    note.textContent = text;
    this.#place.replaceChildren(note);
  }

  #draw() {
    this.#frame = 0;
    const { value, schema, defs } = this.#waiting;
    const fresh = this.#root === null;
    this.#root ??= new Node("view", 0, schema, defs);
    if (this.#root.update(value, fresh)) {
      const outer = document.createElement("div");
      outer.append(this.#root.element);
      this.#place.replaceChildren(outer);
    }
  }
}
