// The SDK does what the published vectors say: `tests/wire/vectors/`.

import * as sdk from "../../web/sdk/index.js";
import { same } from "./same.js";

const load = (name) => JSON.parse(Deno.readTextFileSync(new URL(`../wire/vectors/${name}.json`, import.meta.url)));
const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const payloadOf = (vector) => (vector.text !== undefined ? vector.text : bytesOf(vector.hex ?? vector));
const plain = (value) => JSON.parse(JSON.stringify(value));

Deno.test("messages of the server are read", () => {
  for (const vector of load("messages").filter((each) => each.direction === "to_client")) {
    same(plain(sdk.decodeServer(payloadOf(vector))), vector.fields, vector.name);
  }
});

Deno.test("messages of the client are written", () => {
  for (const vector of load("messages").filter((each) => each.direction === "from_client")) {
    const made = sdk.encodeClient(vector.fields, vector.format);
    const read = (payload) => (typeof payload === "string" ? JSON.parse(payload) : sdk.decode(payload));
    same(plain(read(made)), plain(read(payloadOf(vector))), vector.name);
    // What may be left out is left out, and means the same.
    if (vector.format === sdk.MSGPACK && vector.fields.type === "join") {
      const given = Object.entries(vector.fields).filter(([, value]) => value !== "" && value !== null);
      const short = sdk.encodeClient(Object.fromEntries(given));
      same(plain(sdk.decode(short)), plain(read(payloadOf(vector))), vector.name);
    }
  }
});

Deno.test("every message of the tables has a vector", () => {
  const there = new Set(load("messages").map((each) => each.fields.type));
  for (const type of [...Object.keys(sdk.FROM_CLIENT), ...Object.keys(sdk.TO_CLIENT)]) {
    if (!there.has(type)) throw new Error(type);
  }
});

Deno.test("what a newer server says does no harm", () => {
  for (const vector of load("tolerated")) {
    same(sdk.decodeServer(payloadOf(vector)).type, vector.type, vector.name);
  }
});

Deno.test("deltas lead to the views", () => {
  for (const vector of load("views")) {
    const tracker = new sdk.ViewTracker();
    vector.messages.forEach((shown, i) => {
      const frame = tracker.apply(sdk.decodeServer(vector.format === sdk.MSGPACK ? bytesOf(shown) : shown));
      same(plain(frame.view), vector.views[i], `${vector.format} ${i}`);
    });
  }
});

Deno.test("a delta that does not fit, and an old frame", () => {
  const tracker = new sdk.ViewTracker();
  const common = { epoch: 5, server_ms: 0, acks: [] };
  tracker.apply({ type: "snapshot", ...common, tick: 9, view: { a: 1 } });
  same(tracker.apply({ type: "snapshot", ...common, tick: 9, view: { a: 2 } }), null, "same tick");
  same(tracker.apply({ type: "snapshot", ...common, epoch: 4, tick: 99, view: {} }), null, "old epoch");
  same(tracker.frame.view, { a: 1 }, "view");
  let gap = null;
  const delta = { type: "delta", ...common, tick: 11, base: 10, fields: {}, entities: {}, removed: {} };
  try { tracker.apply(delta); } catch (error) { gap = error; }
  if (!(gap instanceof sdk.DeltaGap)) throw new Error("no gap");
});

Deno.test("close codes", () => {
  const table = Object.entries(sdk.CLOSE_CODES).map(([code, each]) => ({ code: Number(code), ...each }));
  same(table, load("close_codes"), "close codes");
});

Deno.test("the clock", () => {
  for (const { name, pings } of load("clock")) {
    const clock = new sdk.ServerClock();
    pings.forEach((ping, i) => {
      clock.sample(ping.sent_ms, ping.server_ms, ping.received_ms);
      same([clock.rttMs, clock.offsetMs], [ping.rtt_ms, ping.offset_ms], `${name} ${i}`);
    });
  }
});

Deno.test("inputs on their way", () => {
  for (const { name, steps } of load("inputs")) {
    const buffer = new sdk.InputBuffer();
    steps.forEach((step, i) => {
      let again;
      if (step.do === "push") buffer.push(buffer.seq + 1, step.at_ms);
      else if (step.do === "resume") {
        again = buffer.resume(step.given, { sinceMs: step.since_ms, countMax: step.count_max })
          .map((each) => each.seq);
      } else buffer[step.do](step.given);
      same([buffer.waiting, buffer.seq, again], [step.waiting, step.seq, step.again], `${name} ${i}`);
    });
  }
});

function walked(state, { dx, dy }) {
  const speed = dx && dy ? 31 : 44;
  return { ...state, x: Math.min(1000, Math.max(0, state.x + dx * speed)), y: state.y + dy * speed };
}

Deno.test("prediction", () => {
  for (const { name, snap, steps } of load("prediction")) {
    const predictor = new sdk.Predictor({ step: walked, snap });
    steps.forEach((step, i) => {
      const where = `${name} ${i}`;
      if (step.do === "apply") predictor.apply(step.seq, step.input);
      else if (step.do === "confirm") same(predictor.confirm(step.truth, step.ack, step.ahead), step.off, where);
      else if (step.do === "drawn") same(predictor.drawn(step.share, step.elapsed_ms), step.drawn, where);
      else predictor[step.do]();
      same(predictor.state, step.state, where);
    });
  }
});

Deno.test("interpolation", () => {
  for (const { name, steps } of load("timeline")) {
    const timeline = new sdk.Timeline();
    steps.forEach((step, i) => {
      if (step.push) {
        const { epoch, tick, server_ms: serverMs } = step.push;
        timeline.push({ epoch, tick, serverMs }, step.now_ms);
        same(timeline.delayMs, step.delay_ms, `${name} ${i}`);
        return;
      }
      const { from, to, share, tick } = timeline.at(step.at);
      const expected = [step.from, step.to, step.share, step.tick];
      same([from.tick, to.tick, share, tick], expected, `${name} ${i}`);
    });
  }
});

Deno.test("angles go the short way", () => {
  same(sdk.mixAngle(1000, 24, 0.5, 1024), 1024, "over zero");
  same(sdk.mixAngle(24, 1000, 0.5, 1024), 0, "back over zero");
  same(sdk.mix(2, 4, 0.25), 2.5, "mix");
});
