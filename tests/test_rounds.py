"""Rounds: what they say of a store that is away, and what ends them."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise

import pytest

from gameserver.errors import StoreUnavailable
from gameserver.rounds import Rounds, about, shared
from tests.fakes.clock import SeededEntropy
from tests.match.house import in_virtual_time

logger = logging.getLogger("rounds")


class Turns:
    """Fails as told; ``took`` counts."""

    def __init__(self) -> None:
        self.took = 0
        self.error: Exception | None = None
        self.defects: list[BaseException] = []

    async def turn(self) -> None:
        self.took += 1
        if self.error is not None:
            raise self.error

    def rounds(self, *, ended: bool = False) -> Rounds:
        return Rounds(
            self.turn,
            wait_s=about(1.0, SeededEntropy(1)),
            logger=logger,
            failed="nothing known",
            on_defect=self.defects.append if ended else None,
        )


@in_virtual_time
async def test_they_begin_after_the_first_wait_and_end_when_stopped() -> None:
    turns = Turns()
    rounds = turns.rounds()
    rounds.start()
    rounds.start()
    await asyncio.sleep(0.8)
    assert turns.took == 0
    await asyncio.sleep(9.2)
    assert 9 <= turns.took <= 11
    await rounds.stop()
    await rounds.stop()
    took = turns.took
    await asyncio.sleep(10)
    assert turns.took == took


def test_a_silent_store_is_said_once_and_again_after_it_has_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @in_virtual_time
    async def play() -> None:
        turns = Turns()
        rounds = turns.rounds(ended=True)
        rounds.start()
        for error in (StoreUnavailable("away"), None, StoreUnavailable("away")):
            turns.error = error
            await asyncio.sleep(5)
        await rounds.stop()
        assert not turns.defects

    play()
    assert [record.message for record in caplog.records] == ["nothing known"] * 2


def test_a_defect_is_logged_and_they_go_on(caplog: pytest.LogCaptureFixture) -> None:
    @in_virtual_time
    async def play() -> None:
        turns = Turns()
        turns.error = ValueError("a defect")
        rounds = turns.rounds()
        rounds.start()
        await asyncio.sleep(5)
        await rounds.stop()
        assert turns.took >= 4

    play()
    assert all(record.exc_info for record in caplog.records) and caplog.records


@in_virtual_time
async def test_a_defect_that_somebody_hears_of_ends_them() -> None:
    turns = Turns()
    turns.error = ValueError("a defect")
    rounds = turns.rounds(ended=True)
    rounds.start()
    await asyncio.sleep(5)
    await rounds.stop()
    assert turns.took == 1
    assert turns.defects == [turns.error]


@in_virtual_time
async def test_rounds_share_their_moments_whenever_they_began() -> None:
    loop = asyncio.get_running_loop()
    moments: list[list[float]] = [[], []]

    async def go(number: int, begin_s: float) -> None:
        await asyncio.sleep(begin_s)
        wait_s = shared(0.5)
        for _ in range(4):
            wait = wait_s()
            assert 0.12 <= wait <= 0.63
            await asyncio.sleep(wait)
            moments[number].append(round(loop.time(), 3))

    await asyncio.gather(go(0, 0.13), go(1, 0.31))
    assert moments[0] == moments[1]
    steps = [after - before for before, after in pairwise(moments[0])]
    assert steps == pytest.approx([0.5] * 3)
