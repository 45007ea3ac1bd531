"""The other nodes: messages to them, who is there, the cluster's maintenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from gameserver.ids import MatchId, PlayerId
from gameserver.listing import Listed
from gameserver.maintenance import Maintenance, Notice


class NodeBus(Protocol):
    """Messages between nodes, each to the inbox of one node. What arrives from one sender arrives
    in order, at most once; what may have been lost is told as ``interrupted``."""

    def send(self, node: str, message: bytes, *, replaces: str = "") -> None:
        """Send soon. Of waiting messages to a node with the same ``replaces`` only the newest is
        sent. Over the bound of what may wait, everything that waits for that node is dropped, and
        it is told ``interrupted``."""

    def listen(self, receiver: BusReceiver) -> None:
        """Who gets what arrives; called once, before anything can."""


class BusReceiver(Protocol):
    """A node's end of the bus. Every method returns at once."""

    def received(self, node: str, message: bytes) -> None:
        """``node`` has sent ``message``."""

    def interrupted(self, node: str) -> None:
        """Messages of ``node`` were lost, or it is another process by now."""


class OpenMatch(msgspec.Struct, frozen=True, array_like=True):
    """A match with a free seat, as other nodes hear of it."""

    id: str
    game: str
    mode: str
    players: int


class Vitals(msgspec.Struct, frozen=True, kw_only=True):
    """How a node fares, for people. ``version``: of its program; ``started_ms``: wall time;
    ``lateness_p99_ms``: an upper bound of how late steps began, over the last seconds;
    ``outbox_events``: key events committed that the queue does not have, ``outbox_age_ms``: since
    the step of the oldest of them."""

    version: str = ""
    started_ms: int = 0
    lateness_p99_ms: float = 0.0
    outbox_events: int = 0
    outbox_age_ms: int = 0


class NodeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a node says of itself with every heartbeat. ``load``: the share of one core that its
    process uses; ``state``: ``ready`` or ``draining``; ``region``: where it stands; empty: nobody
    has said."""

    name: str
    state: str
    load: float
    sessions: int
    matches: int
    players: int
    open: list[OpenMatch]
    region: str = ""
    vitals: Vitals = Vitals()


class Directory(Protocol):
    """Who else is there, where players sit, and whether the cluster is in maintenance; every method
    may raise ``StoreUnavailable``."""

    async def beat(self, info: NodeInfo, *, ttl_ms: int) -> list[NodeInfo]:
        """Say that this node is there, and hear of all nodes whose word is younger than its TTL."""

    async def leave(self, node: str) -> None:
        """This node is gone."""

    async def seat(self, player_id: PlayerId) -> MatchId | None:
        """The match in which the player was last seated; it may be over."""

    async def seats(self, changes: Mapping[PlayerId, MatchId | None], *, ttl_ms: int) -> None:
        """Note where players sit now; ``None``: nowhere."""

    async def show(self, node: str, matches: Sequence[Listed], *, ttl_ms: int) -> None:
        """Say which matches a node has."""

    async def shown(self, nodes: Sequence[str]) -> list[Listed]:
        """The matches that ``nodes`` have, as each has last said."""

    async def maintenance(self) -> Maintenance | None:
        """The cluster's maintenance mode; ``None`` while it is off."""

    async def set_maintenance(self, wanted: Maintenance | None) -> None:
        """Turn it on, change it, or (``None``) turn it off."""


class MaintenanceControl(Protocol):
    """The maintenance mode of the cluster, as this node knows it."""

    @property
    def current(self) -> Maintenance | None: ...
    async def turn_on(self, notice: Notice, *, by: str) -> Maintenance:
        """On, or on with other words; this node knows at once, the others within a second. Raises
        ``ValueError`` where its end lies in the past, or ``StoreUnavailable``."""

    async def turn_off(self) -> None:
        """Off; no effect if it is. Raises ``StoreUnavailable``."""
