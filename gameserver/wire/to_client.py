"""Every message the server may send: a closed union.

As msgpack a message is an array whose first element is its number; as JSON an object with
``type``. ``view``, ``fields``, ``entities`` and ``data`` hold values of the game, already encoded
in the format of the connection.

    [1, session, player, name, server_ms, ...]         Welcome
    [2, ref, match, game, mode, epoch, tick, ...]      Joined
    [3, epoch, tick, server_ms, acks, view]            Snapshot   the whole view
    [4, epoch, tick, server_ms, acks, base, f, e, r]   Delta      what changed since tick `base`
    [5, seq, tick, kind, player, data]                 Event      reliable: numbered without a gap
    [6, code, message, ref]                            Error
    [7, sent, server_ms]                               Pong
    [8, ref, match, reason]                            Left
    [9, reason]                                        Paused
    [10]                                               Resumed
    [11, after_ms, reason]                             Reconnect
    [12, ref, expires_ms]                              Refreshed
    [13, ticket, game, mode, state, match, until_ms]   Matchmaking
    [14, id, kind, player, data, at_ms]                Notification
    [15, number, seat, player, name, text, team, at_ms] Said
    [16, ref, players]                                 Muted
    [17, what, yes, no, needed, until_ms]              Voting
    [18, match, until_ms]                              Rematch
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

Key = str | int


class ErrorCode(StrEnum):
    """``Error.code``: stable words; the message beside it says what to do."""

    BAD_MESSAGE = "bad_message"  #: not a message of the protocol
    BAD_INPUT = "bad_input"  #: not an Input of this game, or its seq does not grow
    TOO_MANY_INPUTS = "too_many_inputs"  #: over the limit of one tick: the newest is dropped
    RATE_LIMITED = "rate_limited"  #: over the messages per second: dropped, later closed
    NOT_JOINED = "not_joined"  #: take a seat first
    ALREADY_JOINED = "already_joined"  #: leave first
    UNKNOWN_GAME = "unknown_game"
    UNKNOWN_MODE = "unknown_mode"
    UNKNOWN_MATCH = "unknown_match"  #: never was, or is over
    MATCH_FULL = "match_full"
    MATCH_ELSEWHERE = "match_elsewhere"  #: another node holds it
    REFUSED = "refused"  #: the game said no; the message is the game's
    SERVER_FULL = "server_full"
    DRAINING = "draining"  #: no new matches here: connect again
    MAINTENANCE = "maintenance"  #: no new seats anywhere for a while; the message is the operator's
    NOT_INVITED = "not_invited"  #: the match is private: give its code
    BAD_CODE = "bad_code"  #: the code or the password of a private match is wrong
    TOO_MANY_GUESSES = "too_many_guesses"  #: of codes: wait some minutes
    BANNED = "banned"  #: an operator keeps the player out; the message says until when
    UNAVAILABLE = "unavailable"  #: try again shortly
    CHAT_REFUSED = "chat_refused"  #: the line was not said; the message says why
    VOTE_REFUSED = "vote_refused"  #: there is no such vote now; the message says why
    BAD_TOKEN = "bad_token"  #: the token of a Refresh is not accepted; the old one still holds


class Seat(msgspec.Struct, array_like=True, frozen=True):
    """One player of the match: ``acks[seat]`` of a snapshot is theirs."""

    seat: int
    player: str
    name: str
    connected: bool


class Welcome(msgspec.Struct, array_like=True, frozen=True, tag=1):
    """First message on every connection. Times in ms since the Unix epoch."""

    session: str
    player: str
    name: str
    server_ms: int
    expires_ms: int
    ping_ms: int
    messages_per_s: int
    payload_bytes: int
    games: list[str]


class Joined(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """The seat is yours. ``seq`` is the last reliable number that counts as already delivered:

    the next ``Event`` has ``seq + 1``. ``resumed``: every event since the one named in ``resume``
    follows; otherwise the client must forget what it derived from earlier events.
    ``input_seq`` is your last input that was taken, though not yet applied perhaps: number the next
    one higher.
    """

    ref: int
    match: str
    game: str
    mode: str
    epoch: int
    tick: int
    tick_rate: int
    seat: int
    input_seq: int
    seq: int
    resumed: bool
    seats: list[Seat]


class Snapshot(msgspec.Struct, array_like=True, frozen=True, tag=3):
    """The whole view after ``tick``. ``acks[seat]`` = that player's last applied input."""

    epoch: int
    tick: int
    server_ms: int
    acks: list[int]
    view: msgspec.Raw


