"""Several nodes with sessions, over one store and real calls between them, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from gameserver.cluster import messages
from gameserver.cluster.calls import Calls
from gameserver.errors import StoreUnavailable
from gameserver.ids import PlayerId, SessionId
from gameserver.metrics import Metrics
from gameserver.notification import Letter
from gameserver.players.keeper import Keeper
from gameserver.players.notifier import PlayerNotifier
from gameserver.ports import Identity
from gameserver.whereabouts import SessionPolicy
from tests.fakes.clock import LoopClock, SeededEntropy
from tests.fakes.memory_connected import MemoryConnected

LEASE_MS = 30_000
PER_MINUTE = 5


def who(player: str) -> Identity:
    return Identity(
        player_id=PlayerId(player), name=player, groups=(), expires_ms=2**50, token_use="access"
    )


class Node:
    """Implements ``whereabouts.SessionsHere``. ``skew_s``: how far its clock is ahead."""

    def __init__(self, town: Town, name: str, number: int, *, skew_s: float) -> None:
        loop = asyncio.get_running_loop()
        self.name = name
        self.metrics = Metrics()
        self.open: dict[SessionId, PlayerId] = {}
        self.heard: list[tuple[str, Letter]] = []
        self.replaced: list[SessionId] = []
        self.deaf = False
        self.calls = Calls(node=name, send=town.sender(name), peers=town.names, spawn=town.spawn)
        entropy = SeededEntropy(1, number)
        clock = LoopClock(lambda: loop.time() + skew_s)
        self.keeper = Keeper(
            town.store,
            self.calls,
            node=name,
            peers=lambda: town.names() - {name},
            policy=town.policy,
            lease_ms=LEASE_MS,
            clock=clock,
            entropy=entropy,
            metrics=self.metrics,
        )
        self.notifier = PlayerNotifier(
            town.store,
            self.calls,
            policy=town.policy,
            per_minute=PER_MINUTE,
            clock=clock,
            entropy=entropy,
            metrics=self.metrics,
        )
        self.keeper.start(self)
        self.notifier.start(self)

    async def connect(self, player: str, client: str = "") -> SessionId:
        """A session, as the gate begins one. Raises what ``admitted`` raises."""
        session = await self.keeper.admitted(who(player), client)
        self.begin(session, player, client)
        return session

    def begin(self, session: SessionId, player: str, client: str = "") -> None:
        self.open[session] = PlayerId(player)
        self.keeper.opened(session, PlayerId(player), client)

    def end(self, session: SessionId) -> None:
        if self.open.pop(session, None) is not None:
            self.keeper.closed(session)

    def replace(self, session_id: SessionId) -> None:
        if session_id in self.open:
            self.replaced.append(session_id)
            self.end(session_id)

    def deliver(self, player_id: PlayerId, letter: Letter) -> bool:
        if player_id not in self.open.values():
            return False
        self.heard.append((player_id, letter))
        return True


class Town:
    def __init__(self, policy: SessionPolicy) -> None:
        loop = asyncio.get_running_loop()
        self.policy = policy
        self.store = MemoryConnected(lambda: loop.time() * 1000)
        self.nodes: dict[str, Node] = {}
        self.lost = 0
        self._made = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, *, skew_s: float = 0.0) -> Node:
        self._made += 1
        name = f"n{self._made}"
        node = self.nodes[name] = Node(self, name, self._made, skew_s=skew_s)
        return node

    async def kill(self, node: Node) -> None:
        """Nothing is released, and others do not see it any more."""
        del self.nodes[node.name]
        for task in node.keeper._tasks:
            task.cancel()
        await asyncio.gather(*node.keeper._tasks, return_exceptions=True)

    def names(self) -> set[str]:
        return set(self.nodes)

    def sender(self, name: str) -> Any:
        def send(to: str, message: messages.Message) -> None:
            node = self.nodes.get(to)
            if node is None or node.deaf:
                self.lost += 1
                return
            asyncio.get_running_loop().call_soon(node.calls.received, name, message)

        return send

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def sessions(self) -> dict[SessionId, PlayerId]:
        """Those of all nodes that are open."""
        return {one: player for node in self.nodes.values() for one, player in node.open.items()}

    @contextmanager
    def outage(self) -> Iterator[None]:
        self.store.failure = StoreUnavailable("no store")
        yield
        self.store.failure = None


@asynccontextmanager
async def town(policy: SessionPolicy = SessionPolicy.NEWEST) -> AsyncIterator[Town]:
    made = Town(policy)
    try:
        yield made
    finally:
        for node in made.nodes.values():
            await node.keeper.stop()
            await node.notifier.stop()
