// GameClient against a socket that the test speaks for.

import * as sdk from "../../web/sdk/index.js";
import { same } from "./same.js";

class FakeSocket {
  readyState = 1;
  sent = [];

  constructor(url, subprotocols) {
    this.url = url;
    this.subprotocols = subprotocols;
    FakeSocket.made.push(this);
    FakeSocket.wake?.();
  }

  send(payload) { this.sent.push(JSON.parse(payload)); }
  close() { this.readyState = 3; }
  says(type, fields) { this.onmessage({ data: JSON.stringify({ type, ...fields }) }); }
  ends(code, reason = "") { this.readyState = 3; this.onclose({ code, reason }); }
  /** What was sent but for pings. */
  get messages() { return this.sent.filter((each) => each.type !== "ping"); }
}

const WELCOME = {
  session: "s", player: "p", name: "Ada", server_ms: 1000, expires_ms: 1000 + 3_600_000, games: ["g"],
};
const joined = (more) => ({
  match: "m", game: "g", mode: "d", epoch: 7, tick: 0, tick_rate: 20, seat: 0, input_seq: 0, seq: 0,
  resumed: false, seats: [{ seat: 0, player: "p", name: "Ada", connected: true }], ...more,
});

function start(options = {}) {
  FakeSocket.made = [];
  const told = [];
  const client = new sdk.GameClient({
    url: "ws://node/v1/play", format: sdk.JSON_TEXT, token: () => "jwt",
    makeSocket: (...given) => new FakeSocket(...given), ...options,
  });
  for (const type of ["status", "joined", "frame", "event", "left", "error", "weather"]) {
    client.on(type, (detail) => told.push([type, detail]));
  }
  client.connect();
  return { client, told };
}

/** The next socket that the client makes. */
const socket = async (index) => {
  while (FakeSocket.made.length <= index) {
    await new Promise((done) => { FakeSocket.wake = done; setTimeout(done, 50); });
  }
  return FakeSocket.made[index];
};

const test = (name, body) => Deno.test({
  name,
  async fn() {
    const parts = start(body.options);
    try { await body(parts); } finally { parts.client.close(); }
  },
});

test("a seat is kept over a lost connection, and inputs are sent again", async ({ client, told }) => {
  client.join({ game: "g", mode: "d" });
  const first = await socket(0);
  same(first.subprotocols, [sdk.JSON_TEXT, "bearer.jwt"], "subprotocols");
  first.says("welcome", WELCOME);
  const wish = { game: "g", mode: "d", match: "", code: "", password: "", resume: null };
  same(first.messages, [{ type: "join", ref: 1, ...wish }], "join");
  first.says("joined", joined({ ref: 1, input_seq: 40 }));
  first.says("snapshot", { epoch: 7, tick: 1, server_ms: 1, acks: [40], view: { a: 1 } });
  same([client.input("x"), client.input("y")], [41, 42], "numbers");
  first.says("event", { seq: 1, tick: 1, kind: "k", player: null, data: {} });
  first.says("event", { seq: 1, tick: 1, kind: "k", player: null, data: {} });
  first.ends(1006);
  same(client.seated, false, "seated");
  same(client.input("z"), 43, "made while away");
  client.retryNow();
  const second = await socket(1);
  second.says("welcome", WELCOME);
  const again = { type: "join", ref: 2, game: "g", mode: "d", match: "m", resume: { epoch: 7, seq: 1 } };
  same(second.messages, [again], "resume");
  second.says("joined", joined({ ref: 2, input_seq: 41, resumed: true, seq: 1 }));
  same(second.messages.slice(1), [
    { type: "input", seq: 42, data: "y" }, { type: "input", seq: 43, data: "z" },
  ], "inputs sent again");
  same(client.input("w"), 44, "goes on");
  same(told.filter(([type]) => type === "event").length, 1, "events once");
  same(told.filter(([type]) => type === "joined").map(([, each]) => each.resumed), [false, true], "joined");
});

test("a code that is final ends the client", async ({ client, told }) => {
  const first = await socket(0);
  first.says("welcome", WELCOME);
  first.ends(4002);
  same(told.at(-1), ["status", { state: "closed", reason: "signed out; log in again" }], "status");
  client.connect(); // but may be told to try again
  await socket(1);
});

test("an ended token is fetched anew", Object.assign(async () => {
  const first = await socket(0);
  first.says("welcome", WELCOME);
  first.ends(4001);
  const second = await socket(1);
  same(second.subprotocols[1], "bearer.fresh", "token");
}, { options: { token: (fresh) => (fresh ? "fresh" : "old") } }));

