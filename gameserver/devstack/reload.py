"""Hot reload: a game's source has changed, and running matches go on by the new rules.

    files looked at ──changed, and quiet again──► trial (a process of its own: load, check, play)
        ▲                                           │ fine                 │ broken
        │                                           ▼                      ▼
        └──────────── said ◄── exchange ◄── load in modules of its own     said; the old rules stay

Sources are looked at four times a second, by their times and sizes: some 10 µs a file. That needs
no package, and sees changes on any file system, also on those that containers and virtual machines
share with their host, where the kernel's notifications do not arrive.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from gameserver.devstack.game_source import GameSource, Stamp
from gameserver.devstack.trial import explain
from gameserver.errors import ConfigError
from gameserver.game.contract import AnyGame
from gameserver.match.exchange import Exchanged

logger = logging.getLogger(__name__)

LOOK_S = 0.25
TRIAL_S = 20.0

Exchange = Callable[[AnyGame], Exchanged]
Say = Callable[[str], None]


class Broken(Exception):
    """The changed game cannot be played; the message says why."""


class Reloader:
    """``run`` as a task on the server's loop."""

    def __init__(
        self, games: Mapping[str, str], exchange: Exchange, say: Say, *, end_unfit: bool = False
    ) -> None:
        """``games``: what each game was loaded by (``module:Class`` …), by its own name.
        ``end_unfit``: what ``exchange`` does with a match that the new rules do not fit."""
        self._end_unfit = end_unfit
        self._sources = {game: GameSource(name) for game, name in games.items()}
        self._exchange = exchange
        self._say = say

    async def run(self) -> None:
        """Look for changes until cancelled."""
        known = {game: source.stamp() for game, source in self._sources.items()}
        while True:
            await asyncio.sleep(LOOK_S)
            for game, source in self._sources.items():
                if source.stamp() != known[game]:
                    known[game] = await self._changed(game, source)

    async def _changed(self, game: str, source: GameSource) -> Stamp:
        """Returns the stamp of the source that was tried."""
        stamp = await _quiet(source)
        while True:
            try:
                await _try_out(source)
                now = source.stamp()
                if now == stamp:
                    self._take(game, source)
            except Broken as broken:
                now = source.stamp()
                if now == stamp:
                    self._say(f"✗ {game} is not reloaded; the rules stay as they were.\n{broken}")
            if now == stamp:
                return stamp
            stamp = await _quiet(source)

    def _take(self, game: str, source: GameSource) -> None:
        try:
            loaded = source.load()
        except (ConfigError, SystemExit) as error:
            raise Broken(explain(error)) from error
        if loaded.name != game:
            raise Broken(f"It is named {loaded.name!r} now; a new name needs a new start.")
        exchanged = self._exchange(loaded)
        self._say("\n".join(_report(game, exchanged, end_unfit=self._end_unfit)))


async def _quiet(source: GameSource) -> Stamp:
    """Wait until nothing was changed between two looks: editors write in several steps."""
    before = source.stamp()
    while True:
        await asyncio.sleep(LOOK_S)
        now = source.stamp()
        if now == before:
            return now
        before = now


async def _try_out(source: GameSource) -> None:
    """Raises ``Broken``."""
    trial = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gameserver.devstack.trial", source.name),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(TRIAL_S):
            output, _ = await trial.communicate()
    except TimeoutError:
        raise Broken(f"It could not be played within {TRIAL_S:.0f} s: an endless loop?") from None
    finally:
        with suppress(ProcessLookupError):
            trial.kill()
        await trial.wait()
    if trial.returncode:
        raise Broken(output.decode(errors="replace").strip())


def _report(game: str, exchanged: Exchanged, *, end_unfit: bool) -> Iterable[str]:
    carried, kept = len(exchanged.carried), exchanged.kept
    matches = "1 match goes" if carried == 1 else f"{carried} matches go"
    yield f"✓ {game} is reloaded; {matches} on by the new rules."
    for match_id, why in kept:
        lot = "has ended" if end_unfit else "keeps the old rules until it ends"
        yield f"  Match {match_id} {lot}: {why}."


def appending_to(path: Path) -> Say:
    """Says it in a file, which ``make run`` shows."""

    def say(text: str) -> None:
        logger.info("reload", extra={"said": text})
        with path.open("a") as file:
            file.write(f"{text}\n")

    return say
