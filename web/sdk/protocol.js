// Messages as objects, in both formats. What there is stands in messages.js.
//
//   {type: "input", seq, data} ── encodeClient ──► bytes | text       to the server
//   bytes | text ── decodeServer ──► {type: "delta", epoch, tick, …}  from the server

import { DEFAULTS, FROM_CLIENT, TO_CLIENT } from "./messages.js";
import { decode, encode } from "./msgpack.js";

export const MSGPACK = "gameserver.v1.msgpack";
export const JSON_TEXT = "gameserver.v1.json";

const BY_NUMBER = new Map(
  Object.entries(TO_CLIENT).map(([type, [number, ...fields]]) => [number, { type, fields }]),
);

const named = (fields, list) => {
  const found = {};
  fields.forEach((field, i) => {
    const value = list[i];
    if (typeof field === "string") found[field] = value;
    else if (field.each) found[field.name] = value.map((part) => named(field.each, part));
    else found[field.name] = value === null ? null : named(field.of, value);
  });
  return found;
};

const listed = (fields, object, defaults = {}) => fields.map((field) => {
  const name = typeof field === "string" ? field : field.name;
  const value = object[name] ?? defaults[name] ?? null;
  if (value === null || typeof field === "string") return value;
  return field.each ? value.map((part) => listed(field.each, part)) : listed(field.of, value);
});

/** The payload of a client's message: a Uint8Array, or text in the format of JSON. */
export function encodeClient(message, format = MSGPACK) {
  const known = FROM_CLIENT[message.type];
  if (!known) throw new TypeError(`no message ${message.type}`);
  if (format === JSON_TEXT) return JSON.stringify(message);
  const [number, ...fields] = known;
  return encode([number, ...listed(fields, message, DEFAULTS[message.type])]);
}

/**
 * The server's message of a payload: a Uint8Array or ArrayBuffer in msgpack, or text in JSON.
 * One that is not known here, from a newer server, has the type `#` and its number, and `fields`.
 */
export function decodeServer(payload) {
  if (typeof payload === "string") return JSON.parse(payload);
  const [number, ...values] = decode(payload);
  const known = BY_NUMBER.get(number);
  if (!known) return { type: `#${number}`, fields: values };
  return { type: known.type, ...named(known.fields, values) };
}

/** A message's fields by names of JavaScript: `until_ms` is `untilMs`. */
export function camelCase(fields) {
  const name = (key) => key.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [name(key), value]));
}
