"""Batches of cases against real processes, each judged; a seed is the same campaign.

batch n of a kind ──► its cases, several at once ──► what came of each
                 └──► do the processes live? do the controls play on? what do the logs say?
                      are files, sessions and memory given back?
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from tests.fuzz import bodies, live
from tests.fuzz.control import Control
from tests.fuzz.live import KINDS, Case, Doors
from tests.fuzz.minimise import minimised
from tests.fuzz.watched import SETTLE_S, Watched
from tests.worker import builders

AT_ONCE = 12
CONTROLS = 2
WORKER = "worker"
ALL = (*KINDS, WORKER)
BLAME_S = 3.0
TRIES_MAX = 60
"""Of a case against a server: each takes part of a second."""
Say = Callable[[str], None]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A violation. ``case``: the bytes as hex, made smaller, where one case is to blame."""

    kind: str
    batch: int
    what: str
    case: str = ""
    dice: int = 0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a campaign."""

    seed: int
    batches: int
    cases: dict[str, int]
    seen: dict[str, int]
    warnings: dict[str, int]
    memory_more_bytes: int
    found: list[Found]


class Campaign:
    """One server, many batches. Use ``run`` once."""

    def __init__(
        self, watched: Watched, *, seed: int, batch: int = 60, kinds: tuple[str, ...] = ALL
    ) -> None:
        self._watched, self._seed, self._batch, self._kinds = watched, seed, batch, kinds
        self._doors: Doors = watched.doors()
        # The last players are the controls.
        self._controls = [
            Control(self._doors, self._doors.tokens.pop(), self._doors.players.pop())
            for _ in range(CONTROLS)
        ]
        self._cases: Counter[str] = Counter()
        self._tried = 0
        self._unworked: list[str] = []

    async def run(self, *, seconds: float, rounds: int = 10**9, say: Say = print) -> Outcome:
        """Go on for ``seconds`` or ``rounds``, a batch of each kind in turn; stops at the first
        batch with a violation."""
        found, batch = list[Found](), 0
        async with self._controls[0], self._controls[1]:
            if wrong := await self._warm_up():
                found = [Found(kind="the first cases", batch=0, what="; ".join(wrong))]
            until = time.monotonic() + seconds
            while batch < rounds * len(self._kinds) and time.monotonic() < until and not found:
                kind = self._kinds[batch % len(self._kinds)]
                found = await self._one(kind, batch // len(self._kinds), say)
                batch += 1
        return Outcome(
            seed=self._seed,
            batches=batch,
            cases=dict(self._cases),
            seen=dict(sorted(self._doors.codes.items())),
            warnings=dict(self._watched.logged),
            memory_more_bytes=self._watched.memory_most,
            found=found,
        )

    async def _warm_up(self) -> list[str]:
        """What every code path needs once (pools, caches, compiled patterns) is no leak. What has
        gone wrong already."""
        chance = random.Random(0)
        for kind in self._kinds:
            if kind != WORKER:
                await self._send([live.made(kind, chance) for _ in range(2 * AT_ONCE)])
        wrong = await asyncio.to_thread(self._watched.fallen) or self._watched.alarms()
        if not wrong:
            await asyncio.to_thread(self._watched.note_usual, sessions=CONTROLS)
        self._doors.codes.clear()
        return wrong

    async def _one(self, kind: str, batch: int, say: Say) -> list[Found]:
        chance = random.Random(f"{self._seed}/{kind}/{batch}")
        began, single = time.monotonic(), list[tuple[int, str]]()
        if kind == WORKER:
            cases = [Case(kind=kind, raw=bodies.body(chance), dice=0) for _ in range(self._batch)]
            await self._work(cases, f"c{self._seed}b{batch}")
        else:
            cases = [live.made(kind, chance) for _ in range(self._batch)]
            single = await self._send(cases)
        self._cases[kind] += len(cases)
        # Where a process is gone, nothing goes well for any case.
        together = await asyncio.to_thread(self._watched.fallen)
        if together:
            single = []
        elif not single:
            together = await self._judged()
        say(f"{kind} {batch}: {len(cases)} cases in {time.monotonic() - began:.1f} s")
        if single or together:
            # What does not come need not be waited for as long, again and again.
            self._doors.patience_s = BLAME_S
        if single:
            index, what = single[0]
            return [await self._smaller(cases[index], batch, what)]
        if together:
            return [await self._blame(cases, batch, together)]
        return []

    async def _send(self, cases: list[Case]) -> list[tuple[int, str]]:
        """Send them all, some at a time; which of them went wrong."""
        gate, wrong = asyncio.Semaphore(AT_ONCE), list[tuple[int, str]]()

        async def one(index: int, case: Case) -> None:
            async with gate:
                if wrong:
                    return  # One is enough.
                self._tried += 1
                try:
                    what = await live.tried(self._doors, case, self._tried)
                except OSError as error:
                    what = f"no connection: {error}"
            if what is not None:
                wrong.append((index, what))

        await asyncio.gather(*[one(index, case) for index, case in enumerate(cases)])
        return sorted(wrong)

    async def _work(self, cases: list[Case], match: str) -> None:
        """Give the worker bad bodies and, in their middle, a good story, which has to be stored."""
        texts = [text for case in cases if (text := sendable(case.raw))]
        story = builders.story(match)
        texts.insert(len(texts) // 2, builders.bundle(*story))
        await asyncio.to_thread(self._watched.put, texts)
        left, until = len(texts), time.monotonic() + SETTLE_S
        while left and time.monotonic() < until:
            await asyncio.sleep(0.05)
            left = await asyncio.to_thread(self._watched.left)
        stored = await self._watched.stored(match)
        self._unworked = [] if stored == len(story) else [f"{stored} of {len(story)} are stored"]
        if left:
            self._unworked.append(f"{left} messages are left in the queue")

    async def _judged(self) -> list[str]:
        """What is wrong now, whoever is to blame."""
        wrong = await asyncio.to_thread(self._watched.fallen)
        if wrong:
            return wrong
        for control in self._controls:
            wrong += [f"a player who behaves: {what}" for what in await control.wrong()]
        wrong += self._unworked
        wrong += await asyncio.to_thread(self._watched.held, sessions=CONTROLS)
        return wrong + self._watched.alarms()

    # ── who is to blame ──────────────────────────────────────────────────────────────────────

    async def _smaller(self, case: Case, batch: int, what: str) -> Found:
        raw = await self._minimised(case, self._fails_alone)
        return Found(kind=case.kind, batch=batch, what=what, case=raw.hex(), dice=case.dice)

    async def _blame(self, cases: list[Case], batch: int, wrong: list[str]) -> Found:
        """Which of the cases has done it, tried one by one."""
        what = "; ".join(wrong)
        for case in cases:
            if await self._fails_together(case):
                raw = await self._minimised(case, self._fails_together)
                return Found(kind=case.kind, batch=batch, what=what, case=raw.hex(), dice=case.dice)
        return Found(kind=cases[0].kind, batch=batch, what=what)

    async def _fails_alone(self, case: Case) -> bool:
        return bool(await self._send([case]))

    async def _fails_together(self, case: Case) -> bool:
        await asyncio.to_thread(self._watched.revive)
        if case.kind == WORKER:
            self._tried += 1
            await self._work([case], f"again{self._tried}")
        else:
            await self._send([case])
        await asyncio.sleep(0.05)
        fallen = bool(await asyncio.to_thread(self._watched.fallen))
        return fallen or bool(self._unworked) or bool(self._watched.alarms())

    async def _minimised(self, case: Case, fails: Callable[[Case], Awaitable[bool]]) -> bytes:
        loop = asyncio.get_running_loop()

        def still(raw: bytes) -> bool:
            smaller = msgspec.structs.replace(case, raw=raw)
            return asyncio.run_coroutine_threadsafe(_awaited(fails(smaller)), loop).result()

        return await asyncio.to_thread(minimised, case.raw, still, tries_max=TRIES_MAX)


async def _awaited(what: Awaitable[bool]) -> bool:
    return await what


def sendable(raw: bytes) -> str:
    """A body that SQS takes: not empty, and without characters that XML has not."""
    text = raw.decode(errors="replace")
    kept = (each for each in text if each in "\t\n\r" or " " <= each <= "\ud7ff" or each > "\udfff")
    return "".join(kept)


def directory_of(root: Path, seed: int, mutation: str = "") -> Path:
    """Where a campaign keeps its data and logs."""
    return root / "artifacts" / "fuzz" / "-".join(filter(None, ("seed", str(seed), mutation)))
