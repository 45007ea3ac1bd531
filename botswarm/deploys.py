"""The deploys of a scenario: a command, or somebody who sends SIGUSR1, while the load goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Callable

from botswarm.happening import Deploy, Happening
from botswarm.processes import Overview
from botswarm.timeline import Mark

KILL_S = 2.0
"""How long a command that took too long has between SIGTERM and SIGKILL."""


class Deploys:
    """Call it with each overview; the first of the steady part starts the clock. ``command``:
    words of a program, run without a shell; empty: wait for the signal. ``say``: tells people."""

    def __init__(
        self, happenings: list[Happening], *, command: str, say: Callable[[str], None]
    ) -> None:
        self.marks: list[Mark] = []
        self.failures: list[str] = []
        self.wanted = [step for step in happenings if isinstance(step, Deploy)]
        self._command = shlex.split(command)
        self._say = say
        self._signalled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> Deploys:
        if self.wanted and not self._command:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGUSR1, self._signalled.set)
        return self

    def __exit__(self, *_: object) -> None:
        if self.wanted and not self._command:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)

    def __call__(self, overview: Overview) -> None:
        if self._task is None and self.wanted and overview.phase == "steady":
            self._task = asyncio.create_task(self._attend(overview.at_s))

    async def close(self) -> None:
        """The run is over: nothing is left behind."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def done(self) -> int:
        """How many went well."""
        return len(self.marks) - len(self.failures)

    async def _attend(self, steady_at_s: float) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time() - steady_at_s
        for step in self.wanted:
            await asyncio.sleep(begin + steady_at_s + step.at_s - loop.time())
            at_s = loop.time() - begin
            failure = await self._deploy(step.within_s)
            if failure:
                self.failures.append(failure)
            label = "deploy" + (f" ({failure})" if failure else "")
            until_s = loop.time() - begin
            self.marks.append(Mark(at_s=round(at_s, 2), until_s=round(until_s, 2), label=label))
            self._say(f"{label} after {until_s - at_s:.1f} s")

    async def _deploy(self, within_s: float) -> str:
        """Why it failed; empty if it did not."""
        try:
            async with asyncio.timeout(within_s):
                if self._command:
                    return await self._run()
                self._signalled.clear()
                self._say(f"deploy now, then: kill -USR1 {os.getpid()} (within {within_s:g} s)")
                await self._signalled.wait()
                return ""
        except TimeoutError:
            return f"not done in {within_s:g} s"

    async def _run(self) -> str:
        self._say(f"deploying: {shlex.join(self._command)}")
        try:
            # Standard output is the report's.
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.DEVNULL, stdout=sys.stderr
            )
        except OSError as error:
            return f"cannot be run: {error.strerror}"
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            await _end(process)
            raise
        return "" if code == 0 else f"exit code {code}"


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(KILL_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
