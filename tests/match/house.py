"""A node's matches over the fakes, in virtual time."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from gameserver.config import Config
from gameserver.errors import QueueUnavailable, StoreUnavailable
from gameserver.game.contract import AnyGame
from gameserver.hot import Line
from gameserver.ids import PlayerId
from gameserver.match.runner import Runner
from gameserver.match.service import MatchService
from gameserver.match.traced import MatchTraces
from gameserver.match.unsealed import Unsealed
from gameserver.metrics import Metrics
from gameserver.moderation import Moderator
from gameserver.ports import Identity, Sealer, Seated
from gameserver.wire import from_client
from gameserver.wire.event_record import EventRecord
from gameserver.wire.frame import Broadcast, Frame
from tests.fakes.clock import EPOCH_MS, LoopClock, SeededEntropy
from tests.fakes.memory_queue import MemoryQueue, MemorySink
from tests.fakes.memory_store import MemoryStore
from tests.match.games import GAMES
from tests.sim.loop import run


def in_virtual_time(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test under ``SimLoop``."""

    @functools.wraps(test)
    def wrapper(*args: Any, **named: Any) -> None:
        run(test(*args, **named))

    return wrapper


class Store(MemoryStore):
    """Counts calls, and is down on demand."""

    down = False
    calls = 0
    groups: list[int]

    async def commit(self, commits: Sequence[Any], **given: Any) -> Any:
        self.groups.append(len(commits))
        return await self._call(super().commit(commits, **given))

    async def renew(self, leases: Sequence[Any], **given: Any) -> Any:
        return await self._call(super().renew(leases, **given))

    async def acquire(self, match_id: Any, **given: Any) -> Any:
        return await self._call(super().acquire(match_id, **given))

    async def holder(self, match_id: Any) -> Any:
        return await self._call(super().holder(match_id))

    async def release(self, lease: Any) -> Any:
        return await self._call(super().release(lease))

    async def take_turn(self, **given: Any) -> Any:
        return await self._call(super().take_turn(**given))

    async def orphans(self, place: int = 0) -> Any:
        return await self._call(super().orphans(place))

    async def end_turn(self, turn: Any, **given: Any) -> Any:
        return await self._call(super().end_turn(turn, **given))

    async def _call(self, call: Any) -> Any:
        self.calls += 1
        try:
            await asyncio.sleep(0.001)
            if self.down:
                raise StoreUnavailable("down")
        except BaseException:  # A node that is stopped gives its calls up.
            call.close()
            raise
        return await call


class Queue(MemoryQueue):
    """Down on demand."""

    down = False

    async def send(self, bodies: Sequence[str], traces: Sequence[str] = ()) -> list[bool]:
        await asyncio.sleep(0.001)
        if self.down:
            raise QueueUnavailable("down")
        return await super().send(bodies, traces)


class Watcher:
    """Implements ``ports.Subscriber``; remembers everything."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.messages: list[Broadcast] = []
        self.reasons: list[str] = []
        self.games: list[AnyGame] = []
        self.is_polled = False
        self.polls = 0
        self.line = Line()
        self.line.connection = self  # type: ignore[assignment]
        self.line.outgoing = self

    def poll(self) -> None:
        assert self.is_polled, "polled without notice"
        self.polls += 1

    def tell_alone(self, message: Broadcast) -> None:
        self.messages.append(message)

    def polled(self, polled: bool) -> None:
        self.is_polled = polled

    def frame(self, frame: Frame) -> None:
        self.frames.append(frame)

    def announce(self, message: Broadcast) -> None:
        self.messages.append(message)

    def plays(self, game: AnyGame) -> None:
        self.games.append(game)

    def left(self, reason: str) -> None:
        self.reasons.append(reason)

    @property
    def events(self) -> list[int]:
        return [message.seq for message in self.messages if message.seq]

    @property
    def kinds(self) -> list[str]:
        """Event kinds and names of other messages, in order."""
        return [
            getattr(message._message, "kind", type(message._message).__name__)
            for message in self.messages
        ]


class House:
    """``async with House() as house``: one node, started."""

    def __init__(
        self,
        *,
        store: Store | None = None,
        queue: Queue | None = None,
        node: str = "n1",
        games: dict[str, AnyGame] | None = None,
        sealer: Sealer | None = None,
        moderator: Moderator | None = None,
        traces: MatchTraces | None = None,
        **config: Any,
    ) -> None:
        loop = asyncio.get_running_loop()
        if store is None:
            store = Store(lambda: EPOCH_MS + loop.time() * 1000)
            store.groups = []
        self.store = store
        self.queue = queue or Queue()
        self.metrics = Metrics()
        self.config = msgspec.convert(config, Config)
        self.service = MatchService(
            self.config,
            games=games or GAMES,
            store=self.store,
            queue=self.queue,
            sealer=sealer or Unsealed(),
            clock=LoopClock(loop.time),
            entropy=SeededEntropy(1, int(node[1:])),
            metrics=self.metrics,
            node=node,
            moderator=moderator,
            traces=traces,
        )

    async def __aenter__(self) -> House:
        await self.service.start()
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.service.stop()

    async def join(
        self,
        player: str,
        game: str = "count",
        mode: str = "",
        *,
        match: str = "",
        resume: tuple[int, int] | None = None,
        watcher: Watcher | None = None,
    ) -> tuple[Seated, Watcher]:
        watcher = watcher or Watcher()
        request = from_client.Join(
            game="" if match else game,
            mode=mode,
            match=match,
            resume=None if resume is None else from_client.Resume(*resume),
        )
        identity = Identity(
            player_id=PlayerId(player),
            name=player.upper(),
            groups=("g",),
            expires_ms=0,
            token_use="access",
        )
        return await self.service.join(request, identity, watcher), watcher

    def runner(self, match_id: str) -> Runner:
        return self.service._registry.runners[match_id]  # type: ignore[index]

    def sunk(self) -> list[str]:
        """Ids in the sink, after everything that waits is applied."""
        sink = MemorySink()
        sink.drain(self.queue)
        return sorted(sink.records, key=lambda one: int(one.rpartition("/")[2]))

    def records(self) -> list[EventRecord]:
        """What has reached the queue, in order of the numbers."""
        sink = MemorySink()
        sink.drain(self.queue)
        return sorted(sink.records.values(), key=lambda record: record.seq)
