"""When commits are flushed: the first at once, the others gathered, never more than a group."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import Any

from gameserver.ids import MatchId
from gameserver.match.committer import COALESCE_S, FLUSH_EVERY_S, GROUP_MAX, Committer
from gameserver.metrics import Metrics
from gameserver.ports import Commit, Outcome
from tests.fakes.clock import SeededEntropy
from tests.match.house import in_virtual_time

ANSWER_S = 0.002


class Store:
    """Notes when it was asked, in s since it was made, and for whom."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.calls: list[tuple[float, list[str]]] = []

    async def commit(self, commits: Sequence[Commit], *, lease_ttl_ms: int) -> list[Outcome]:
        at = round(self._loop.time() - self._began, 3)
        self.calls.append((at, [commit.match_id for commit in commits]))
        await asyncio.sleep(ANSWER_S)
        return [Outcome.COMMITTED for _ in commits]


class Keys:
    async def ready(self) -> None:
        """There is always one."""


class Match:
    """Has something to commit until it is committed."""

    def __init__(self, number: int) -> None:
        self.match_id = MatchId(f"m{number:02}")
        self.version = 0

    def prepare_commit(self) -> Commit | None:
        return Commit(
            match_id=self.match_id, fence=1, version=self.version + 1, checkpoint=b"state"
        )

    def commit_outcome(self, outcome: Outcome, sent_at: float) -> None:
        self.version += 1


@asynccontextmanager
async def committing() -> Any:
    store: Any = Store()
    keys: Any = Keys()
    committer = Committer(
        store,
        keys,
        interval_ms=1000,
        lease_ttl_ms=5000,
        entropy=SeededEntropy(1),
        metrics=Metrics(),
    )
    task = asyncio.create_task(committer.run())
    await asyncio.sleep(0)
    try:
        yield committer, store
    finally:
        task.cancel()


@in_virtual_time
async def test_the_first_event_waits_a_moment_for_others() -> None:
    async with committing() as (committer, store):
        await asyncio.sleep(1)
        committer.urgent(Match(1))
        await asyncio.sleep(COALESCE_S / 2)
        committer.urgent(Match(2))
        await asyncio.sleep(1)
        assert store.calls == [(1 + COALESCE_S, ["m01", "m02"])]


@in_virtual_time
async def test_flushes_keep_their_distance() -> None:
    async with committing() as (committer, store):
        await asyncio.sleep(1)
        for number in range(100):
            committer.urgent(Match(number % 10))
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        at = [when for when, _ in store.calls]
        gaps = [round(after - before, 3) for before, after in itertools.pairwise(at)]
        assert at[0] == 1 + COALESCE_S
        assert min(gaps) >= FLUSH_EVERY_S and max(gaps) <= FLUSH_EVERY_S + 0.011
        assert sum(len(group) for _, group in store.calls) == 100


@in_virtual_time
async def test_a_whole_group_goes_at_once() -> None:
    async with committing() as (committer, store):
        await asyncio.sleep(1)
        for number in range(2 * GROUP_MAX + 1):
            committer.urgent(Match(number))
        await asyncio.sleep(1)
        (first, one), (second, two), (third, three) = store.calls
        assert (len(one), len(two), len(three)) == (GROUP_MAX, GROUP_MAX, 1)
        assert (first, second) == (1, 1 + ANSWER_S)
        # The group that is not whole waits as any other.
        assert third == round(1 + ANSWER_S + FLUSH_EVERY_S, 3)


@in_virtual_time
async def test_a_group_that_gets_whole_meanwhile_waits_no_longer() -> None:
    async with committing() as (committer, store):
        await asyncio.sleep(1)
        committer.urgent(Match(0))
        await asyncio.sleep(0.005)
        for number in range(1, GROUP_MAX):
            committer.urgent(Match(number))
        await asyncio.sleep(1)
        assert [(at, len(group)) for at, group in store.calls] == [(1.005, GROUP_MAX)]


@in_virtual_time
async def test_a_checkpoint_without_an_event_waits_for_its_interval() -> None:
    async with committing() as (committer, store):
        committer.changed(Match(1))
        await asyncio.sleep(0.05)
        committer.changed(Match(2))
        await asyncio.sleep(2)
        # The second, which was due soon, comes along.
        assert store.calls == [(1, ["m01", "m02"])]
