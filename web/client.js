// A client for the game server: one connection, one seat.
//
//   const client = new GameClient({ url, token: async (fresh) => jwt });
//   client.on("frame", ({ view, tick, serverMs, acks }) => draw(view));
//   client.on("event", ({ kind, player, data }) => tell(kind, data));
//   client.connect();
//   client.join({ game: "arena", mode: "standard" });
//   client.input([…]);
//
// It keeps the seat over lost connections, restarts of the server and ends of tokens: it connects
// again with a growing, jittered pause and resumes where it was. What it emits:
//
//   status   { state, attempt, retryInMs, reason }   connecting | open | waiting | closed
//   welcome  { session, player, name, games, … }     first message of each connection
//   joined   { match, seat, seats, tickRate, resumed, … }
//   frame    { epoch, tick, serverMs, acks, view }   the newest whole view; never changed later
//   event    { seq, tick, kind, player, data }       key events, each once and in order
//   left     { match, reason }                       left | ended | over | lost | kicked |
//                                                  game_error | gone
//   notification { id, kind, player, data, atMs }   news that have nothing to do with the match
//   said     { number, seat, player, name, text, team, atMs }   muted { players }
//   voting   { what, yes, no, needed, untilMs }   rematch { match, untilMs }   then join that match
//   paused   { reason }    resumed {}    pong { rttMs }    error { code, message, ref }
//                                        `maintenance`: it waits, and joins when that is over

import { decode, encode } from "./msgpack.js";

const SUBPROTOCOL = "gameserver.v1.msgpack";

/** What to do after the server closed with a code: `gameserver/wire/close_codes.py`. */
const FINAL_CLOSES = {
  1000: "closed",
  1002: "protocol error",
  1008: "not allowed",
  1009: "message too big",
  4000: "too many messages that the server did not understand",
  4002: "signed out",
  4003: "the same player connected elsewhere",
  4007: "removed by an operator",
  4008: "banned by an operator",
  4009: "the same player is connected already: close that connection first",
};
const TOKEN_EXPIRED = 4001;

/** Refusals of a Join that may pass by themselves. */
const PASSING = new Set([
  "unavailable", "draining", "server_full", "match_elsewhere", "rate_limited", "match_full",
]);

/** An operator keeps new players out, for minutes at least: asked again rarely, but for ever. */
const MAINTENANCE = "maintenance";
const MAINTENANCE_RETRY_MS = 20_000;

const BACKOFF_FIRST_MS = 400;
const BACKOFF_MAX_MS = 10_000;
const PING_EVERY_MS = 2_000;
const SILENCE_MAX_MS = 8_000;
const HANDSHAKE_MAX_MS = 8_000;
const JOIN_ATTEMPTS_MAX = 5;
const TOLD_MAX = 200;
const REFRESH_AHEAD_MS = 60_000;

const seatsOf = (list) => list.map(([seat, player, name, connected]) =>
  ({ seat, player, name, connected }));

/** The view after a Delta; entities that did not change are shared with the view before. */
export function applyDelta(view, fields, entities, removed) {
  const next = Object.assign(Object.create(null), view, fields);
  for (const table of new Set([...Object.keys(removed), ...Object.keys(entities)])) {
    next[table] = Object.assign(Object.create(null), next[table]);
    for (const key of removed[table] ?? []) delete next[table][key];
    Object.assign(next[table], entities[table]);
  }
  return next;
}

/** Full jitter over the upper half: clients that lost one server do not come back in one wave. */
export function backoffMs(attempt, random = Math.random) {
  const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** attempt);
  return ceiling * (0.5 + random() / 2);
}

/** Our own name in the URL: a reconnect is then no second client of the player. */
function named(url) {
  const full = new URL(url);
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  full.searchParams.set("client", Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""));
  return full.href;
}

export class GameClient {
  #url; #token; #told = new Set(); #socket = null; #listeners = new Map(); #timers = new Map();
  #closed = true; #attempt = 0; #joinAttempt = 0; #freshToken = false; #ref = 0;
  #wish = null;      // what to join: {game, mode} or {match}, or to watch: {match, watching}
  #seat = null;      // what is held: {match, game, mode, epoch, seq}
  #joining = 0;      // ref of the Join that is under way
  #frame = null; #inputSeq = 0; #heardMs = 0;

