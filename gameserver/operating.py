"""What operators do to nodes, matches and players: the words for it, and who does it.

HTTP API ──Operations──► cluster ──NodeCalls──► the node that has the match
         ──Bans────────► every node: at connect, at join, and to sockets that are open
         ──AuditLog────► who did what, when and why
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from gameserver.errors import GameServerError
from gameserver.ids import MatchId, PlayerId
from gameserver.ports import NodeInfo

REASON_CHARS_MAX = 200
UNKNOWN_MATCH = "unknown_match"
NOT_SEATED = "not_seated"
SIGNAL_REFUSED = "signal_refused"
SIGNAL_FAILED = "signal_failed"
UNKNOWN_NODE = "unknown_node"
LAST_NODE = "last_node"


class OperationRefused(GameServerError):
    """It cannot be done; ``code`` is one of the words above, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Seated(msgspec.Struct, frozen=True, array_like=True):
    """A player with a seat. ``connected``: false in the grace period."""

    player: PlayerId
    name: str
    seat: int
    connected: bool


class MatchDetail(msgspec.Struct, frozen=True, array_like=True):
    """A match from within. ``view``: what everyone may see, ``game_state``: the whole of it; both
    as JSON, ``None`` where that is not to be had (``INSPECTED_BYTES_MAX``, or the match is over).
    ``events``: key events stated so far."""

    id: MatchId
    game: str
    mode: str
    node: str
    epoch: int
    tick: int
    state: str
    created_ms: int
    players_max: int
    players: list[Seated]
    events: int
    uncommitted: int
    view: bytes | None
    game_state: bytes | None


INSPECTED_BYTES_MAX = 1_048_576


class Kicked(msgspec.Struct, frozen=True, array_like=True):
    """What somebody was put out of."""

    matches: list[MatchId]
    sockets: int


class Operations(Protocol):
    """For operators, on any node. What is about a match is done by the node that has it. Every
    ``async`` method raises ``Unavailable`` where the outcome is not known: ``NodeSilent`` where the
    other node has not answered in time, ``StoreUnavailable``; and ``OperationRefused``."""

    def nodes(self) -> list[NodeInfo]:
        """All nodes, as of their last heartbeat; by name."""

    async def inspect(self, match_id: MatchId) -> MatchDetail:
        """What goes on in a match."""

    async def signal(self, match_id: MatchId, message: Any) -> Any:
        """Give ``message`` to the match's game; its answer, once what came of it is durable. Both
        are values of JSON."""

    async def end(self, match_id: MatchId, reason: str) -> None:
        """End a match as abandoned; returns when that is durable. Its players are told why."""

    async def kick(self, match_id: MatchId, player_id: PlayerId) -> None:
        """Take a player's seat away. Nothing keeps the player from joining again."""

    async def kick_everywhere(self, player_id: PlayerId, reason: str) -> Kicked:
        """Take all seats of a player away and close all sockets, on all nodes."""

    async def drain(self, node: str) -> None:
        """Let a node hand its matches over, send its players away and end; returns once it has
        begun. No effect where it has. Refused for the only one that takes players."""


# ── bans ─────────────────────────────────────────────────────────────────────────────────────────


class Ban(msgspec.Struct, frozen=True, kw_only=True):
    """Keeps a player out. Wall times in ms; ``until_ms`` ``None``: for good. ``told``: what the
    player is told, with reason and end. ``sealed``: the reason as it is stored; as long as nobody
    has opened it, ``reason`` is empty, and ``told`` without it. After an erasure there is none."""

    player: PlayerId
    reason: str
    told: str
    by: str
    at_ms: int
    until_ms: int | None = None
    sealed: bytes = b""

    def holds(self, now_ms: int) -> bool:
        """Whether it has not run out."""
        return self.until_ms is None or now_ms < self.until_ms


class Bans(Protocol):
    """The bans of the cluster, as this node knows them."""

    def of(self, player_id: PlayerId) -> Ban | None:
        """The ban that keeps the player out now."""

    def all(self) -> Sequence[Ban]:
        """Those that hold now, by player."""

    async def opened(self, bans: Sequence[Ban]) -> list[Ban]:
        """With their reasons, as far as those are to be had now."""

    async def ban(self, ban: Ban) -> None:
        """Keep the player out, on all nodes at once; replaces an earlier ban. Raises
        ``StoreUnavailable``, also where there are ``BANS_MAX``."""

    async def lift(self, player_id: PlayerId) -> bool:
        """Let the player in again; false if there was no ban. Raises ``StoreUnavailable``."""

    def listen(self, listener: OnBan) -> None:
        """Who is told of every new ban."""


OnBan = Callable[[Ban], None]


class BanStore(Protocol):
    """The bans, in one place for all nodes; every method may raise ``StoreUnavailable``."""

    async def put(self, ban: Ban) -> Ban:
        """Store it in place of an earlier one; as it is stored, and opened."""

    async def remove(self, player_id: PlayerId) -> bool:
        """Take it out; false if there was none."""

    async def version(self) -> int:
        """Another number after every change."""

    async def read(self, *, now_ms: int) -> tuple[int, list[Ban]]:
        """All that hold, not opened, and a version that is not newer than they are. Those that have
        run out are taken out."""

    async def opened(self, ban: Ban) -> Ban:
        """With its reason; as it is where that cannot be opened now. Raises nothing."""


# ── the record of what was done ──────────────────────────────────────────────────────────────────

ASKED = "asked"


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A call of an operator. ``call``: method and path as declared; ``subject``: what it was about;
    ``about``: the player whom it concerns, or empty; ``given``: its body as JSON, cut. ``outcome``:
    ``asked`` before it is carried out, else the code of the problem that came of it, in a second
    record with the same ``request_id``. Once that player is erased, ``subject``, ``about``,
    ``reason`` and ``given`` are empty."""

    at_ms: int
    player: PlayerId
    by: str
    call: str
    subject: str
    reason: str
    given: str
    request_id: str
    outcome: str
    about: str = ""


class AuditLog(Protocol):
    """Keeps the newest records; every method may raise ``StoreUnavailable``."""

    async def add(self, record: AuditRecord) -> None:
        """Write it down."""

    async def page(self, before: str, limit: int) -> list[tuple[str, AuditRecord]]:
        """Records older than the one with the id ``before`` (empty: all), newest first, each with
        its id."""
