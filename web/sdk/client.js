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
// again with a growing, jittered pause and resumes where it was; inputs that the server has not
// seen are sent again. What it emits:
//
//   status   { state, attempt, retryInMs, reason }   connecting | open | waiting | closed
//   welcome  { session, player, name, games, … }     first message of each connection
//   joined   { match, seat, seats, tickRate, resumed, … }
//   frame    { epoch, tick, serverMs, acks, view }   the newest whole view; never changed later
//   event    { seq, tick, kind, player, data }       key events, each once and in order
//   left     { match, reason }    left | ended | over | lost | kicked | game_error | gone
//   notification { id, kind, player, data, atMs }  news that have nothing to do with the match
//   paused   { reason }    resumed {}    pong { rttMs }    error { code, message, ref }
//                                        `maintenance`: it waits, and joins when that is over
//   said, muted, voting, rematch, and any other type of messages.js, with the fields of the message

import { ServerClock } from "./clock.js";
import { InputBuffer } from "./inputs.js";
import { CLOSE_CODES } from "./messages.js";
import { MSGPACK, camelCase, decodeServer, encodeClient } from "./protocol.js";
import {
  HANDSHAKE_MAX_MS, INPUTS_RESENT_MAX, INPUT_AGE_MAX_MS, JOIN_ATTEMPTS_MAX, MAINTENANCE,
  MAINTENANCE_RETRY_MS, PASSING, PINGS_FIRST, PING_EVERY_MS, PING_FIRST_MS, REFRESH_AHEAD_MS,
  SILENCE_MAX_MS, Timers, Told, backoffMs, named,
} from "./recovery.js";
import { ViewTracker } from "./view.js";

const TOKEN_EXPIRED = 4001;
const TRY_LATER = 1013;

export class GameClient {
  #url; #token; #ticket; #format; #makeSocket;
  #socket = null; #listeners = new Map(); #timers = new Timers();
  #closed = true; #attempt = 0; #joinAttempt = 0; #freshToken = false; #ref = 0;
  #wish = null;      // what to join: {game, mode}, {match}, {code, password}; or to watch: {match, watching}
  #seat = null;      // what is held: {match, game, mode, epoch, seq, number, tickRate}
  #joining = 0;      // ref of the Join that is under way
  #views = new ViewTracker(); #inputs = new InputBuffer(); #heardMs = 0; #pings = 0; #told = new Told();

  /**
   * `token(fresh)` gives a JWT, a new one where `fresh` is true; `ticket()` a one-time ticket, for
   * where a token may not be given to the page. With both, the ticket connects and the token
   * prolongs. An error of either with `final: true` ends the client, others are tried again.
   */
  constructor({ url, token = null, ticket = null, format = MSGPACK, makeSocket = null }) {
    this.#url = named(url);
    this.#token = token;
    this.#ticket = ticket;
    this.#format = format;
    this.#makeSocket = makeSocket ?? ((...given) => new WebSocket(...given));
    this.clock = new ServerClock();
    this.welcome = null;
  }

