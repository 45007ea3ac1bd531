/** Equal, but for the last digits of numbers and the order of keys. */
export function same(found, expected, where) {
  if (typeof expected === "number") {
    if (!(Math.abs(found - expected) < 2e-6)) throw new Error(`${where}: ${found}, not ${expected}`);
  } else if (expected !== null && typeof expected === "object") {
    const keys = new Set([...Object.keys(found ?? {}), ...Object.keys(expected)]);
    for (const key of keys) same(found?.[key], expected[key], `${where}.${key}`);
  } else if (found !== expected) {
    throw new Error(`${where}: ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
  }
}
