// What index.js exports; docs/sdk.md says how to use it. Times are in ms.

/** A view as the game defines it. Tables are keyed by strings, also where the game's keys are numbers. */
export type View = Record<string, any>;

export interface Seat { seat: number; player: string; name: string; connected: boolean; }

export interface Frame<V = View> {
  epoch: number;
  tick: number;
  /** When the tick ended, by the server's clock. */
  serverMs: number;
  /** `acks[seat]`: the last input of that seat's player that is applied in `view`. */
  acks: number[];
  view: V;
}

export interface Joined {
  match: string;
  game: string;
  mode: string;
  epoch: number;
  tick: number;
  /** In Hz; 0 in a game of turns. */
  tickRate: number;
  seat: number;
  inputSeq: number;
  resumed: boolean;
  seats: Seat[];
}

export interface Welcome {
  session: string;
  player: string;
  name: string;
  games: string[];
  serverMs: number;
  expiresMs: number;
}

export type Status =
  | { state: "connecting"; attempt: number }
  | { state: "open" }
  | { state: "waiting"; attempt: number; retryInMs: number; reason: string }
  | { state: "closed"; reason: string };

export interface ServerError { code: string; message: string; ref: number; }
export interface GameEvent { seq: number; tick: number; kind: string; player: string | null; data: any; }

export interface ClientEvents<V = View> {
  status: Status;
  welcome: Welcome;
  joined: Joined;
  frame: Frame<V>;
  event: GameEvent;
  left: { match: string; reason: string; error?: ServerError };
  paused: { reason: string };
  resumed: Record<string, never>;
  pong: { rttMs: number; serverMs: number };
  error: ServerError;
  /** News for this player that have nothing to do with the match, each once. */
  notification: { id: string; kind: string; player: string | null; data: Record<string, any>; atMs: number };
  matchmaking: { ticket: string; game: string; mode: string; state: string; match: string; untilMs: number };
  said: { number: number; seat: number; player: string; name: string; text: string; team: boolean; atMs: number };
  muted: { ref: number; players: string[] };
  voting: { what: string; yes: number; no: number; needed: number; untilMs: number };
  rematch: { match: string; untilMs: number };
}

export interface ClientOptions {
  url: string;
  /** Gives a JWT, a new one where `fresh`; an error with `final: true` ends the client. */
  token?: ((fresh: boolean) => string | Promise<string>) | null;
  /** Gives a one-time ticket (`POST /v1/tickets`) for each connection. */
  ticket?: (() => string | Promise<string>) | null;
  format?: string;
  /** For where there is no global WebSocket. */
  makeSocket?: ((url: string, subprotocols: string[]) => WebSocket) | null;
}

/** One connection, one seat, over all interruptions. */
export class GameClient<V = View> {
  constructor(options: ClientOptions);
  readonly clock: ServerClock;
  readonly welcome: Welcome | null;
  readonly connected: boolean;
  readonly seated: boolean;
  readonly frame: Frame<V> | null;
  readonly rttMs: number | null;
  on<T extends keyof ClientEvents>(type: T, listener: (detail: ClientEvents<V>[T]) => void): () => void;
  /** A message that a newer server says, by its type. */
  on(type: string, listener: (detail: any) => void): () => void;
  connect(): void;
  join(wish: { game?: string; mode?: string; match?: string; code?: string; password?: string }): void;
  watch(match: string): void;
  input(data: unknown): number;
  chat(text: string, team?: boolean): void;
  mute(player: string, muted?: boolean): void;
  vote(what: "pause" | "resume" | "rematch", yes?: boolean): void;
  leave(): void;
  close(): void;
  retryNow(): void;
}

export function backoffMs(attempt: number, random?: () => number): number;

export class ServerClock {
  offsetMs: number;
  rttMs: number | null;
  readonly synced: boolean;
  readonly jitterMs: number;
  sample(sentMs: number, serverMs: number, receivedMs: number): void;
  at(localMs: number): number;
  reset(): void;
}

export interface WaitingInput<I = unknown> { seq: number; data: I; atMs: number; }

export class InputBuffer<I = unknown> {
  constructor(options?: { sizeMax?: number });
  sizeMax: number;
  seq: number;
  readonly waiting: number;
  push(data: I, atMs: number): number;
  acknowledge(seq: number): void;
  refuse(seq: number): void;
  resume(seq: number, options?: { sinceMs?: number; countMax?: number }): WaitingInput<I>[];
  begin(seq: number): void;
}

export class Pacer {
  constructor(periodMs: number, act: (dueMs: number) => void, options?: { now?: () => number });
  periodMs: number;
  act: (dueMs: number) => void;
  now: () => number;
  start(): void;
  stop(): void;
  run(): void;
}

export class Predictor<S extends object = { x: number; y: number }, I = unknown> {
  constructor(options: {
    step: (state: S, input: I) => S;
    fields?: (keyof S & string)[];
    snap?: number;
    fadeMs?: number;
    pendingMax?: number;
  });
  readonly state: S | null;
  reset(): void;
  rest(): void;
  apply(seq: number, input: I): void;
  confirm(truth: S, ack: number, ahead?: number): number;
  drawn(share: number, elapsedMs: number): S | null;
}

export interface TimedFrame { epoch: number; tick: number; serverMs: number; }
export interface Moment<F> { from: F; to: F; share: number; tick: number; }

export class Timeline<F extends TimedFrame = Frame> {
  constructor(options?: { delayMinMs?: number; delayMaxMs?: number; gapMs?: number });
  readonly newest: F | null;
  delayMs: number;
  push(frame: F, nowMs: number): void;
  at(nowMs: number): Moment<F> | null;
  reset(): void;
}

export function mix(a: number, b: number, share: number): number;
export function mixAngle(a: number, b: number, share: number, turn?: number): number;

export class DeltaGap extends Error {}

export class ViewTracker<V = View> {
  frame: Frame<V> | null;
  apply(message: ServerMessage): Frame<V> | null;
  reset(): void;
}

export function applyDelta<V extends View>(
  view: V, fields: View, entities: Record<string, View>, removed: Record<string, (string | number)[]>,
): V;

export const MSGPACK: "gameserver.v1.msgpack";
export const JSON_TEXT: "gameserver.v1.json";
export interface ClientMessage { type: string; [field: string]: any; }
export interface ServerMessage { type: string; [field: string]: any; }
export function encodeClient(message: ClientMessage, format?: string): Uint8Array | string;
export function decodeServer(payload: Uint8Array | ArrayBuffer | string): ServerMessage;

/** Plain values as MessagePack, and back. */
export function encode(value: unknown): Uint8Array;
export function decode(bytes: Uint8Array | ArrayBuffer): any;

export type Field = string | { name: string; of?: Field[]; each?: Field[] };
export const FROM_CLIENT: Record<string, [number, ...Field[]]>;
export const TO_CLIENT: Record<string, [number, ...Field[]]>;
export const CLOSE_CODES: Record<number, { name: string; retry: boolean; resume: boolean; meaning: string }>;
export const ERROR_CODES: string[];
