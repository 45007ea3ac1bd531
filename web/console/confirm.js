// Asks before something is done, and says what will happen. What goes wrong is told in the dialog.

import { $, h } from "./dom.js";

const REASON_CHARS_MAX = 200;
const HOUR_MS = 3_600_000;

const EXPIRIES = [
  ["1 hour", HOUR_MS],
  ["24 hours", 24 * HOUR_MS],
  ["7 days", 7 * 24 * HOUR_MS],
  ["30 days", 30 * 24 * HOUR_MS],
  ["For good", 0],
];

/** The choice of an end; `.untilMs` null: none. */
export function expiryField(id, label, choices = EXPIRIES) {
  const select = h(
    "select",
    { id },
    ...choices.map(([text, ms]) => h("option", { value: String(ms) }, text)),
  );
  return {
    element: h("div", { class: "field" }, h("label", { for: id }, label), select),
    get untilMs() {
      return Number(select.value) ? Date.now() + Number(select.value) : null;
    },
  };
}

function reasonField(label, value) {
  const input = h("input", {
    id: "confirm-reason",
    maxLength: REASON_CHARS_MAX,
    required: true,
    autocomplete: "off",
    value: value ?? "",
  });
  return {
    input,
    element: h("div", { class: "field" }, h("label", { for: "confirm-reason" }, label), input),
  };
}

let pending = null;

/** Resolves to what `act({reason})` gave, null where nobody wanted it. `lines`: what will happen;
    `extra`: fields between them and the reason. */
export function confirm({
  title,
  lines,
  verb,
  danger = false,
  reason = "Reason (kept in the audit trail)",
  value = "",
  extra = [],
  act,
}) {
  pending?.(null);
  const dialog = $("confirm");
  const field = reason ? reasonField(reason, value) : null;
  $("confirm-title").textContent = title;
  $("confirm-lines").replaceChildren(...lines.filter(Boolean).map((line) => h("li", {}, line)));
  $("confirm-fields").replaceChildren(...extra, ...(field ? [field.element] : []));
  $("confirm-problem").textContent = "";
  const go = $("confirm-do");
  go.textContent = verb;
  go.className = danger ? "danger" : "primary";
  const check = () => {
    go.disabled = field !== null && !field.input.value.trim();
  };
  field?.input.addEventListener("input", check);
  check();
  return new Promise((resolve) => {
    const listening = new AbortController();
    const end = (result) => {
      pending = null;
      listening.abort();
      dialog.close();
      resolve(result);
    };
    pending = end;
    const on = (element, type, listener) =>
      element.addEventListener(type, listener, { signal: listening.signal });
    on($("confirm-cancel"), "click", () => end(null));
    on(dialog, "cancel", (event) => {
      event.preventDefault();
      end(null);
    });
    on($("confirm-form"), "submit", async (event) => {
      event.preventDefault();
      if (go.disabled) return;
      go.disabled = true;
      $("confirm-problem").textContent = "";
      try {
        end((await act({ reason: field?.input.value.trim() ?? "" })) ?? true);
      } catch (error) {
        $("confirm-problem").textContent = error.message;
        check();
      }
    });
    if (!dialog.open) dialog.showModal();
    (
      dialog.querySelector("#confirm-fields input, #confirm-fields select, #confirm-fields textarea") ?? go
    ).focus();
  });
}
