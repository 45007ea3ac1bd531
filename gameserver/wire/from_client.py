"""Every message a client may send: a closed union.

As msgpack (``gameserver.v1.msgpack``, binary frames) a message is an array whose first element is
its number:

    [1, ref, game, mode, match, resume, code, password]   Join    resume = null | [epoch, seq]
    [2, seq, data]                                        Input   data: the game's Input type
    [3, ref]                                              Leave
    [4, sent]                                             Ping
    [5, ref, token]                                       Refresh
    [6, ref, match]                                       Watch
    [7, ref, text, team]                                  Chat
    [8, ref, player, muted]                               Mute
    [9, ref, what, yes]                                   Vote      what: pause, resume, rematch

As JSON (``gameserver.v1.json``, text frames) it is an object: ``{"type": "input", "seq": 1,
"data": {...}}``. Fields left out take their defaults. ``ref`` is chosen by the client (0 to 2^32-1)
and comes back in the answer or the ``Error``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Ref = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Seq = Annotated[int, Meta(ge=1, le=2**32 - 1)]
Name = Annotated[str, Meta(max_length=64)]

TOKEN_CHARS_MAX = 8192
CHAT_CHARS_MAX = 1000


class Resume(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """What the client has of the match: the ``epoch`` and the last ``Event.seq`` it was given."""

    epoch: Annotated[int, Meta(ge=0)]
    seq: Annotated[int, Meta(ge=0)]


class Join(
    msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False, tag=1
):
    """Take a seat: in ``match`` if given, else in any open match of ``game`` and ``mode``.

    With neither ``mode`` nor ``match`` the game's first mode is meant. ``code`` stands for a
    private match, whose ``match`` need not be given; ``password``: if it asks for one. Answer:
    ``Joined`` and a full ``Snapshot``, or ``Error``.
    """

    ref: Ref = 0
    game: Name = ""
    mode: Name = ""
    match: Name = ""
    resume: Resume | None = None
    code: Annotated[str, Meta(max_length=16)] = ""
    password: Annotated[str, Meta(max_length=64)] = ""


class Input(
    msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False, tag=2
):
    """What the player does. ``seq`` grows; the last applied one comes back in every snapshot.

    No answer unless it is refused. ``codec.decoder_for`` makes a twin of this class whose ``data``
    is the game's ``Input``, so that one pass decodes and validates the whole message.
    """

    seq: Seq
    data: msgspec.Raw


class Leave(
    msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False, tag=3
):
    """Leave the match for good. Answer: ``Left``."""

    ref: Ref = 0


class Ping(
    msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False, tag=4
):
    """Measure the round trip. ``sent`` comes back as it was: any number the client likes."""

    sent: float = 0


class Refresh(
    msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False, tag=5
):
    """A new token of the same player, before the old one ends. Answer: ``Refreshed``."""

    ref: Ref = 0
    token: Annotated[str, Meta(max_length=TOKEN_CHARS_MAX)] = ""


class Watch(
    msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False, tag=6
):
    """See a match without a seat in it, until ``Leave``. Answer: ``Joined`` with seat -1, then its
    frames and events, as late as the game wants; or ``Error``. Inputs are refused."""

    ref: Ref
    match: Annotated[str, Meta(min_length=1, max_length=64)]


class Chat(
    msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False, tag=7
):
    """Say a line to the players of the match, or to one's ``team``. Answer: ``Said``, as all others
    get it, or ``Error``."""

    ref: Ref
    text: Annotated[str, Meta(max_length=CHAT_CHARS_MAX)]
    team: bool = False


class Mute(
    msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False, tag=8
):
    """Hear no more of a player, or again. Answer: ``Muted``."""

    ref: Ref
    player: Annotated[str, Meta(min_length=1, max_length=64)]
    muted: bool = True


class Vote(
    msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False, tag=9
):
    """For or against a pause of the match, its end, or a rematch. Answer: ``Voting``, to all."""

    ref: Ref
    what: Literal["pause", "resume", "rematch"]
    yes: bool = True


Entry = Join | Watch
"""How one comes into a match."""

Word = Chat | Mute | Vote
"""What a player says to the others, and not to the game."""

FromClient = Join | Input | Leave | Ping | Refresh | Watch | Chat | Mute | Vote

JSON_NAMES: dict[type[Any], str] = {
    Join: "join",
    Input: "input",
    Leave: "leave",
    Ping: "ping",
    Refresh: "refresh",
    Watch: "watch",
    Chat: "chat",
    Mute: "mute",
    Vote: "vote",
}
