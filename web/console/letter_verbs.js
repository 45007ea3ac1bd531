// What can be done to dead letters, and what comes of it.

import { button } from "./dom.js";

export const VERBS = {
  redrive: {
    text: "Redrive…",
    verb: "Send back",
    done: "sent back",
    lines: () => [
      "They go to the events’ queue again and are stored, or become dead letters again.",
      "Repeating it does no harm: what was stored is stored once.",
    ],
  },
  park: {
    text: "Park…",
    verb: "Park",
    done: "parked",
    lines: () => [
      "They move from the queue into a table, where they stay until somebody acts on them.",
      "Nothing sends them back by itself, except once after a migration.",
    ],
  },
  discard: {
    text: "Discard…",
    verb: "Throw away for good",
    done: "thrown away",
    danger: true,
    lines: () => [
      "Their key events are lost for good: results, ratings or history may lack them.",
      "Who, when and why is written down; their content is not.",
      "This cannot be undone.",
    ],
  },
};

/** The button of a verb; `more`: further properties. */
export function verbButton(verb, onclick, more = {}) {
  const { text, danger = false } = VERBS[verb];
  return button(text, onclick, danger ? "quiet small danger-text" : "quiet small", more);
}