class Delta(msgspec.Struct, array_like=True, frozen=True, tag=4):
    """What changed since the snapshot or delta of tick ``base``, the last one sent here.

    ``fields``: new values of plain fields. ``entities``: per table the entities that are new or
    changed, whole. ``removed``: per table the keys that are gone.
    """

    epoch: int
    tick: int
    server_ms: int
    acks: list[int]
    base: int
    fields: dict[str, msgspec.Raw]
    entities: dict[str, dict[Key, msgspec.Raw]]
    removed: dict[str, list[Key]]


class Event(msgspec.Struct, array_like=True, frozen=True, tag=5):
    """A committed key event. ``kind`` is a game's own, or one of ``event_record``'s."""

    seq: int
    tick: int
    kind: str
    player: str | None
    data: msgspec.Raw


class Error(msgspec.Struct, array_like=True, frozen=True, tag=6):
    """Something was not done. ``ref`` names the message (0: none in particular)."""

    code: ErrorCode
    message: str
    ref: int = 0


class Pong(msgspec.Struct, array_like=True, frozen=True, tag=7):
    """Answer to ``Ping``."""

    sent: float
    server_ms: int


class Left(msgspec.Struct, array_like=True, frozen=True, tag=8):
    """Your seat is gone: ``left``, ``ended``, ``kicked``, ``replaced`` (you play elsewhere),
    ``moved`` (another node holds the match: join it again by its id), ``over`` (it has ended while
    your node had lost it, so that you missed its end), ``lost`` (your node could not find it again
    within the grace period) or ``game_error``."""

    ref: int
    match: str
    reason: str


class Paused(msgspec.Struct, array_like=True, frozen=True, tag=9):
    """The match stands still, for instance while its store cannot be reached."""

    reason: str


class Resumed(msgspec.Struct, array_like=True, frozen=True, tag=10):
    """The match goes on."""


class Reconnect(msgspec.Struct, array_like=True, frozen=True, tag=11):
    """This node is going away: play on for ``after_ms``, then connect again; the seat is kept."""

    after_ms: int
    reason: str


class Refreshed(msgspec.Struct, array_like=True, frozen=True, tag=12):
    """The session now lasts until ``expires_ms``."""

    ref: int
    expires_ms: int


class Matchmaking(msgspec.Struct, array_like=True, frozen=True, tag=13):
    """News of a ticket: ``waiting`` (again), ``ready_check`` (answer until ``until_ms``),
    ``matched`` (join ``match``), ``declined`` or ``expired`` (it is over). At most once: who may
    have missed it asks the HTTP API."""

    ticket: str
    game: str
    mode: str
    state: str
    match: str
    until_ms: int


class Notification(msgspec.Struct, array_like=True, frozen=True, tag=14):
    """News for this player that has nothing to do with their match: ``friend_request``,
    ``friend_accepted`` and whatever else ``kind`` says, with what belongs to it in ``data``.
    ``player``: who is behind it, or null; ``at_ms``: when it was sent, perhaps long before this
    connection. The same ``id`` twice is the same notification."""

    id: str
    kind: str
    player: str | None
    data: dict[str, str | int | float | bool | None]
    at_ms: int


class Said(msgspec.Struct, array_like=True, frozen=True, tag=15):
    """A line of the chat. ``number`` grows with every line of the match, with gaps: not every line
    is for everyone. Who comes back gets the newest lines again: drop what is not higher."""

    number: int
    seat: int
    player: str
    name: str
    text: str
    team: bool
    at_ms: int


class Muted(msgspec.Struct, array_like=True, frozen=True, tag=16):
    """Whom you do not hear in this match."""

    ref: int
    players: list[str]


class Voting(msgspec.Struct, array_like=True, frozen=True, tag=17):
    """How a vote stands: seats that said ``yes`` or ``no``, how many must say yes, until when.
    ``needed`` 0: it is over."""

    what: str
    yes: list[int]
    no: list[int]
    needed: int
    until_ms: int


class Rematch(msgspec.Struct, array_like=True, frozen=True, tag=18):
    """Join ``match``: your seat in it is kept until ``until_ms``. ``Left`` follows."""

    match: str
    until_ms: int


ToClient = (
    Welcome
    | Joined
    | Snapshot
    | Delta
    | Event
    | Error
    | Pong
    | Left
    | Paused
    | Resumed
    | Reconnect
    | Refreshed
    | Matchmaking
    | Notification
    | Said
    | Muted
    | Voting
    | Rematch
)

JSON_NAMES: dict[type[Any], str] = {
    Welcome: "welcome",
    Joined: "joined",
    Snapshot: "snapshot",
    Delta: "delta",
    Event: "event",
    Error: "error",
    Pong: "pong",
    Left: "left",
    Paused: "paused",
    Resumed: "resumed",
    Reconnect: "reconnect",
    Refreshed: "refreshed",
    Matchmaking: "matchmaking",
    Notification: "notification",
    Said: "said",
    Muted: "muted",
    Voting: "voting",
    Rematch: "rematch",
}
