"""Runs a swarm in this process or spread over several, and adds up what they found."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence

import msgspec

from botswarm.ledger import Ledger
from botswarm.pauses import Pause
from botswarm.saturation import Load, load_of
from botswarm.settings import Settings, Share
from botswarm.stats import Progress, Stats
from botswarm.swarm import Result, Swarm
from botswarm.worker import Failed, ToParent, pack, read_packed
from gameserver.errors import ConfigError


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """All processes at a moment. ``cpu_s``: CPU seconds of each since its start."""

    phase: str
    at_s: float
    cpu_s: list[float]
    stats: Stats


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run. ``loads``: of each process in the steady part. ``lost``: how many processes
    ended without a result."""

    total: Stats
    steady: Stats
    steady_s: float
    loads: list[Load]
    interrupted: bool
    lost: int
    ledger: Ledger
    pauses: list[Pause]
    pauses_uncounted: int


Watch = Callable[[Overview], None]
_decode = msgspec.msgpack.Decoder(ToParent).decode


async def run(shares: Sequence[Share], *, watch: Watch, stop: asyncio.Event) -> Outcome:
    """Run every share, in this process if there is but one. Raises ``ConfigError`` if one of them
    cannot be run."""
    if len(shares) == 1:
        board = _Board(1, watch)
        swarm = Swarm(shares[0])
        result = await swarm.run(progress=lambda progress: board.post(0, progress), stop=stop)
        return _add_up([result], settings=shares[0].settings)
    return await _run_children(shares, watch=watch, stop=stop)


class _Board:
    """The newest progress of each process."""

    def __init__(self, processes: int, watch: Watch) -> None:
        self._latest: list[Progress | None] = [None] * processes
        self._watch = watch

    def post(self, index: int, progress: Progress) -> None:
        """The first process sets the pace of the display."""
        self._latest[index] = progress
        if index != 0:
            return
        stats = Stats()
        known = [progress for progress in self._latest if progress is not None]
        for each in known:
            stats.merge(each.stats)
        self._watch(
            Overview(
                phase=progress.phase,
                at_s=progress.at_s,
                cpu_s=[each.cpu_s for each in known],
                stats=stats,
            )
        )


async def _run_children(shares: Sequence[Share], *, watch: Watch, stop: asyncio.Event) -> Outcome:
    # A session of their own keeps the terminal's Ctrl-C away from the children: they stop when
    # told to, after their goodbyes, so that there is a result.
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "botswarm.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        for _ in shares
    ]
    board = _Board(len(children), watch)
    stopper = asyncio.create_task(_stop_children(children, stop))
    try:
        answers = await asyncio.gather(
            *[
                _run_child(child, share, board=board, index=index)
                for index, (child, share) in enumerate(zip(children, shares, strict=True))
            ]
        )
    finally:
        stopper.cancel()
        for child in children:
            if child.returncode is None:
                child.kill()
                await child.wait()
    return _add_up(answers, settings=shares[0].settings)


async def _run_child(
    child: asyncio.subprocess.Process, share: Share, *, board: _Board, index: int
) -> Result | None:
    """The child's result; ``None`` if it died without one."""
    assert child.stdin is not None and child.stdout is not None
    try:
        child.stdin.write(pack(share))
        await child.stdin.drain()
        while True:
            match _decode(await read_packed(child.stdout)):
                case Progress() as news:
                    board.post(index, news)
                case Result() as result:
                    child.stdin.close()
                    await child.wait()
                    return result
                case Failed(message=message):
                    raise ConfigError(message)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def _stop_children(
    children: Sequence[asyncio.subprocess.Process], stop: asyncio.Event
) -> None:
    await stop.wait()
    for child in children:
        if child.stdin is not None:
            child.stdin.close()


def _add_up(results: Sequence[Result | None], *, settings: Settings) -> Outcome:
    total, steady, ledger = Stats(), Stats(), Ledger(record_events=settings.record_events)
    found = [result for result in results if result is not None]
    for result in found:
        total.merge(result.total)
        steady.merge(result.steady)
        for problem in ledger.merge(result.ledger):
            total.error(problem)
    return Outcome(
        total=total,
        steady=steady,
        steady_s=max((result.steady_s for result in found), default=0.0),
        loads=[
            load_of(result.steady, cpu=result.steady_cpu_s / result.steady_s)
            for result in found
            if result.steady_s > 0
        ],
        interrupted=any(result.interrupted for result in found),
        lost=len(results) - len(found),
        ledger=ledger,
        pauses=[pause for result in found for pause in result.pauses],
        pauses_uncounted=sum(result.pauses_uncounted for result in found),
    )
