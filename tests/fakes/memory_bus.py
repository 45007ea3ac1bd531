"""Nodes' messages and their directory in memory, with faults on demand."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence

from gameserver.errors import StoreUnavailable
from gameserver.ids import MatchId, PlayerId
from gameserver.listing import Listed
from gameserver.maintenance import Maintenance
from gameserver.ports import BusReceiver, NodeInfo

LATENCY_S = 0.001


class MemoryHub:
    """Between the buses of one cluster."""

    def __init__(self) -> None:
        self.receivers: dict[str, BusReceiver] = {}
        self.cut: set[frozenset[str]] = set()
        self.sent = 0

    def bus(self, node: str) -> MemoryBus:
        return MemoryBus(self, node)

    def kill(self, node: str) -> None:
        """The process is gone: nobody hears it, and it hears nobody."""
        self.receivers.pop(node, None)

    def interrupt(self, one: str, other: str) -> None:
        """Messages between the two were lost."""
        for node, sender in ((one, other), (other, one)):
            if node in self.receivers:
                self.receivers[node].interrupted(sender)


class MemoryBus:
    """Implements ``ports.NodeBus``: in order, each message once."""

    def __init__(self, hub: MemoryHub, node: str) -> None:
        self._hub = hub
        self._node = node
        self._waiting: deque[tuple[str, bytes]] = deque()

    def listen(self, receiver: BusReceiver) -> None:
        self._hub.receivers[self._node] = receiver

    def send(self, node: str, message: bytes, *, replaces: str = "") -> None:
        if self._node in self._hub.receivers:
            # One queue: timers that are due at the same time fire in any order.
            self._waiting.append((node, message))
            asyncio.get_running_loop().call_later(LATENCY_S, self._deliver)

    def _deliver(self) -> None:
        hub = self._hub
        node, message = self._waiting.popleft()
        receiver = hub.receivers.get(node)
        if receiver is None or frozenset((self._node, node)) in hub.cut:
            return
        hub.sent += 1
        receiver.received(self._node, message)


class MemoryDirectory:
    """Implements ``ports.Directory``; ``down`` makes every call fail."""

    def __init__(self) -> None:
        self.down = False
        self._infos: dict[str, tuple[float, NodeInfo]] = {}
        self._seats: dict[PlayerId, tuple[float, MatchId]] = {}
        self._maintenance: Maintenance | None = None
        self._shown: dict[str, tuple[float, list[Listed]]] = {}

    async def beat(self, info: NodeInfo, *, ttl_ms: int) -> list[NodeInfo]:
        now = self._now()
        self._infos[info.name] = (now + ttl_ms / 1000, info)
        return [each for until, each in self._infos.values() if until > now]

    async def leave(self, node: str) -> None:
        self._now()
        self._infos.pop(node, None)
        self._shown.pop(node, None)

    async def show(self, node: str, matches: Sequence[Listed], *, ttl_ms: int) -> None:
        self._shown[node] = (self._now() + ttl_ms / 1000, list(matches))

    async def shown(self, nodes: Sequence[str]) -> list[Listed]:
        now = self._now()
        parts = [self._shown[node] for node in nodes if node in self._shown]
        return [one for until, matches in parts if until > now for one in matches]

    async def seat(self, player_id: PlayerId) -> MatchId | None:
        now = self._now()
        until, match_id = self._seats.get(player_id, (0.0, None))
        return match_id if until > now else None

    async def seats(self, changes: Mapping[PlayerId, MatchId | None], *, ttl_ms: int) -> None:
        until = self._now() + ttl_ms / 1000
        for player_id, match_id in changes.items():
            if match_id is None:
                self._seats.pop(player_id, None)
            else:
                self._seats[player_id] = (until, match_id)

    async def maintenance(self) -> Maintenance | None:
        self._now()
        return self._maintenance

    async def set_maintenance(self, wanted: Maintenance | None) -> None:
        self._now()
        self._maintenance = wanted

    def _now(self) -> float:
        if self.down:
            raise StoreUnavailable("the directory is down")
        return asyncio.get_running_loop().time()