  constructor({ url, token }) {
    this.#url = named(url);
    this.#token = token;
    this.welcome = null;
    this.rttMs = null;
  }

  get connected() { return this.#socket?.readyState === WebSocket.OPEN && this.welcome !== null; }
  get seated() { return this.#seat !== null && this.#joining === 0 && this.connected; }
  get frame() { return this.#frame; }

  on(type, listener) {
    if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
    this.#listeners.get(type).add(listener);
    return () => this.#listeners.get(type).delete(listener);
  }

  /** Open the connection and keep it open until `close`. */
  connect() {
    if (!this.#closed) return;
    this.#closed = false;
    this.#attempt = 0;
    this.#open();
  }

  /** Stay connected, and take a seat now or as soon as that is possible. */
  join({ game = "", mode = "", match = "" }) {
    this.#want({ game, mode, match });
  }

  /** As `join`, without a seat: see a match of others; `joined` says seat -1. */
  watch(match) {
    this.#want({ match, watching: true });
  }

  /** Say a line to all, or to the own team. */
  chat(text, team = false) { if (this.seated) this.#send([7, ++this.#ref, text, team]); }

  /** Hear no more of a player, or again. */
  mute(player, muted = true) { if (this.seated) this.#send([8, ++this.#ref, player, muted]); }

  /** `what`: pause, resume or rematch. */
  vote(what, yes = true) { if (this.seated) this.#send([9, ++this.#ref, what, yes]); }

  #want(wish) {
    if (this.seated) this.#send([3, ++this.#ref]); // one match at a time
    this.#wish = wish;
    this.#seat = this.#frame = null;
    this.#joinAttempt = 0;
    if (this.connected) this.#sendJoin();
  }

  /** Send one input of the game; its number, or 0 where there is no seat to send it from. */
  input(data) {
    if (!this.seated) return 0;
    this.#inputSeq += 1;
    this.#send([2, this.#inputSeq, data]);
    return this.#inputSeq;
  }

  /** Give the seat up for good; `left` follows. */
  leave() {
    this.#wish = null;
    if (this.seated) this.#send([3, ++this.#ref]);
    this.#seat = this.#frame = null;
    this.#joining = 0;
    this.#cancel("join");
  }

  /** End the connection and do not come back. */
  close() {
    this.#closed = true;
    this.#wish = this.#seat = this.#frame = null;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#drop();
    this.#emit("status", { state: "closed", reason: "closed" });
  }

  /** Skip the pause before the next attempt. */
  retryNow() {
    if (!this.#closed && this.#socket === null) this.#open();
    else if (this.#timers.has("join")) this.#joinAgain();
  }

  // ── the connection ──────────────────────────────────────────────────────────────────────────

  async #open() {
    this.#cancel("retry");
    if (this.#closed || this.#socket !== null) return;
    this.#emit("status", { state: "connecting", attempt: this.#attempt });
    let token;
    try {
      token = await this.#token(this.#freshToken);
    } catch (error) {
      if (error.final) this.#giveUp(error.message);
      else this.#retry(error.message);
      return;
    }
    if (this.#closed || this.#socket !== null) return;
    const socket = new WebSocket(this.#url, [SUBPROTOCOL, `bearer.${token}`]);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.welcome = null;
    this.#after("handshake", HANDSHAKE_MAX_MS, () => this.#lost(socket, 1006, ""));
    socket.onmessage = ({ data }) => { if (socket === this.#socket) this.#received(data); };
    socket.onclose = ({ code, reason }) => this.#lost(socket, code, reason);
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.welcome = null;
    this.#joining = 0;
    for (const timer of ["handshake", "ping", "refresh", "join"]) this.#cancel(timer);
    if (socket) {
      socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  #lost(socket, code, reason) {
    if (socket !== this.#socket) return;
    const upgraded = this.welcome !== null;
    this.#drop();
    // A browser does not tell why an upgrade was refused; an old token is one of the reasons.
    this.#freshToken = code === TOKEN_EXPIRED || (!upgraded && this.#attempt === 1);
    if (code in FINAL_CLOSES) this.#giveUp(FINAL_CLOSES[code]);
    else this.#retry(reason || (upgraded ? "connection lost" : "unreachable"));
  }

  #giveUp(reason) {
    this.#closed = true;
    this.#cancel("retry");
    this.#emit("status", { state: "closed", reason });
  }

  #retry(reason) {
    if (this.#timers.has("retry")) return;
    const retryInMs = Math.round(backoffMs(this.#attempt));
    this.#attempt += 1;
    this.#after("retry", retryInMs, () => this.#open());
    this.#emit("status", { state: "waiting", attempt: this.#attempt, retryInMs, reason });
  }

  #send(message) { this.#socket.send(encode(message)); }

  #ping() {
    if (performance.now() - this.#heardMs > SILENCE_MAX_MS) {
      this.#lost(this.#socket, 1006, "no answer");
      return;
    }
    this.#send([4, performance.now()]);
    this.#after("ping", PING_EVERY_MS, () => this.#ping());
  }

  #refreshBefore(expiresMs, serverMs) {
    const leftMs = expiresMs - serverMs;
    const inMs = Math.max(leftMs / 2, leftMs - REFRESH_AHEAD_MS);
    this.#after("refresh", Math.min(inMs, 2 ** 31 - 1), async () => {
      try {
        const token = await this.#token(true);
        if (this.connected) this.#send([5, ++this.#ref, token]);
      } catch {
        // The connection lasts until the token ends; the reconnect then asks for one again.
      }
    });
  }

  // ── messages ────────────────────────────────────────────────────────────────────────────────

  #received(data) {
    this.#heardMs = performance.now();
    let message;
    try {
      message = decode(data);
      this.#take(message);
    } catch (error) {
      console.warn("message not understood", error);
      this.#lost(this.#socket, 1006, "message not understood");
    }
  }

  #take([type, ...rest]) {
    switch (type) {
      case 1: return this.#welcomed(rest);
      case 2: return this.#joined(rest);
      case 3: return this.#snapshot(rest);
      case 4: return this.#delta(rest);
      case 5: return this.#event(rest);
      case 6: return this.#error({ code: rest[0], message: rest[1], ref: rest[2] });
      case 7:
        this.rttMs = performance.now() - rest[0];
        return this.#emit("pong", { rttMs: this.rttMs, serverMs: rest[1] });
      case 8: return this.#left(rest);
      case 9: return this.#emit("paused", { reason: rest[0] });
      case 10: return this.#emit("resumed", {});
      case 11: return this.#reconnect(rest);
      case 12: return this.#refreshBefore(rest[1], Date.now());
      case 14: return this.#notified(rest);
      case 15: {
        const [number, seat, player, name, text, team, atMs] = rest;
        return this.#emit("said", { number, seat, player, name, text, team, atMs });
      }
      case 16: return this.#emit("muted", { players: rest[1] });
      case 17: {
        const [what, yes, no, needed, untilMs] = rest;
        return this.#emit("voting", { what, yes, no, needed, untilMs });
      }
      case 18: return this.#emit("rematch", { match: rest[0], untilMs: rest[1] });
      default: return undefined; // a newer server may say more
    }
  }

  #welcomed([session, player, name, serverMs, expiresMs, , , , games]) {
    this.#cancel("handshake");
    this.#freshToken = false;
    this.welcome = { session, player, name, games, serverMs, expiresMs };
    this.#refreshBefore(expiresMs, serverMs);
    this.#ping();
    this.#emit("welcome", this.welcome);
    this.#emit("status", { state: "open" });
    if (this.#wish) this.#sendJoin();
    else this.#attempt = 0;
  }

  #sendJoin() {
    const held = this.#seat;
    const { game, mode, match } = held ?? this.#wish;
    this.#joining = ++this.#ref;
    this.#frame = null;
    if (this.#wish?.watching) {
      this.#send([6, this.#joining, match]);
      return;
    }
    this.#send([1, this.#joining, game, mode, match, held ? [held.epoch, held.seq] : null]);
  }

  #joinAgain() {
    this.#cancel("join");
    if (this.connected && this.#wish) this.#sendJoin();
  }

  #joined([ref, match, game, mode, epoch, tick, tickRate, seat, inputSeq, seq, resumed, seats]) {
    if (ref !== this.#joining) {
      this.#send([3, ++this.#ref]); // no longer wanted
      return;
    }
    this.#joining = this.#attempt = this.#joinAttempt = 0;
    this.#seat = { match, game, mode, epoch, seq };
    this.#inputSeq = inputSeq;
    const list = seatsOf(seats);
    this.#emit("joined", { match, game, mode, epoch, tick, tickRate, seat, resumed, seats: list });
  }

  #snapshot([epoch, tick, serverMs, acks, view]) {
    this.#show({ epoch, tick, serverMs, acks, view });
  }

  #delta([epoch, tick, serverMs, acks, base, fields, entities, removed]) {
    if (this.#frame?.tick !== base || this.#frame.epoch !== epoch) throw new Error(`delta from ${base}, which is not here`);
    const view = applyDelta(this.#frame.view, fields, entities, removed);
    this.#show({ epoch, tick, serverMs, acks, view });
  }

  #show(frame) {
    if (!this.#seat) return; // on its way while the seat was given up
    this.#seat.epoch = frame.epoch;
    this.#frame = frame;
    this.#emit("frame", frame);
  }

  #event([seq, tick, kind, player, data]) {
    if (!this.#seat || seq <= this.#seat.seq) return;
    this.#seat.seq = seq;
    this.#emit("event", { seq, tick, kind, player, data });
  }

  #error(error) {
    this.#emit("error", error);
    if (error.ref === 0 || error.ref !== this.#joining) return;
    this.#joining = 0;
    const held = this.#seat;
    if (error.code === MAINTENANCE && !held) {
      this.#attempt = 0;
      this.#after("join", MAINTENANCE_RETRY_MS * (0.5 + Math.random() / 2), () => this.#joinAgain());
      return;
    }
    const passes = PASSING.has(error.code) && this.#joinAttempt < JOIN_ATTEMPTS_MAX;
    if (passes) {
      const delay = backoffMs(this.#joinAttempt++);
      // Another node may say yes where this one cannot.
      const elsewhere = error.code === "match_elsewhere" || error.code === "draining";
      this.#after("join", delay, () => {
        if (elsewhere) this.#lost(this.#socket, 1006, error.message);
        else this.#joinAgain();
      });
      return;
    }
    this.#wish = this.#seat = null;
    this.#emit("left", { match: held?.match ?? "", reason: held ? "gone" : "refused", error });
  }

  #left([ref, match, reason]) {
    if (ref === 0 && reason === "moved" && this.#seat) {
      // The match goes on elsewhere: ask for the seat again, from where we stand.
      this.#after("join", 50 + 200 * Math.random(), () => this.#joinAgain());
      return;
    }
    // The answer to our own Leave may come while the next seat is asked for already.
    if (ref === 0) this.#wish = this.#seat = this.#frame = null;
    this.#emit("left", { match, reason });
  }

  #notified([id, kind, player, data, atMs]) {
    if (this.#told.has(id)) return;
    this.#told.add(id);
    if (this.#told.size > TOLD_MAX) this.#told.delete(this.#told.values().next().value);
    this.#emit("notification", { id, kind, player, data, atMs });
  }

  /** The node goes away. The match plays on until the time comes to leave it. */
  #reconnect([afterMs, reason]) {
    this.#after("retry", afterMs, () => {
      this.#drop();
      this.#emit("status", { state: "waiting", attempt: 0, retryInMs: 0, reason });
      this.#open();
    });
  }

  // ── helpers ─────────────────────────────────────────────────────────────────────────────────

  #emit(type, detail) {
    for (const listener of this.#listeners.get(type) ?? []) listener(detail);
  }

  #after(name, ms, action) {
    this.#cancel(name);
    this.#timers.set(name, setTimeout(() => { this.#timers.delete(name); action(); }, ms));
  }

  #cancel(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}
