"""Swarms that the page's "Call bots" button sends: few, small and for a while."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from gameserver.devstack.process import Service
from gameserver.devstack.settings import Settings

RUNS_MAX = 4
DURATION_S = 180


class TooManyRuns(Exception):
    """As many swarms as allowed are out."""


class Swarm(Service):
    """One ``botswarm`` process; it is ready as soon as it runs."""

    stop_timeout_s = 5.0
    death_signal = signal.SIGKILL

    def __init__(self, *, name: str, log: Path, argv: list[str]) -> None:
        super().__init__(name=name, log=log)
        self._argv = argv

    def argv(self) -> list[str]:
        return self._argv

    def ready(self) -> bool:
        return self.is_running()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """``number`` names its log: ``bots-<number>.log``."""

    number: int
    duration_s: int
    swarm: Swarm


class BotRuns:
    """The swarms that are out."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._runs: dict[int, Run] = {}
        self._starting = asyncio.Lock()

    async def send(self, *, count: int, game: str, mode: str) -> Run:
        """Start a swarm. Raises ``TooManyRuns``."""
        async with self._starting:
            for ended in [run for run in self._runs.values() if not run.swarm.is_running()]:
                await asyncio.to_thread(ended.swarm.kill)
                del self._runs[ended.number]
            free = [number for number in range(1, RUNS_MAX + 1) if number not in self._runs]
            if not free:
                raise TooManyRuns(
                    f"{RUNS_MAX} swarms are out already; each ends after {DURATION_S} s."
                )
            run = self._run(free[0], count=count, game=game, mode=mode)
            await asyncio.to_thread(run.swarm.start)
            self._runs[run.number] = run
            return run

    async def close(self) -> None:
        """Call all of them back."""
        for run in self._runs.values():
            run.swarm.ask_to_stop()
        for run in self._runs.values():
            await asyncio.to_thread(run.swarm.wait_stopped)
        self._runs.clear()

    def _run(self, number: int, *, count: int, game: str, mode: str) -> Run:
        options = {
            "--url": self._settings.ws_url,
            "--tokens": f"{self._settings.page_url}/dev/tokens",
            "--bots": str(count),
            "--game": game,
            "--duration": str(DURATION_S),
        }
        if mode:
            options["--mode"] = mode
        argv = [sys.executable, "-m", "botswarm"]
        argv += [word for pair in options.items() for word in pair]
        log = self._settings.logs / f"bots-{number}.log"
        swarm = Swarm(name=f"bots-{number}", log=log, argv=argv)
        return Run(number=number, duration_s=DURATION_S, swarm=swarm)
