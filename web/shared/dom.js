// Small helpers for pages: elements are made of text only, for names come from other people.

export const $ = (id) => document.getElementById(id);

/** An element with a text and a class. */
export function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

/** An element with children, which may be texts. */
export function wrap(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((each) => each !== null));
  return element;
}

/** A button that calls `act`; while that is under way it cannot be pressed again. */
export function button(text, className, act) {
  const made = make("button", text, className);
  made.type = "button";
  made.addEventListener("click", async () => {
    made.disabled = true;
    try {
      await act(made);
    } finally {
      made.disabled = false;
    }
  });
  return made;
}

/** An option of a select. */
export function option(value, text = value) {
  const made = make("option", text);
  made.value = value;
  return made;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show the children that `key` stands for; nothing is touched while it stays the same. */
export function showList(element, key, makeChildren) {
  const text = JSON.stringify(key);
  if (element.dataset.key === text) return;
  element.dataset.key = text;
  element.replaceChildren(...makeChildren());
}

/** One of several, as buttons that look joined: `choose(value)` when another is pressed. */
export function segments(element, choices, chosen, choose) {
  showList(element, [choices, chosen], () => choices.map(([value, text]) => {
    const made = make("button", text);
    made.type = "button";
    made.dataset.value = value;
    made.setAttribute("aria-pressed", String(value === chosen));
    made.addEventListener("click", () => {
      choose(value);
      element.querySelector(`[data-value="${value}"]`)?.focus();
    });
    return made;
  }));
}

export const clockText = (seconds) =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds) % 60).padStart(2, "0")}`;

/** `liars_dice` as a title. */
export const titleOf = (name) => {
  const words = name.replaceAll("_", " ").replace(/^liars /, "liar’s ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};

const DAY_MS = 86_400_000;
/** How long ago a time of the wall is, in words. */
export function ago(atMs, nowMs = Date.now()) {
  const s = Math.max(0, Math.round((nowMs - atMs) / 1000));
  if (s < 60) return "just now";
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ago`;
  if (nowMs - atMs < 7 * DAY_MS) return `${Math.floor(s / 86_400)} d ago`;
  return new Date(atMs).toLocaleDateString();
}
