// Made by `python -m tests.wire.vectors` of gameserver/wire: do not edit.
//
// A message in msgpack is its number and these fields, in this order. `of` names the fields of one
// that is an array itself (or null), `each` those of every item of a list.

/** What a client may send. */
export const FROM_CLIENT = {
  join: [1, "ref", "game", "mode", "match", {"name": "resume", "of": ["epoch", "seq"]}, "code", "password"],
  input: [2, "seq", "data"],
  leave: [3, "ref"],
  ping: [4, "sent"],
  refresh: [5, "ref", "token"],
  watch: [6, "ref", "match"],
  chat: [7, "ref", "text", "team"],
  mute: [8, "ref", "player", "muted"],
  vote: [9, "ref", "what", "yes"],
};

/** What a field is that a client leaves out. */
export const DEFAULTS = {
  join: {"ref": 0, "game": "", "mode": "", "match": "", "resume": null, "code": "", "password": ""},
  input: {},
  leave: {"ref": 0},
  ping: {"sent": 0},
  refresh: {"ref": 0, "token": ""},
  watch: {},
  chat: {"team": false},
  mute: {"muted": true},
  vote: {"yes": true},
};

/** What the server may send. */
export const TO_CLIENT = {
  welcome: [1, "session", "player", "name", "server_ms", "expires_ms", "ping_ms", "messages_per_s", "payload_bytes", "games"],
  joined: [2, "ref", "match", "game", "mode", "epoch", "tick", "tick_rate", "seat", "input_seq", "seq", "resumed", {"name": "seats", "each": ["seat", "player", "name", "connected"]}],
  snapshot: [3, "epoch", "tick", "server_ms", "acks", "view"],
  delta: [4, "epoch", "tick", "server_ms", "acks", "base", "fields", "entities", "removed"],
  event: [5, "seq", "tick", "kind", "player", "data"],
  error: [6, "code", "message", "ref"],
  pong: [7, "sent", "server_ms"],
  left: [8, "ref", "match", "reason"],
  paused: [9, "reason"],
  resumed: [10],
  reconnect: [11, "after_ms", "reason"],
  refreshed: [12, "ref", "expires_ms"],
  matchmaking: [13, "ticket", "game", "mode", "state", "match", "until_ms"],
  notification: [14, "id", "kind", "player", "data", "at_ms"],
  said: [15, "number", "seat", "player", "name", "text", "team", "at_ms"],
  muted: [16, "ref", "players"],
  voting: [17, "what", "yes", "no", "needed", "until_ms"],
  rematch: [18, "match", "until_ms"],
};

/** Why a connection was closed, and what to do. */
export const CLOSE_CODES = {
  1000: {"name": "normal", "retry": false, "resume": false, "meaning": "closed as asked"},
  1002: {"name": "protocol_error", "retry": false, "resume": false, "meaning": "the WebSocket protocol was violated"},
  1007: {"name": "invalid_data", "retry": false, "resume": false, "meaning": "a text frame is not UTF-8"},
  1008: {"name": "policy", "retry": false, "resume": false, "meaning": "not allowed"},
  1009: {"name": "too_big", "retry": false, "resume": false, "meaning": "a message is over the size limit"},
  1011: {"name": "internal_error", "retry": true, "resume": true, "meaning": "an error of the server"},
  1012: {"name": "restart", "retry": true, "resume": true, "meaning": "this node is going away; another takes you"},
  1013: {"name": "try_later", "retry": true, "resume": true, "meaning": "overloaded; come back after a pause"},
  4000: {"name": "bad_messages", "retry": false, "resume": false, "meaning": "too many messages that cannot be understood"},
  4001: {"name": "token_expired", "retry": true, "resume": true, "meaning": "get a new token, then connect again"},
  4002: {"name": "token_revoked", "retry": false, "resume": false, "meaning": "signed out; log in again"},
  4003: {"name": "replaced", "retry": false, "resume": false, "meaning": "the same player connected elsewhere"},
  4004: {"name": "slow_consumer", "retry": true, "resume": true, "meaning": "the connection could not keep up"},
  4005: {"name": "rate_limited", "retry": true, "resume": true, "meaning": "too many messages; slow down"},
  4006: {"name": "idle", "retry": true, "resume": true, "meaning": "no answer to pings"},
  4007: {"name": "kicked", "retry": false, "resume": false, "meaning": "removed by an operator"},
  4008: {"name": "banned", "retry": false, "resume": false, "meaning": "banned by an operator; the reason says until when"},
  4009: {"name": "already_connected", "retry": false, "resume": false, "meaning": "the same player is connected already; close that connection first"},
};

/** What `error.code` may be. */
export const ERROR_CODES = ["bad_message", "bad_input", "too_many_inputs", "rate_limited", "not_joined", "already_joined", "unknown_game", "unknown_mode", "unknown_match", "match_full", "match_elsewhere", "refused", "server_full", "draining", "maintenance", "not_invited", "bad_code", "too_many_guesses", "banned", "unavailable", "chat_refused", "vote_refused", "bad_token"];