  get connected() { return this.#socket?.readyState === 1 && this.welcome !== null; }
  get seated() { return this.#seat !== null && this.#joining === 0 && this.connected; }
  get frame() { return this.#views.frame; }
  get rttMs() { return this.clock.rttMs; }

  /** Call `listener` with every `type`; returns what ends that. */
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
  join({ game = "", mode = "", match = "", code = "", password = "" }) {
    this.#want({ game, mode, match, code, password });
  }

  /** As `join`, without a seat: see a match of others; `joined` says seat -1. */
  watch(match) { this.#want({ match, watching: true }); }

  /** Say a line to all, or to the own team. */
  chat(text, team = false) { this.#ask({ type: "chat", text, team }); }

  /** Hear no more of a player, or again. */
  mute(player, muted = true) { this.#ask({ type: "mute", player, muted }); }

  /** `what`: pause, resume or rematch. */
  vote(what, yes = true) { this.#ask({ type: "vote", what, yes }); }

  #ask(message) { if (this.seated) this.#send({ ...message, ref: ++this.#ref }); }

  #want(wish) {
    this.#ask({ type: "leave" }); // one match at a time
    this.#wish = wish;
    this.#seat = null;
    this.#views.reset();
    this.#joinAttempt = 0;
    if (this.connected) this.#sendJoin();
  }

  /**
   * Send one input of the game; its number, or 0 where there is no seat to send it from. While a
   * lost connection comes back it is kept, and sent then if it is not too old.
   */
  input(data) {
    if (!(this.#seat?.number >= 0)) return 0;
    const seq = this.#inputs.push(data, performance.now());
    if (this.seated) this.#send({ type: "input", seq, data });
    return seq;
  }

  /** Give the seat up for good; `left` follows. */
  leave() {
    this.#wish = null;
    this.#ask({ type: "leave" });
    this.#seat = null;
    this.#views.reset();
    this.#joining = 0;
    this.#timers.cancel("join");
  }

  /** End the connection and do not come back. */
  close() {
    this.#closed = true;
    this.#wish = this.#seat = null;
    this.#views.reset();
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
    this.#timers.cancel("retry");
    if (this.#closed || this.#socket !== null) return;
    this.#emit("status", { state: "connecting", attempt: this.#attempt });
    let given;
    try {
      given = await this.#credential();
    } catch (error) {
      if (error.final) this.#giveUp(error.message);
      else this.#retry(error.message);
      return;
    }
    if (this.#closed || this.#socket !== null) return;
    const socket = this.#makeSocket(...given);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.welcome = null;
    this.#timers.after("handshake", HANDSHAKE_MAX_MS, () => this.#lost(socket, 1006, ""));
    socket.onmessage = ({ data }) => { if (socket === this.#socket) this.#received(data); };
    socket.onclose = ({ code, reason }) => this.#lost(socket, code, reason);
  }

  /** URL and subprotocols. A JWT never stands in a URL; a ticket may, for it works once. */
  async #credential() {
    if (this.#ticket === null) {
      return [this.#url, [this.#format, `bearer.${await this.#token(this.#freshToken)}`]];
    }
    const url = new URL(this.#url);
    url.searchParams.set("ticket", await this.#ticket());
    return [url.href, [this.#format]];
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.welcome = null;
    this.#joining = 0;
    for (const timer of ["handshake", "ping", "refresh", "join"]) this.#timers.cancel(timer);
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
    const known = CLOSE_CODES[code];
    if (code === TRY_LATER) this.#attempt = Math.max(this.#attempt, 2);
    if (known && !known.retry) this.#giveUp(known.meaning);
    else this.#retry(reason || (upgraded ? "connection lost" : "unreachable"));
  }

  #giveUp(reason) {
    this.#closed = true;
    this.#timers.cancel("retry");
    this.#emit("status", { state: "closed", reason });
  }

  #retry(reason) {
    if (this.#timers.has("retry")) return;
    const retryInMs = Math.round(backoffMs(this.#attempt));
    this.#attempt += 1;
    this.#timers.after("retry", retryInMs, () => this.#open());
    this.#emit("status", { state: "waiting", attempt: this.#attempt, retryInMs, reason });
  }

  #send(message) {
    // A socket that is closing tells of it a moment later; what is sent meanwhile is lost anyway.
    if (this.#socket.readyState === 1) this.#socket.send(encodeClient(message, this.#format));
  }

  #ping() {
    if (performance.now() - this.#heardMs > SILENCE_MAX_MS) {
      this.#lost(this.#socket, 1006, "no answer");
      return;
    }
    this.#send({ type: "ping", sent: performance.now() });
    const pauseMs = ++this.#pings < PINGS_FIRST ? PING_FIRST_MS : PING_EVERY_MS;
    this.#timers.after("ping", pauseMs, () => this.#ping());
  }

  #refreshBefore(expiresMs, serverMs) {
    if (this.#token === null) return;
    const leftMs = expiresMs - serverMs;
    const inMs = Math.max(leftMs / 2, leftMs - REFRESH_AHEAD_MS);
    this.#timers.after("refresh", Math.min(inMs, 2 ** 31 - 1), async () => {
      try {
        const token = await this.#token(true);
        if (this.connected) this.#send({ type: "refresh", ref: ++this.#ref, token });
      } catch {
        // The connection lasts until the token ends; the reconnect then asks for one again.
      }
    });
  }

  // ── messages ────────────────────────────────────────────────────────────────────────────────

  #received(data) {
    this.#heardMs = performance.now();
    try {
      this.#take(decodeServer(data));
    } catch (error) {
      console.warn("message not understood", error);
      this.#lost(this.#socket, 1006, "message not understood");
    }
  }

  #take(message) {
    const { type, ...fields } = message;
    switch (type) {
      case "welcome": return this.#welcomed(fields);
      case "joined": return this.#joined(fields);
      case "snapshot":
      case "delta": return this.#show(message);
      case "event": return this.#event(fields);
      case "error": return this.#error(fields);
      case "pong":
        this.clock.sample(message.sent, message.server_ms, this.#heardMs);
        return this.#emit("pong", { rttMs: this.clock.rttMs, serverMs: message.server_ms });
      case "left": return this.#left(message);
      case "reconnect": return this.#reconnect(message);
      case "refreshed": return this.#refreshBefore(message.expires_ms, Date.now());
      case "notification": return this.#told.isNew(message.id) && this.#emit(type, camelCase(fields));
      default: return this.#emit(type, camelCase(fields));
    }
  }

  #welcomed({ session, player, name, server_ms: serverMs, expires_ms: expiresMs, games }) {
    this.#timers.cancel("handshake");
    this.#freshToken = false;
    this.welcome = { session, player, name, games, serverMs, expiresMs };
    this.#refreshBefore(expiresMs, serverMs);
    this.clock.reset(); // another node has another clock
    this.#pings = 0;
    this.#ping();
    this.#emit("welcome", this.welcome);
    this.#emit("status", { state: "open" });
    if (this.#wish) this.#sendJoin();
    else this.#attempt = 0;
  }

  #sendJoin() {
    const held = this.#seat;
    const { watching } = this.#wish;
    const wish = held ? { game: held.game, mode: held.mode, match: held.match } : this.#wish;
    const resume = held && { epoch: held.epoch, seq: held.seq };
    this.#joining = ++this.#ref;
    this.#views.reset();
    if (watching) this.#send({ type: "watch", ref: this.#joining, match: wish.match });
    else this.#send({ type: "join", ref: this.#joining, ...wish, resume });
  }

  #joinAgain() {
    this.#timers.cancel("join");
    if (this.connected && this.#wish) this.#sendJoin();
  }

  #joined({ ref, match, game, mode, epoch, tick, tick_rate: tickRate, seat, input_seq: inputSeq,
    seq, resumed, seats }) {
    if (ref !== this.#joining) {
      this.#send({ type: "leave", ref: ++this.#ref }); // no longer wanted
      return;
    }
    const back = this.#seat?.match === match && this.#seat.number === seat;
    this.#joining = this.#attempt = this.#joinAttempt = 0;
    this.#seat = { match, game, mode, epoch, seq, number: seat, tickRate };
    if (back) this.#sendAgain(inputSeq, tickRate);
    else this.#inputs.begin(inputSeq);
    this.#emit("joined", {
      match, game, mode, epoch, tick, tickRate, seat, inputSeq: this.#inputs.seq, resumed, seats,
    });
  }

  #sendAgain(inputSeq, tickRate) {
    const young = { sinceMs: performance.now() - INPUT_AGE_MAX_MS, countMax: INPUTS_RESENT_MAX };
    for (const { seq, data } of this.#inputs.resume(inputSeq, tickRate > 0 ? young : {})) {
      this.#send({ type: "input", seq, data });
    }
  }

  #show(message) {
    if (!this.#seat) return; // on its way while the seat was given up
    const frame = this.#views.apply(message);
    if (!frame) return;
    this.#seat.epoch = frame.epoch;
    this.#inputs.acknowledge(frame.acks[this.#seat.number] ?? 0);
    this.#emit("frame", frame);
  }

  #event({ seq, tick, kind, player, data }) {
    if (!this.#seat || seq <= this.#seat.seq) return;
    this.#seat.seq = seq;
    this.#emit("event", { seq, tick, kind, player, data });
  }

  #error(error) {
    if (error.code === "bad_input" || error.code === "too_many_inputs") this.#inputs.refuse(error.ref);
    this.#emit("error", error);
    if (error.ref === 0 || error.ref !== this.#joining) return;
    this.#joining = 0;
    const held = this.#seat;
    if (error.code === MAINTENANCE && !held) {
      this.#attempt = 0;
      this.#timers.after("join", MAINTENANCE_RETRY_MS * (0.5 + Math.random() / 2), () => this.#joinAgain());
      return;
    }
    const passes = PASSING.has(error.code) && this.#joinAttempt < JOIN_ATTEMPTS_MAX;
    if (passes) {
      const delay = backoffMs(this.#joinAttempt++);
      // Another node may say yes where this one cannot.
      const elsewhere = error.code === "match_elsewhere" || error.code === "draining";
      this.#timers.after("join", delay, () => {
        if (elsewhere) this.#lost(this.#socket, 1006, error.message);
        else this.#joinAgain();
      });
      return;
    }
    this.#wish = this.#seat = null;
    this.#emit("left", { match: held?.match ?? "", reason: held ? "gone" : "refused", error });
  }

  #left({ ref, match, reason }) {
    if (ref === 0 && reason === "moved" && this.#seat) {
      // The match goes on elsewhere: ask for the seat again, from where we stand.
      this.#timers.after("join", 50 + 200 * Math.random(), () => this.#joinAgain());
      return;
    }
    // The answer to our own Leave may come while the next seat is asked for already.
    if (ref === 0) {
      this.#wish = this.#seat = null;
      this.#views.reset();
    }
    this.#emit("left", { match, reason });
  }

  /** The node goes away. The match plays on until the time comes to leave it. */
  #reconnect({ after_ms: afterMs, reason }) {
    this.#timers.after("retry", afterMs, () => {
      this.#drop();
      this.#emit("status", { state: "waiting", attempt: 0, retryInMs: 0, reason });
      this.#open();
    });
  }

  // ── helpers ─────────────────────────────────────────────────────────────────────────────────

  #emit(type, detail) {
    for (const listener of this.#listeners.get(type) ?? []) listener(detail);
  }
}
