"""Where players are connected, over all nodes: the values and the ports.

    gate ──SessionKeeper──► players.keeper ──ConnectedStore──► redis_connected
                                └──NodeCalls──► other nodes: is it there? it was replaced

A player's entry in the store says which session is theirs. It has a lease that its node prolongs,
so that of a node that is gone nothing stays. (*Presence* is a word for seats; this is of sockets.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from gameserver.ids import PlayerId, SessionId
from gameserver.notification import Letter
from gameserver.ports import Identity

CLIENT_PATTERN = r"[A-Za-z0-9_-]{1,64}"
"""What a client may call itself, so that a reconnect is told from a second client."""


class SessionPolicy(StrEnum):
    """What becomes of a player's second connection."""

    NEWEST = "newest"  # it is let in, and the older one is closed
    REFUSE = "refuse"  # it is refused, while the older one is there
    MANY = "many"  # both stay


class Connected(msgspec.Struct, frozen=True, array_like=True):
    """A session, as the cluster knows it. The store's scripts read the first three fields.
    ``client``: what the client calls itself, or empty; ``since_ms``: wall time; ``game`` and
    ``match``: where it has a seat, or empty."""

    session: SessionId
    client: str
    since_ms: int
    node: str
    game: str = ""
    match: str = ""


class How(StrEnum):
    """On what condition a claim holds, where another session is there."""

    ALWAYS = "always"
    LATER = "later"  # it began before the claimed one: for claims that are repeated
    FREE = "free"  # it is the same client's, or the one of ``instead_of``


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """That ``connected`` is the player's session."""

    player_id: PlayerId
    connected: Connected
    how: How = How.ALWAYS
    instead_of: str = ""


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """``other``: another session that was there before (``won``), or is there (not ``won``).
    ``letters``: whether notifications wait for the player."""

    won: bool
    other: Connected | None = None
    letters: bool = False


class ConnectedStore(Protocol):
    """The sessions of all nodes and the notifications that wait; every method may raise
    ``StoreUnavailable``, after which what was asked may or may not have happened."""

    async def claim(self, claims: Sequence[Claim], *, ttl_ms: int) -> list[Claimed]:
        """Each by itself, in their order. A session that is claimed again keeps its entry for
        another ``ttl_ms``, with what the claim says of it."""

    async def release(self, sessions: Sequence[tuple[PlayerId, SessionId]]) -> None:
        """They are over; no effect where another one is there."""

    async def find(self, players: Sequence[PlayerId]) -> list[Connected | None]:
        """For each where it is connected."""

    async def post(
        self, player_id: PlayerId, letter: Letter, *, gone: str = ""
    ) -> Connected | None:
        """The player's session, unless it is ``gone``. ``None``: there is none, and the letter
        waits for its ``keep_ms``, ``LETTERS_MAX`` of a player at most: the oldest give way."""

    async def collect(self, players: Sequence[PlayerId]) -> list[list[Letter]]:
        """For each what waits, the oldest first; it waits no more."""


LETTERS_MAX = 32


class SessionKeeper(Protocol):
    """The sessions of this node, as the gate tells of them."""

    async def admitted(self, identity: Identity, client: str) -> SessionId:
        """The id of the session that is about to begin. Raises ``AlreadyConnected``, or
        ``StoreUnavailable`` where the policy cannot be kept."""

    def opened(self, session_id: SessionId, player_id: PlayerId, client: str) -> None:
        """It has begun."""

    def seated(self, session_id: SessionId, game: str, match: str) -> None:
        """It has a seat in ``match``; empty: it has none."""

    def closed(self, session_id: SessionId) -> None:
        """It has ended."""


class SessionsHere(Protocol):
    """The open sockets of this node."""

    def replace(self, session_id: SessionId) -> None:
        """Close it: its player is connected elsewhere. No effect where it is over."""

    def deliver(self, player_id: PlayerId, letter: Letter) -> bool:
        """Tell the player on all their sockets here; false where there is none."""


class Where(StrEnum):
    """Where a player is, as friends may see it."""

    OFFLINE = "offline"
    ONLINE = "online"
    QUEUED = "queued"
    MATCH = "match"


class Whereabouts(msgspec.Struct, frozen=True, kw_only=True):
    """``game``: of the queue or the match; ``match``: its id."""

    where: Where
    game: str | None = None
    match: str | None = None


class Finder(Protocol):
    """Finds players."""

    async def find(self, players: Sequence[PlayerId]) -> Mapping[PlayerId, Whereabouts]:
        """All of them. Raises ``StoreUnavailable``."""


Peers = Callable[[], set[str]]
"""The names of the other nodes that are there."""
