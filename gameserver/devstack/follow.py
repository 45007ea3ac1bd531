"""Shows what another process adds to a file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

LOOK_S = 0.25


class Follower:
    """Reads a file from where it ends now; it may be made later."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = path.stat().st_size if path.exists() else 0

    def added(self) -> str:
        """The whole lines that were added since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return ""
        self._read += len(whole) + len(newline)
        return whole.decode(errors="replace")


async def follow(path: Path, say: Callable[[str], None]) -> None:
    """Until cancelled; ``say`` gets what was added, as many lines as came together."""
    follower = Follower(path)
    while True:
        await asyncio.sleep(LOOK_S)
        if added := follower.added():
            say(added)
