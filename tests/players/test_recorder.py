"""Sessions are recorded behind the players' backs, in the order of the newest wish for each."""

from __future__ import annotations

import asyncio

import msgspec

from gameserver.cache.shared import SharedCache
from gameserver.config import Config
from gameserver.ids import PlayerId, SessionId
from gameserver.metrics import Metrics
from gameserver.players.profiles import Profiles
from gameserver.players.recorder import SessionRecorder
from gameserver.ports import Identity
from tests.adapters.ws_peer import until
from tests.fakes.clock import EPOCH_MS, LoopClock, SeededEntropy
from tests.fakes.memory_cache import MemoryCacheHub
from tests.fakes.memory_tables import MemoryProfiles, MemorySessions
from tests.players.test_profiles import ReversingSealer, identity
from tests.sim.loop import run

S1 = SessionId("s1")


class World:
    def __init__(self, *, records_max: int = 100, with_sessions: bool = True) -> None:
        loop = asyncio.get_running_loop()
        clock = LoopClock(loop.time)
        self.metrics = Metrics()
        self.profiles = MemoryProfiles()
        self.sessions = MemorySessions(clock.wall_ms)
        cache = SharedCache(
            MemoryCacheHub().store(), Config(), entropy=SeededEntropy(1), metrics=Metrics()
        )
        profiles = Profiles(self.profiles, cache, ReversingSealer(), clock=clock, ttl_ms=60_000)
        self.recorder = SessionRecorder(
            sessions=self.sessions if with_sessions else None,
            profiles=profiles,
            node="n1",
            records_max=records_max,
            clock=clock,
            entropy=SeededEntropy(1),
            metrics=self.metrics,
        )
        self.recorder.start()

    @property
    def recorded(self) -> list[str]:
        return sorted(session for _, session in self.sessions.records)


def until_s(seconds: int, player: str = "ann") -> Identity:
    return msgspec.structs.replace(
        identity(PlayerId(player)), expires_ms=EPOCH_MS + 1_000_000 + seconds * 1000 - 1
    )


def test_a_session_is_recorded_prolonged_and_removed() -> None:
    async def main() -> None:
        world = World()
        world.recorder.opened(S1, until_s(100))
        assert world.sessions.calls == 0, "nobody waits for it"
        await until(lambda: world.recorded)
        [record] = world.sessions.records.values()
        assert (record.player_id, record.node) == ("ann", "n1")
        assert record.expires_at == EPOCH_MS // 1000 + 1_000 + 100
        assert list(world.profiles.profiles) == ["ann"], "made at the first connect"
        world.recorder.refreshed(S1, until_s(200))
        await until(lambda: next(iter(world.sessions.records.values())).expires_at % 1000 == 200)
        world.recorder.closed(S1)
        world.recorder.closed(S1)
        await until(lambda: not world.recorded)
        await world.recorder.stop()

    run(main())


def test_what_changes_while_it_is_written_is_written_after() -> None:
    async def main() -> None:
        world = World()
        world.recorder.opened(S1, until_s(100))
        await until(lambda: world.profiles.profiles)
        world.sessions.gate.clear()
        await until(lambda: world.sessions.calls == 1)
        world.recorder.refreshed(S1, until_s(150))
        world.recorder.refreshed(S1, until_s(200))
        world.recorder.closed(S1)
        world.sessions.gate.set()
        await world.recorder.stop()
        assert world.recorded == []
        assert world.sessions.calls == 2, "put and remove; nobody needs what was in between"

    run(main())


def test_an_outage_delays_and_the_newest_wish_wins() -> None:
    async def main() -> None:
        world = World()
        world.profiles.down = world.sessions.down = True
        for number in range(20):
            world.recorder.opened(SessionId(f"s{number:02}"), until_s(100, f"p{number}"))
        await asyncio.sleep(10)
        calls = world.profiles.calls
        assert calls <= 8 * 12 * 2, "a writer that fails waits about a second"
        for number in range(10):
            world.recorder.closed(SessionId(f"s{number:02}"))
        world.profiles.down = world.sessions.down = False
        await asyncio.sleep(5)
        assert world.recorded == [f"s{number:02}" for number in range(10, 20)]
        assert len(world.profiles.profiles) == 20
        assert world.metrics.sessions_unrecorded == 0
        await world.recorder.stop()

    run(main())


def test_over_the_bound_new_sessions_are_not_recorded() -> None:
    async def main() -> None:
        world = World(records_max=5)
        world.profiles.gate.clear()
        for number in range(8 + 5 + 3):
            world.recorder.opened(SessionId(f"s{number:02}"), until_s(100))
            await asyncio.sleep(0.01)  # The writers take the first eight.
        assert world.metrics.sessions_unrecorded == 3
        assert b"gameserver_session_records_waiting 5.0" in world.metrics.render()
        world.recorder.closed(SessionId("s15"))
        world.recorder.refreshed(SessionId("s15"), until_s(200))
        world.profiles.gate.set()
        await until(lambda: len(world.recorded) == 13)
        await world.recorder.stop()

    run(main())


def test_the_end_waits_for_a_while_and_no_longer() -> None:
    async def main() -> None:
        world = World()
        world.recorder.opened(S1, until_s(100))
        await world.recorder.stop()
        assert world.recorded == ["s1"]
        stuck = World()
        stuck.sessions.gate.clear()
        stuck.recorder.opened(S1, until_s(100))
        began = asyncio.get_running_loop().time()
        await stuck.recorder.stop()
        assert asyncio.get_running_loop().time() - began == 2

    run(main())


def test_without_a_table_for_sessions_only_profiles_are_made() -> None:
    async def main() -> None:
        world = World(with_sessions=False)
        world.recorder.opened(S1, until_s(100))
        await until(lambda: world.profiles.profiles)
        world.recorder.refreshed(S1, until_s(200))
        world.recorder.closed(S1)
        await world.recorder.stop()
        assert world.sessions.calls == 0

    run(main())
