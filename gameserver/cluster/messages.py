"""What nodes say to each other, as closed unions.

    edge (has the player's socket)                         owner (runs the match)
      AskJoin, AskWatch ─────────────────────────────────►
      ◄─────────────────────────────── JoinAnswer, or JoinRefusal
      GiveInput, GiveWord, GiveUp, LetGo ────────────────►
      ◄──────────── ShowFrame (one for all its players), Tell, TellOne, SeatGone
      ◄─────────────────────────────────── TakeOver (adopt this match now)

    any node                                               any other
      Ask ───────────────────────────────────────────────► Reply;    Note (no answer)

``link`` numbers a player's seat on its edge. Values of the game travel as msgpack.
"""

from __future__ import annotations

from typing import Any, Self

import msgspec

from gameserver.ports import Identity
from gameserver.wire import from_client, to_client


class SeatWanted(msgspec.Struct, array_like=True, tag=1, frozen=True):
    """A ``from_client.Join`` without what ends at the edge: codes and passwords."""

    ref: int
    game: str
    mode: str
    match: str
    resume: from_client.Resume | None

    @classmethod
    def of(cls, join: from_client.Join) -> Self:
        """What an owner need know of ``join``."""
        return cls(join.ref, join.game, join.mode, join.match, join.resume)

    def join(self) -> from_client.Join:
        """As a session would ask."""
        return from_client.Join(self.ref, self.game, self.mode, self.match, self.resume)


class AskJoin(msgspec.Struct, array_like=True, tag=1, frozen=True):
    """Take a seat for a player of the sender. ``trace``: the one that this belongs to, or empty."""

    link: int
    request: SeatWanted
    identity: Identity
    trace: str = ""


class GiveInput(msgspec.Struct, array_like=True, tag=2, frozen=True):
    link: int
    seq: int
    data: msgspec.Raw


class GiveUp(msgspec.Struct, array_like=True, tag=3, frozen=True):
    """The player leaves for good."""

    link: int
    reason: str


class LetGo(msgspec.Struct, array_like=True, tag=4, frozen=True):
    """The player's connection is gone, or its edge has found the match elsewhere."""

    link: int


class JoinAnswer(msgspec.Struct, array_like=True, tag=5, frozen=True):
    """``missed``: payloads of reliable messages; ``frame``: see ``Frame.packed``."""

    link: int
    joined: to_client.Joined
    missed: list[bytes]
    frame: bytes


class JoinRefusal(msgspec.Struct, array_like=True, tag=6, frozen=True):
    link: int
    code: str
    message: str


class ShowFrame(msgspec.Struct, array_like=True, tag=7, frozen=True):
    """For all players of the match on the receiving node, or for ``link`` alone if it is not 0."""

    match: str
    link: int
    frame: bytes


class Tell(msgspec.Struct, array_like=True, tag=8, frozen=True):
    """A reliable message for all players of the match on the receiving node."""

    match: str
    epoch: int
    payload: bytes


class SeatGone(msgspec.Struct, array_like=True, tag=9, frozen=True):
    link: int
    reason: str


class TakeOver(msgspec.Struct, array_like=True, tag=10, frozen=True):
    """The sender has given the lease of ``match`` up: adopt it at once."""

    match: str


class Alive(msgspec.Struct, array_like=True, tag=11, frozen=True):
    """Said to every node that one has to do with, so that silence means something."""


class Ask(msgspec.Struct, array_like=True, tag=12, frozen=True):
    """A question of another part of the server; ``topic`` says of which."""

    number: int
    topic: str
    body: bytes


class Reply(msgspec.Struct, array_like=True, tag=13, frozen=True):
    """``error``: why there is no answer, or empty."""

    number: int
    error: str
    body: bytes


class Note(msgspec.Struct, array_like=True, tag=14, frozen=True):
    """News of another part of the server."""

    topic: str
    body: bytes


class AskWatch(msgspec.Struct, array_like=True, tag=15, frozen=True):
    """Let a player of the sender watch. Spectators of a match on a node are told together, under
    ``channel``."""

    link: int
    request: from_client.Watch
    identity: Identity


class GiveWord(msgspec.Struct, array_like=True, tag=16, frozen=True):
    """Chat, or a vote."""

    link: int
    word: from_client.Word


class TellOne(msgspec.Struct, array_like=True, tag=17, frozen=True):
    """A reliable message for one player on the receiving node."""

    link: int
    epoch: int
    payload: bytes


def channel(match: str, *, watching: bool) -> str:
    """Whom ``ShowFrame.match`` and ``Tell.match`` mean: the players of a match on the receiving
    node, or its spectators there, who may be shown less, and later."""
    return f"{match}~watch" if watching else match


Message = (
    AskJoin
    | GiveInput
    | GiveUp
    | LetGo
    | JoinAnswer
    | JoinRefusal
    | ShowFrame
    | Tell
    | SeatGone
    | TakeOver
    | Alive
    | Ask
    | Reply
    | Note
    | AskWatch
    | GiveWord
    | TellOne
)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


def encode(message: Message) -> bytes:
    """The bytes of a message."""
    return _encode(message)


def decode(data: bytes) -> Any:
    """One of ``Message``. Raises ``msgspec.DecodeError``, as for one of another version."""
    return _decode(data)
