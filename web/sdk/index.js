// @ts-self-types="./index.d.ts"
// Everything that a client of the game server is made of; docs/sdk.md says how to use it.

export { GameClient } from "./client.js";
export { ServerClock } from "./clock.js";
export { InputBuffer, Pacer } from "./inputs.js";
export { CLOSE_CODES, ERROR_CODES, FROM_CLIENT, TO_CLIENT } from "./messages.js";
export { decode, encode } from "./msgpack.js";
export { Predictor } from "./prediction.js";
export { JSON_TEXT, MSGPACK, decodeServer, encodeClient } from "./protocol.js";
export { backoffMs } from "./recovery.js";
export { Timeline, mix, mixAngle } from "./timeline.js";
export { DeltaGap, ViewTracker, applyDelta } from "./view.js";
