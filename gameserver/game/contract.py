"""What a game is: the one file a game author needs to read.

A game is a class whose methods are pure functions of a state. It has no clock, does no I/O and
takes randomness only from ``tick.random``; the server gives it players, time, network and
durability. Because the state is an encodable value, checkpoints, failover, replay and migration
need nothing from the author::

    class Counter(Game[State, Input, State]):
        name = "counter"
        tick_rate = 10
        ...
        def step(self, state, inputs, tick):
            for given in inputs:
                state.total += given.data.amount
            if state.total >= 100:
                tick.end([Standing(player_id=..., place=1, score=100)])

What an event tells of a person (chat, a free text, an address) is marked, and then encrypted before
it leaves the process; ids of players are not sensitive, names of players are::

    class Said(msgspec.Struct, tag="said"):
        text: Annotated[str, Sensitive]

In PostgreSQL such a field holds an envelope, which only an export or an operator with the right to
the key can open. State needs no marks: checkpoints are encrypted as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec

from gameserver.game.matchmaking import Rules
from gameserver.ids import PlayerId
from gameserver.wire.event_record import BOT_ID
from gameserver.wire.sensitive import Sensitive as Sensitive

StateT = TypeVar("StateT", bound=msgspec.Struct)
InputT = TypeVar("InputT", bound=msgspec.Struct)
ViewT = TypeVar("ViewT", bound=msgspec.Struct)
DataT = TypeVar("DataT", covariant=True)


_encode = msgspec.msgpack.Encoder().encode

BOT = BOT_ID
"""Ids of players begin so where the game itself plays them; no person's does."""


class Player(msgspec.Struct, frozen=True, kw_only=True):
    """A person in a match, or a bot that the game plays.

    ``seat`` is a small number, unique in the match at any time and kept over reconnects;
    ``groups`` are the player's Cognito groups. ``team`` and ``role`` are those that matchmaking
    gave; 0 and empty where it did not.
    """

    id: PlayerId
    name: str
    seat: int
    groups: tuple[str, ...] = ()
    team: int = 0
    role: str = ""

    @property
    def is_bot(self) -> bool:
        """Whether the game itself plays it."""
        return self.id.startswith(BOT)


class Bots(msgspec.Struct, frozen=True, kw_only=True):
    """Players that the game itself plays (``Game.bot``), so that a match has at least ``seats``: in
    the seats that are still free after ``wait_ms`` of match time, and as long again after a person
    has left. A person who joins takes a bot's seat."""

    seats: int
    wait_ms: int = 5_000


class Mode(msgspec.Struct, frozen=True, kw_only=True):
    """A way to play the game that players can ask for by name.

    ``players_max``: the seats; ``players_min``: with fewer a rematch does not begin. ``title``: for
    people. ``options``: what ``Setup.options`` is, if nobody chooses otherwise.
    ``matchmaking``: how players of this mode are brought together; without it there is no queue.
    ``pauses``: how often the players may vote for a pause, each for at most ``pause_ms``.
    ``rematch_ms``: for so long after the end they may vote for another match; 0: they may not.
    ``join_until_ms``: match time up to which one may join; ``None``: always. Who has a seat kept
    may come later. ``bots``: who fills seats that nobody takes.
    """

    players_max: int
    players_min: int = 1
    title: str = ""
    options: Mapping[str, int | float | str] = MappingProxyType({})
    matchmaking: Rules | None = None
    choices: Mapping[str, tuple[int | float | str, ...]] = MappingProxyType({})
    """The options that whoever creates a match may set, and what to."""
    pauses: int = 0
    pause_ms: int = 60_000
    rematch_ms: int = 0
    join_until_ms: int | None = None
    bots: Bots | None = None


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What a match starts from: the mode's name, its seats, its options with what was chosen, and
    the match's own randomness."""

    mode: str
    players_max: int
    options: Mapping[str, int | float | str]
    random: Random


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One player's place at the end: 1 is the best, equal places are a draw. ``score``: a finite
    number; leaderboards add it up."""

    player_id: PlayerId
    place: int
    score: float = 0


class LeaveReason(StrEnum):
    """Why a player is no longer in the match."""

    LEFT = "left"  #: the player asked to
    DISCONNECTED = "disconnected"  #: gone for longer than the grace period
    KICKED = "kicked"  #: an operator asked to


class Refused(Exception):
    """Raise it from ``join`` to keep a player out; the reason is shown to that player."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PlayerInput(Protocol[DataT]):
    """One input of one player, in the order of arrival."""

    @property
    def player_id(self) -> PlayerId:
        """Who sent it."""

    @property
    def seat(self) -> int:
        """The sender's seat, which is taken now."""

    @property
    def seq(self) -> int:
        """The client's number of it; grows."""

    @property
    def data(self) -> DataT:
        """The game's ``Input``, checked against its type and bounds."""


