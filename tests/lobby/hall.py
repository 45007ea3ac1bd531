"""Nodes with matchmaking over one store, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from gameserver.cluster.venue import ClusterVenue
from gameserver.game.contract import Mode
from gameserver.game.matchmaking import FreeSeats, Latency, Ready, Rules, Skill
from gameserver.ids import PlayerId
from gameserver.lobby.entry import Lobby
from gameserver.lobby.matchmaker import Matchmaker
from gameserver.lobby.teller import Teller
from gameserver.matchmaking import Member, Queue, Rating, Stage, TicketView, Wish
from gameserver.wire import to_client
from tests.cluster.town import Town, TownHouse
from tests.fakes.clock import EPOCH_MS, SeededEntropy
from tests.fakes.memory_matchmaking import MemoryMatchmaking
from tests.match.games import Count


class Pairs(Count):
    """Modes of matchmaking."""

    name = "pairs"
    modes: ClassVar = {
        "duel": Mode(
            players_max=2,
            matchmaking=Rules(teams=2, team_size=1, skill=Skill(window=100), arrive_s=5),
        ),
        "asked": Mode(
            players_max=2,
            matchmaking=Rules(team_size=2, ready=Ready(within_s=5, penalty_s=20)),
        ),
        "filled": Mode(
            players_max=4,
            matchmaking=Rules(
                team_size=3,
                team_size_min=2,
                fill_s=1,
                party_max=2,
                arrive_s=2,
                free_seats=FreeSeats.BACKFILL,
            ),
        ),
        "open": Mode(
            players_max=3,
            matchmaking=Rules(
                team_size=3, team_size_min=2, fill_s=1, arrive_s=2, free_seats=FreeSeats.OPEN
            ),
        ),
        "far": Mode(
            players_max=2,
            matchmaking=Rules(team_size=2, latency=Latency(regions=("eu", "us"))),
        ),
        "short": Mode(players_max=2, matchmaking=Rules(team_size=2, wait_s_max=10)),
    }


GAMES: dict[str, Any] = {"pairs": Pairs()}


class Known(dict[str, Rating]):
    """Implements ``matchmaking_ports.Ratings``."""

    async def ratings(self, queue: Queue, players: Sequence[PlayerId]) -> Mapping[PlayerId, Rating]:
        return {one: self[one] for one in players if one in self}


class Desk:
    """The matchmaking of one node."""

    def __init__(self, hall: Hall, house: TownHouse) -> None:
        cluster, service = house.cluster, house.house.service
        self.house = house
        self.name = house.name
        self.told: list[tuple[str, str, str]] = []
        self.metrics = house.house.metrics
        self.failure: BaseException | None = None
        self.matchmaker = Matchmaker(
            node=house.name,
            games=GAMES,
            store=hall.store,
            venue=ClusterVenue(
                node=house.name,
                region=house.house.config.region,
                local=service,
                store=hall.town.store,
                peers=cluster.peers,
                calls=cluster.calls,
                load=lambda: cluster.load,
            ),
            updates=Teller(cluster.calls, self._deliver),
            calls=cluster.calls,
            entropy=SeededEntropy(9, int(house.name[1:])),
            metrics=self.metrics,
            lease_ttl_ms=house.house.config.lease_ttl_ms,
            failed=self._failed,
        )
        self.lobby = Lobby(
            games=GAMES,
            store=hall.store,
            ratings=hall.ratings,
            calls=cluster.calls,
            metrics=self.metrics,
            closed=lambda: None if service.maintenance is None else service.maintenance.message,
        )

    def _deliver(self, player: PlayerId, message: to_client.Matchmaking) -> None:
        self.told.append((player, message.state, message.match))

    def _failed(self, error: BaseException) -> None:
        self.failure = error

    async def enter(
        self, player: str, mode: str = "duel", *others: str, key: str = "k", **wish: Any
    ) -> TicketView:
        members = [Member(PlayerId(one)) for one in (player, *others)]
        return await self.lobby.enter(Queue("pairs", mode), members, Wish(**wish), key=key)

    async def stage(self, player: str) -> Stage:
        return (await self.lobby.look(PlayerId(player), why=False)).standing.stage

    async def reaches(self, player: str, stage: Stage) -> None:
        """Wait until the player's ticket is there."""
        async with asyncio.timeout(5):
            while True:
                if await self.stage(player) is stage:
                    return
                await asyncio.sleep(0.1)

    async def match(self, player: str, seconds: float = 20) -> str:
        """The match of the player's ticket, once it has one."""
        async with asyncio.timeout(seconds):
            while True:
                standing = (await self.lobby.look(PlayerId(player), why=False)).standing
                if standing.match is not None:
                    return standing.match
                await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """As SIGKILL."""
        for task in self.matchmaker._tasks:
            task.remove_done_callback(self.matchmaker._ended)
            task.cancel()
        self.matchmaker._tasks.clear()
        await self.house.kill()


class Hall:
    """``async with Hall(2) as (one, two)``."""

    def __init__(self, count: int, *, regions: Sequence[str] = (), **config: Any) -> None:
        loop = asyncio.get_running_loop()
        self.store = MemoryMatchmaking(lambda: EPOCH_MS + loop.time() * 1000)
        self.ratings = Known()
        self.town = Town(0, games=GAMES, **config)
        self.desks: list[Desk] = []
        self._count = count
        self._regions = regions

    async def add(self) -> Desk:
        if self._regions:
            self.town._config["region"] = self._regions[len(self.desks)]
        desk = Desk(self, await self.town.add())
        self.desks.append(desk)
        await desk.matchmaker.start()
        return desk

    async def __aenter__(self) -> list[Desk]:
        await self.town.__aenter__()
        for _ in range(self._count):
            await self.add()
        await asyncio.sleep(3)  # Everyone has heard of everyone, and every queue has its master.
        return self.desks

    async def __aexit__(self, *_: Any) -> None:
        for desk in self.desks:
            await desk.matchmaker.stop()
        await self.town.__aexit__()
        assert [desk.failure for desk in self.desks if desk.failure] == []