test("a token is prolonged before it ends", Object.assign(async () => {
  const first = await socket(0);
  first.says("welcome", { ...WELCOME, expires_ms: WELCOME.server_ms + 20 });
  while (!first.messages.length) await new Promise((done) => { setTimeout(done, 5); });
  same(first.messages[0], { type: "refresh", ref: 1, token: "fresh" }, "refresh");
}, { options: { token: (fresh) => (fresh ? "fresh" : "old") } }));

test("a ticket stands in the URL, and no token anywhere", Object.assign(async () => {
  const first = await socket(0);
  const query = new URL(first.url).searchParams;
  same([query.get("ticket"), first.subprotocols], ["once", [sdk.JSON_TEXT]], "given");
}, { options: { token: null, ticket: async () => "once" } }));

test("a match that has moved is joined again, one that is gone is left", async ({ client, told }) => {
  client.join({ match: "m" });
  const first = await socket(0);
  first.says("welcome", WELCOME);
  first.says("joined", joined({ ref: 1 }));
  first.says("left", { ref: 0, match: "m", reason: "moved" });
  while (first.messages.length < 2) await new Promise((done) => { setTimeout(done, 20); });
  same(first.messages[1].resume, { epoch: 7, seq: 0 }, "resume");
  first.says("error", { code: "unknown_match", message: "over", ref: 2 });
  same(told.at(-1)[1].reason, "gone", "left");
  same(client.seated, false, "seated");
});

test("a defect of a delta makes a new connection", async ({ client }) => {
  client.join({ match: "m" });
  const first = await socket(0);
  first.says("welcome", WELCOME);
  first.says("joined", joined({ ref: 1 }));
  const delta = { epoch: 7, tick: 2, base: 1, server_ms: 1, acks: [], fields: {}, entities: {}, removed: {} };
  first.says("delta", delta);
  same(first.readyState, 3, "closed");
});

test("a client has a name of its own, and hears a notification once", async ({ client }) => {
  const told = [];
  client.on("notification", (each) => told.push(each));
  const first = await socket(0);
  first.says("welcome", WELCOME);
  for (const id of ["a", "a", "b"]) {
    first.says("notification", { id, kind: "gift", player: null, data: {}, at_ms: 5 });
  }
  same(told.map(({ id, atMs }) => [id, atMs]), [["a", 5], ["b", 5]], "told");
  first.ends(1006);
  client.retryNow();
  const name = (each) => new URL(each.url).searchParams.get("client");
  same(name(await socket(1)), name(first), "the same name");
  if (!/^[0-9a-f]{24}$/.test(name(first))) throw new Error(name(first));
});

test("what is not known yet is handed on", async ({ told }) => {
  const first = await socket(0);
  first.says("welcome", WELCOME);
  first.says("weather", { rain: true });
  same(told.at(-1), ["weather", { rain: true }], "weather");
});

Deno.test("a pacer neither drifts nor catches up for ever", () => {
  let now = 0;
  const due = [];
  const pacer = new sdk.Pacer(50, (at) => due.push(at), { now: () => now });
  pacer.start();
  for (now of [49, 50, 140, 201]) pacer.run();
  same(due, [50, 100, 150, 200], "each once");
  now = 5000;
  pacer.run();
  same(due.length, 5, "a long sleep");
  pacer.stop();
  now = 6000;
  pacer.run();
  same(due.length, 5, "stopped");
});

Deno.test("pauses grow and are spread", () => {
  same([0, 1, 2, 10].map((n) => sdk.backoffMs(n, () => 1)), [400, 800, 1600, 10_000], "longest");
  same(sdk.backoffMs(1, () => 0), 400, "shortest");
});

Deno.test("the types name what there is, no more and no less", () => {
  const text = Deno.readTextFileSync(new URL("../../web/sdk/index.d.ts", import.meta.url));
  const declared = [...text.matchAll(/^export (?:class|function|const) (\w+)/gm)].map((found) => found[1]);
  same(declared.sort(), Object.keys(sdk).sort(), "exports");
  for (const [, name, body] of text.matchAll(/^export class (\w+)[^{]*\{\n([\s\S]*?)^\}/gm)) {
    const methods = [...body.matchAll(/^ {2}(\w+)[<(]/gm)].map((found) => found[1]);
    const own = Object.getOwnPropertyDescriptors(sdk[name].prototype);
    const there = Object.keys(own)
      .filter((key) => typeof own[key].value === "function" && key !== "constructor");
    same([...new Set(methods)].filter((key) => key !== "constructor").sort(), there.sort(), name);
    for (const getter of Object.keys(own).filter((key) => own[key].get)) {
      if (!body.includes(` ${getter}:`)) throw new Error(`${name}.${getter}`);
    }
  }
});
