// Colyseus, two ways: raw bytes that the room encodes itself, and Colyseus' own state sync.
//   - no monitor, no dev mode, no simulated latency; permessage-deflate is off by default
//   - messages travel as bytes with a number for a type, its shortest form
//   - patchRate is null and the room calls broadcastPatch() at the end of its step, from a timer
//     without drift (ticker.mjs): one timer instead of two, and snapshots that keep their schedule
//   - bytes are encoded once a tick for all players of a room, by broadcastBytes
// ws-transport, because @colyseus/uwebsockets-transport takes its native part from a Git repository
// and not from the registry.
//
//     node server.mjs PORT raw|state

import { Room, Server } from "@colyseus/core";
import { schema, t } from "@colyseus/schema";
import { WebSocketTransport } from "@colyseus/ws-transport";
import { join, leave, makeRoom, step } from "../arena.mjs";
import { Ticker } from "../ticker.mjs";
import { PLAYERS_MAX, readInput, seatMessage, snapshotBytes, writeSnapshot } from "../wire.mjs";

const TYPE = 0; // of all messages
const ticker = new Ticker(50);
let rooms = 0;

class ArenaRoom extends Room {
  maxClients = PLAYERS_MAX;
  patchRate = null;
  seatReservationTimeout = 60;

  onCreate() {
    // Without a patch rate Colyseus ticks the room's clock 60 times a second in case it holds
    // timers. These rooms have none; a simulation interval that never comes stands in for it.
    this.setTimestep(() => {}, 2 ** 31 - 1);
    this.patchRate = null;
    this.game = makeRoom(++rooms);
    this.stop = ticker.add(() => {
      step(this.game, this.game.now + 1);
      this.send();
    });
    this.onMessageBytes(TYPE, (client, data) => readInput(data, client.userData, this.game.now + 1));
  }

  onJoin(client) {
    const body = join(this.game, this.game.bodies.length);
    body.ack = 0;
    client.userData = body;
    this.enter(client, body);
  }

  onLeave(client) {
    leave(this.game, client.userData.seat);
  }

  onDispose() {
    this.stop();
  }
}

class RawRoom extends ArenaRoom {
  enter(client, body) {
    client.sendBytes(TYPE, seatMessage(body.seat));
  }

  send() {
    const bytes = Buffer.allocUnsafe(snapshotBytes(this.game.bodies.length));
    writeSnapshot(bytes, 0, this.game);
    this.broadcastBytes(TYPE, bytes);
  }
}

const Fighter = schema({
  ack: t.uint32(),
  x: t.int32(),
  y: t.int32(),
  aim: t.uint16(),
  health: t.uint8(),
  kills: t.uint16(),
  deaths: t.uint16(),
  flags: t.uint8(),
}, "Fighter");

const Shot = schema({
  x: t.int32(),
  y: t.int32(),
  aim: t.uint16(),
  tick: t.uint32(),
  seat: t.uint8(),
}, "Shot");

const ArenaState = schema({
  tick: t.uint32(), // first, and changed first: the load generator reads it
  fighters: t.map(Fighter),
  shots: t.map(Shot),
}, "ArenaState");

class StateRoom extends ArenaRoom {
  state = new ArenaState();

  enter(client, body) {
    body.fighter = new Fighter();
    this.state.fighters.set(String(body.seat), body.fighter);
  }

  onLeave(client) {
    this.state.fighters.delete(String(client.userData.seat));
    super.onLeave(client);
  }

  send() {
    const { state, game } = this;
    state.tick = game.now;
    for (const body of game.bodies) {
      const { fighter } = body;
      fighter.ack = body.ack;
      fighter.x = body.x + body.aheadX;
      fighter.y = body.y + body.aheadY;
      fighter.aim = body.aim;
      fighter.health = body.health;
      fighter.kills = body.kills;
      fighter.deaths = body.deaths;
      fighter.flags = (body.shieldUntil > game.now ? 1 : 0) | (body.ahead << 2);
    }
    const flying = new Set();
    for (const bullet of game.bullets) {
      flying.add(bullet.key);
      if (bullet.tick !== game.now) continue;
      state.shots.set(String(bullet.key), new Shot().assign({
        x: bullet.fromX, y: bullet.fromY, aim: bullet.aim, tick: bullet.tick, seat: bullet.owner.seat,
      }));
    }
    for (const key of state.shots.keys()) if (!flying.has(Number(key))) state.shots.delete(key);
    this.broadcastPatch();
  }
}

const [port, kind] = process.argv.slice(2);
const server = new Server({
  greet: false,
  gracefullyShutdown: false,
  transport: new WebSocketTransport({ skipUTF8Validation: true, clientTracking: true }),
});
server.define("arena", kind === "state" ? StateRoom : RawRoom);
await server.listen(Number(port), "127.0.0.1", 4096);
console.log("ready");
