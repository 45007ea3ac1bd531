// Elements without markup: texts come from players, so nothing here is ever read as HTML.

/** An element. `on…` of `props` are listeners, `class` and `data-…`, `aria-…` attributes, the rest
    properties; children that are null or false are left out. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name in element && !name.startsWith("aria")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== false && child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** The same for SVG, where everything is an attribute. */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const $ = (id) => document.getElementById(id);

/** A word in a small frame; `kind`: good, warn, bad or nothing. */
export const pill = (text, kind = "") => h("span", { class: `pill ${kind}` }, text);

/** A title with what may be done beside it. */
export const heading = (level, text, ...beside) =>
  h("div", { class: "title" }, h(`h${level}`, {}, text), ...beside);

export const button = (text, onclick, kind = "quiet small", more = {}) =>
  h("button", { type: "button", class: kind, onclick, ...more }, text);

let toastTimer = 0;

/** Say that something is done. */
export function toast(text) {
  const place = $("toast");
  clearTimeout(toastTimer);
  place.textContent = text;
  toastTimer = setTimeout(() => { place.textContent = ""; }, 6_000);
}

/** Copy, and say so. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("The browser does not let this page copy.");
  }
}
