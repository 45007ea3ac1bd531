// When to try again.

const FIRST_MS = 400;
const MAX_MS = 10_000;

/** Jitter over the upper half: clients that lost one server do not come back in one wave. */
export function backoffMs(attempt, random = Math.random) {
  const ceiling = Math.min(MAX_MS, FIRST_MS * 2 ** attempt);
  return ceiling * (0.5 + random() / 2);
}
