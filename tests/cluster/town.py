"""Several nodes over one store, one queue and one bus, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

from gameserver.cluster.bans import BanWatch
from gameserver.cluster.bulletin import ClusterBulletin
from gameserver.cluster.host import ClusterHost
from gameserver.cluster.maintenance import MaintenanceWatch
from gameserver.cluster.matches import ClusterMatches
from gameserver.cluster.operations import ClusterOperations
from gameserver.ids import PlayerId
from gameserver.ports import Identity, Seated
from gameserver.wire import from_client
from tests.fakes.clock import EPOCH_MS, LoopClock, SeededEntropy
from tests.fakes.memory_bus import MemoryDirectory, MemoryHub
from tests.fakes.memory_hosting import MemoryCodes, PlainPasswords
from tests.fakes.memory_operating import MemoryBanStore
from tests.match.house import House, Queue, Store, Watcher


class TownHouse:
    """One node."""

    def __init__(self, town: Town, name: str, **config: Any) -> None:
        self.name = name
        self.house = House(store=town.store, queue=town.queue, node=name, **config)
        self.used_s = 0.0
        self.cluster = ClusterMatches(
            self.house.config,
            node=name,
            local=self.house.service,
            store=town.store,
            bus=town.hub.bus(name),
            directory=town.directory,
            entropy=SeededEntropy(7, int(name[1:])),
            metrics=self.house.metrics,
            cpu_s=lambda: self.used_s,
        )
        self.maintenance = MaintenanceWatch(
            node=name,
            local=self.house.service,
            directory=town.directory,
            clock=LoopClock(asyncio.get_running_loop().time),
            metrics=self.house.metrics,
        )
        self.bulletin = ClusterBulletin(
            node=name,
            local=self.house.service,
            directory=town.directory,
            peers=self.cluster.peers,
            entropy=SeededEntropy(9, int(name[1:])),
        )
        self.bans = BanWatch(
            town.bans,
            calls=self.cluster.calls,
            clock=LoopClock(asyncio.get_running_loop().time),
            metrics=self.house.metrics,
        )
        self.cluster.door.banned = self.bans.of
        self.closed: list[tuple[str, str]] = []
        self.operations = ClusterOperations(
            node=name,
            desk=self.house.service.operations,
            store=town.store,
            peers=self.cluster.peers,
            calls=self.cluster.calls,
            info=lambda: self.cluster.info,
            runs=self.house.service.runs,
            close_sockets=self._close_sockets,
            drain=lambda: self.closed.append(("drain", name)),
        )
        self.host = ClusterHost(
            node=name,
            desk=self.house.service.hosting,
            local=self.house.service,
            store=town.store,
            peers=self.cluster.peers,
            calls=self.cluster.calls,
            codes=town.codes,
            passwords=PlainPasswords(),
            clock=LoopClock(asyncio.get_running_loop().time),
            entropy=SeededEntropy(11, int(name[1:])),
            load=lambda: self.cluster.load,
            changed=self.bulletin.forget,
        )
        self.cluster.door.by_code = self.host.seat_by_code
        self._town = town

    def _close_sockets(self, player_id: PlayerId, reason: str) -> int:
        self.closed.append((player_id, reason))
        return 1

    async def start(self) -> None:
        await self.house.service.start()
        await self.maintenance.start()
        await self.cluster.start()
        await self.bulletin.start()
        await self.bans.start()
        await self.host.start()

    async def stop(self) -> None:
        await self.host.stop()
        await self.bans.stop()
        await self.bulletin.stop()
        await self.cluster.stop()
        await self.maintenance.stop()
        await self.house.service.stop()

    async def join(
        self,
        player: str,
        game: str = "count",
        *,
        match: str = "",
        resume: tuple[int, int] | None = None,
        code: str = "",
        password: str = "",
    ) -> tuple[Seated, Watcher]:
        watcher = Watcher()
        request = from_client.Join(
            game="" if match or code else game,
            match=match,
            code=code,
            password=password,
            resume=None if resume is None else from_client.Resume(*resume),
        )
        identity = Identity(
            player_id=PlayerId(player), name=player, groups=(), expires_ms=0, token_use="access"
        )
        return await self.cluster.join(request, identity, watcher), watcher

    async def kill(self) -> None:
        """As SIGKILL: nothing is said to anybody."""
        self._town.hub.kill(self.name)
        await self.maintenance.stop()
        await self.bulletin.stop()
        await self.bans.stop()
        await self.host.stop()
        for task in [*self.cluster._runs, *self.cluster._tasks]:
            task.remove_done_callback(self.cluster._local_failed)
            task.cancel()
        await self.house.service.stop()

    @property
    def matches(self) -> int:
        return self.house.service.matches_open


class Town:
    """``async with Town(2) as (one, two)``."""

    def __init__(self, count: int, **config: Any) -> None:
        self._count = count
        self._config = config
        loop = asyncio.get_running_loop()
        self.store = Store(lambda: EPOCH_MS + loop.time() * 1000)
        self.store.groups = []
        self.queue = Queue()
        self.hub = MemoryHub()
        self.directory = MemoryDirectory()
        self.bans = MemoryBanStore()
        self.codes = MemoryCodes()
        self.houses: list[TownHouse] = []

    async def add(self) -> TownHouse:
        house = TownHouse(self, f"n{len(self.houses) + 1}", **self._config)
        self.houses.append(house)
        await house.start()
        return house

    async def __aenter__(self) -> list[TownHouse]:
        for _ in range(self._count):
            await self.add()
        await asyncio.sleep(1)  # Everyone has heard of everyone.
        return self.houses

    async def __aexit__(self, *_: Any) -> None:
        for house in self.houses:
            await house.stop()