class Random(Protocol):
    """Deterministic randomness: the same seed gives the same numbers on every machine."""

    def below(self, bound: int) -> int:
        """A whole number from 0 to ``bound - 1``. Raises ``ValueError`` unless ``bound`` is 1 to
        2^64."""

    def between(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included. Raises ``ValueError`` where
        ``low`` is above ``high``."""

    def unit(self) -> float:
        """A number from 0 up to, but not including, 1."""

    def choice(self, items: Sequence[Any]) -> Any:
        """One of ``items``. Raises ``ValueError`` where there are none."""

    def shuffle(self, items: list[Any]) -> None:
        """Put ``items`` in a random order, in place."""


class Tick(Protocol):
    """The step at hand: what a game may know and do besides changing its state."""

    @property
    def number(self) -> int:
        """How many steps were completed before; grows by one with every step."""

    @property
    def time_ms(self) -> int:
        """Match time in ms since the start; grows only while the match runs."""

    @property
    def seconds(self) -> float:
        """The length of a step, ``1 / tick_rate``; 0 where ``tick_rate`` is 0."""

    @property
    def random(self) -> Random:
        """The match's own randomness; its state is part of the checkpoint."""

    def emit(self, event: msgspec.Struct, *, player_id: PlayerId | None = None) -> None:
        """State a key event: a fact that outlives the match.

        It is announced to the players, and later stored in PostgreSQL, only once it is committed
        together with the state. ``event`` is one of the game's ``Event`` types and is named by its
        tag. At most 256 a step. Fields marked ``Sensitive`` are told to the
        players of the match as they are, and stored encrypted.

        Raises ``TypeError`` for another type, ``ValueError`` for more events than that.
        """

    def end(self, standings: Sequence[Standing], result: msgspec.Struct | None = None) -> None:
        """End the match after this step; the first call counts. ``result`` is stored beside the
        standings.

        Raises ``ValueError`` for a place below 1, a score that is no finite number, or a player who
        stands there twice, and ``TypeError`` for a result with ``Sensitive`` fields.
        """


EVENTS_PER_STEP_MAX = 256
"""So many key events may be stated in a step."""


class Game(Generic[StateT, InputT, ViewT]):
    """Base of every game. Override what you need; ``start`` and ``step`` and ``view`` you must.

    The server calls all methods from one thread, one after the other. A method may change
    ``state`` in place; it must not keep anything on ``self``. An exception ends the match with
    reason ``game_error`` (the match's players are told; other matches go on).
    """

    name: ClassVar[str]
    """``[a-z][a-z0-9_]{0,31}``, unique on the server."""

    tick_rate: ClassVar[int]
    """Steps per second, 1 to 128; 0 = a step only when an input arrives or ``wake_at`` is due."""

    modes: ClassVar[Mapping[str, Mode]]
    """At least one; the first is the default."""

    State: ClassVar[type[msgspec.Struct]]
    """Everything that a match is. It may hold objects of the game's own classes, if they say how
    they are stored (``gameserver.game.packed``)."""

    Input: ClassVar[type[msgspec.Struct]]
    """What players send: a Struct, with the bounds of its fields."""

    View: ClassVar[type[msgspec.Struct]]
    """What clients get after a step."""

    Event: ClassVar[Any] = None
    """A tagged Struct or a union of them; the tag is the event's kind in PostgreSQL."""
    Result: ClassVar[type[msgspec.Struct] | None] = None
    """What ``tick.end`` is given beside the standings, if it is given anything."""

    hidden: ClassVar[bool] = False
    """True where ``view_for`` is overridden: each player gets a view of their own."""

    spectate_delay_ms: ClassVar[int | None] = None
    """Who has no seat may watch, and sees everything so many ms late; 0: at once. ``None``: nobody
    may. A hidden game that may be watched says in ``view_public`` what then is seen."""

    chat: ClassVar[bool] = False
    """True: the players of a match may speak to each other; see ``team_of``."""

    recorded: ClassVar[bool] = False
    """True: what its matches consume is stored, so that they can be replayed."""

    version: ClassVar[int] = 1
    """Of the rules. Raise it with every change after which the same inputs give another match: a
    replay then says so, instead of looking for a defect."""

    def start(self, setup: Setup) -> StateT:
        """The state before the first step and before anyone has joined."""
        raise NotImplementedError

    def join(self, state: StateT, player: Player, tick: Tick) -> None:
        """A player takes a seat. Raise ``Refused`` (before any change of state) to say no."""

    def leave(self, state: StateT, player: Player, reason: LeaveReason, tick: Tick) -> None:
        """A player has left for good. A lost connection is not that until the grace period is
        over."""

    def step(self, state: StateT, inputs: Sequence[PlayerInput[InputT]], tick: Tick) -> None:
        """Advance by one tick. ``inputs`` come only from players who have a seat now."""
        raise NotImplementedError

    def view(self, state: StateT) -> ViewT:
        """What everyone may see.

        A field of type ``dict[str | int, Struct]`` is a table of entities: clients get only the
        entities that changed. Other fields are sent whole when they change.
        """
        raise NotImplementedError

    def encode_view(self, state: StateT) -> bytes:
        """``view`` in msgpack, byte for byte: what is sent where nothing is hidden. Override it
        where compiled rules write the bytes themselves. Who overrides ``view`` alone, also of a
        game that has one, has this one again."""
        return _encode(self.view(state))

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        own = next(
            vars(kind) for kind in cls.__mro__ if vars(kind).keys() & {"view", "encode_view"}
        )
        if "encode_view" not in own:
            cls.encode_view = Game.encode_view  # type: ignore[method-assign]

    def view_for(self, state: StateT, player: Player) -> ViewT:
        """What one player may see; called instead of ``view`` where ``hidden`` is true."""
        return self.view(state)

    def view_public(self, state: StateT) -> ViewT:
        """What spectators may see: never more than any opponent might know.

        The same as ``view`` where nothing is hidden. A hidden game has no public view unless it
        states one here, and without one it cannot be watched.
        """
        if self.hidden:
            raise NotImplementedError
        return self.view(state)

    def bot(self, state: StateT, player: Player, random: Random) -> InputT | None:
        """What the bot ``player`` does in the step to come, if anything; for modes with ``bots``.

        Asked before every step (without a tick rate: a moment after one). It must not change
        ``state``, and takes randomness from ``random``, which is its own. It should look at no more
        than ``view_for`` shows.
        """
        return None

    def team_of(self, state: StateT, player: Player) -> str | None:
        """The player's team, by any name; those of one team may chat among themselves. ``None``:
        there are none."""
        return None

    def wake_at(self, state: StateT) -> int | None:
        """Match time in ms at which to step even without an input (turn clocks).

        Asked after every start, step, join, leave and signal, only where ``tick_rate`` is 0; a
        step at that time must move it on. ``None`` = wait for an input.
        """
        return None

    def signal(self, state: StateT, message: Any, tick: Tick) -> Any:
        """An operator speaks to the match, by any JSON value; what is returned is the answer. Raise
        ``Refused`` (before any change of state) to say no."""
        return None


AnyGame = Game[Any, Any, Any]
