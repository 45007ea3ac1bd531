"""What liar's dice is made of: moves, state, views and events. What they mean stands in
``liars_dice``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gameserver.ids import PlayerId

FACES = 6
WILD = 1

Phase = Literal["lobby", "bidding", "reveal", "over"]


class Act(msgspec.Struct, frozen=True):
    """A player's move. ``count`` and ``face`` belong to a bid."""

    action: Literal["ready", "bid", "challenge"]
    count: Annotated[int, Meta(ge=1, le=1000)] = 1
    face: Annotated[int, Meta(ge=1, le=FACES)] = 1


class Bid(msgspec.Struct, frozen=True):
    """The player in ``seat`` says: there are at least ``count`` dice of ``face``."""

    seat: int
    count: int
    face: int

    def beats(self, other: Bid | None) -> bool:
        """More dice, or as many of a higher face."""
        return other is None or (self.count, self.face) > (other.count, other.face)


class Reveal(msgspec.Struct, frozen=True):
    """What a challenge brought to light: all hands by seat, and who loses a die."""

    bid: Bid
    challenger: int
    actual: int
    loser: int
    hands: dict[int, list[int]]


class Hand(msgspec.Struct):
    """``left``: dice for the next roll (0 = out); ``dice``: those on the table now."""

    id: PlayerId
    left: int
    dice: list[int]
    ready: bool = False


class DiceState(msgspec.Struct):
    """``hands`` by seat. ``turn``: whose move it is, and in ``reveal`` who begins next.
    ``due_ms``: match time at which the phase or turn is over. ``out``: the worst first."""

    players_max: int
    dice: int
    turn_ms: int
    reveal_ms: int
    lobby_ms: int
    hands: dict[int, Hand]
    out: list[PlayerId]
    phase: Phase = "lobby"
    round: int = 0
    turn: int = -1
    bid: Bid | None = None
    reveal: Reveal | None = None
    due_ms: int | None = None
    now_ms: int = 0


class Place(msgspec.Struct, frozen=True):
    """What everyone knows of a player: how many dice are left, and if they are ready to begin."""

    dice: int
    ready: bool


class DiceView(msgspec.Struct):
    """``own``: the viewer's dice. ``turn`` is -1 where it is nobody's. ``left_ms``: what was left
    of the turn or phase when this view was made; ``None`` = it has no end."""

    players: dict[int, Place]
    phase: Phase
    round: int
    turn: int
    bid: Bid | None
    reveal: Reveal | None
    left_ms: int | None
    own: list[int]


class RoundStarted(msgspec.Struct, frozen=True, tag="round_started"):
    """The event's player begins a round in which so many ``dice`` lie on the table."""

    round: int
    dice: int


class BidPlaced(msgspec.Struct, frozen=True, tag="bid_placed"):
    """``auto``: the clock has played for the player."""

    count: int
    face: int
    auto: bool


class Challenged(msgspec.Struct, frozen=True, tag="challenged"):
    """The event's player challenged ``bidder``; there were ``actual`` dice of the face."""

    bidder: PlayerId
    count: int
    face: int
    actual: int
    loser: PlayerId
    auto: bool


class Eliminated(msgspec.Struct, frozen=True, tag="eliminated"):
    """The event's player is out; ``forfeit``: by leaving."""

    place: int
    forfeit: bool


class DiceResult(msgspec.Struct, frozen=True):
    """Stored beside the standings."""

    rounds: int
