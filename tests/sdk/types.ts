// Uses everything that the SDK exports with its types: checked by TypeScript, never run.

import * as sdk from "../../web/sdk/index.js";

interface Ship { x: number; y: number; hull: number; }
interface ShipView { ships: Record<string, Ship>; clock: number; }
interface Steer { dx: -1 | 0 | 1; dy: -1 | 0 | 1; }

const client = new sdk.GameClient<ShipView>({
  url: "ws://localhost/v1/play",
  token: async (fresh: boolean) => (fresh ? "new" : "old"),
  ticket: null,
});
const timeline = new sdk.Timeline<sdk.Frame<ShipView>>({ delayMinMs: 80 });
const predictor = new sdk.Predictor<Ship, Steer>({
  step: (ship, { dx, dy }) => ({ ...ship, x: ship.x + dx, y: ship.y + dy }),
  fields: ["x", "y"],
  snap: 400,
});
let pacer: sdk.Pacer | null = null;

client.on("joined", ({ seat, tickRate, seats }) => {
  const names: string[] = seats.map((each) => each.name);
  pacer = new sdk.Pacer(1000 / tickRate, (dueMs: number) => {
    const wish: Steer = { dx: 1, dy: 0 };
    predictor.apply(client.input(wish), wish);
    void [dueMs, names, seat];
  });
  pacer.start();
});
client.on("frame", (frame) => {
  timeline.push(frame, performance.now());
  const own: Ship | undefined = frame.view.ships["0"];
  if (own) {
    const off: number = predictor.confirm(own, frame.acks[0] ?? 0);
    void off;
  }
});
client.on("status", (status) => {
  if (status.state === "waiting") console.log(status.retryInMs.toFixed(), status.reason);
  // @ts-expect-error an open connection has no reason
  if (status.state === "open") console.log(status.reason);
});
client.on("weather", (fields) => console.log(fields.rain));
client.connect();
client.join({ game: "ships", mode: "duel" });

// @ts-expect-error a wish has no such field
client.join({ table: 3 });
// @ts-expect-error a state has no such number
new sdk.Predictor<Ship, Steer>({ step: (ship) => ship, fields: ["z"] });
// @ts-expect-error a client needs to know where
new sdk.GameClient({ token: () => "t" });

const moment = timeline.at(0);
if (moment) console.log(sdk.mix(moment.from.view.clock, moment.to.view.clock, moment.share));
const drawn: Ship | null = predictor.drawn(0.5, 16);
const sent: Uint8Array | string = sdk.encodeClient({ type: "leave", ref: 1 }, sdk.JSON_TEXT);
const buffer = new sdk.InputBuffer<Steer>();
const again: Steer[] = buffer.resume(3, { countMax: 8 }).map((each) => each.data);
const known: boolean = sdk.CLOSE_CODES[1012].retry && sdk.ERROR_CODES.includes("draining");
const tracker = new sdk.ViewTracker<ShipView>();
const frame: sdk.Frame<ShipView> | null = tracker.apply(sdk.decodeServer("{}"));
const clock = new sdk.ServerClock();
clock.sample(0, 1, 2);
const wait: number = sdk.backoffMs(3) + clock.at(5) + sdk.mixAngle(0, 1, 0.5);
const whole: ShipView = sdk.applyDelta({ ships: {}, clock: 1 }, {}, {}, {});
void [drawn, sent, again, known, frame, wait, whole, sdk.decode(sdk.encode([1])), sdk.DeltaGap,
  sdk.FROM_CLIENT.join[0], sdk.TO_CLIENT.delta, sdk.MSGPACK];
