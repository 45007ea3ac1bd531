// The payloads of the benchmark, little endian; bench/loadgen.c draws them.

import { apply } from "./arena.mjs";

const INPUT = 2;
const INPUT_BYTES = 16;
const SNAPSHOT = 3;
const HEAD_BYTES = 10;
const PLAYER_BYTES = 20;

export const PLAYERS_MAX = 8;

export function seatMessage(seat) {
  return Buffer.from([1, seat]);
}

// Put an input into effect at the tick to come; `data` may be part of a larger buffer.
export function readInput(data, body, now) {
  if (data.length !== INPUT_BYTES || data[0] !== INPUT) return;
  body.ack = data.readUInt32LE(1);
  apply(body, data.readInt8(5), data.readInt8(6), data.readUInt16LE(7), data[9] !== 0, now);
}

export function snapshotBytes(players) {
  return HEAD_BYTES + players * (4 + PLAYER_BYTES);
}

// Writes the snapshot of `room` into `out` from `at`, whose size is snapshotBytes(PLAYERS_MAX) or more.
export function writeSnapshot(out, at, room) {
  const { bodies } = room;
  out[at] = SNAPSHOT;
  out.writeUInt32LE(room.now, at + 1);
  out.writeUInt32LE(Date.now() % 0x100000000, at + 5);
  out[at + 9] = bodies.length;
  let acks = at + HEAD_BYTES;
  let player = acks + 4 * bodies.length;
  for (const body of bodies) {
    out.writeUInt32LE(body.ack, acks);
    acks += 4;
    out.writeInt32LE(body.x + body.aheadX, player);
    out.writeInt32LE(body.y + body.aheadY, player + 4);
    out.writeUInt16LE(body.aim, player + 8);
    out[player + 10] = body.health;
    out[player + 11] = body.shieldUntil > room.now ? 1 : 0;
    out.writeUInt16LE(body.kills, player + 12);
    out.writeUInt16LE(body.deaths, player + 14);
    out.writeUInt32LE(body.shotTick, player + 16);
    player += PLAYER_BYTES;
  }
}
