"""Which keys have changed while somebody was reading them, or was waiting for just that."""

from __future__ import annotations

import asyncio


class Mark:
    """One read under way."""

    __slots__ = ("spoiled",)

    def __init__(self) -> None:
        self.spoiled = False


class Watched:
    """Reads and waits under way, by key; it holds nothing else, so it needs no bound of its own."""

    def __init__(self) -> None:
        self._marks: dict[str, set[Mark]] = {}
        self._waits: dict[str, asyncio.Event] = {}

    def begin(self, key: str) -> Mark:
        """A read begins. What it brings may be kept if its mark is not spoiled in the end."""
        mark = Mark()
        self._marks.setdefault(key, set()).add(mark)
        return mark

    def end(self, key: str, mark: Mark) -> None:
        """The read is over."""
        marks = self._marks.get(key)
        if marks is not None:
            marks.discard(mark)
            if not marks:
                del self._marks[key]

    def changed(self, key: str) -> None:
        """Spoil the reads of ``key`` and wake those who wait for it."""
        for mark in self._marks.pop(key, ()):
            mark.spoiled = True
        event = self._waits.pop(key, None)
        if event is not None:
            event.set()

    def changed_all(self) -> None:
        """The same for every key."""
        for key in [*self._marks, *self._waits]:
            self.changed(key)

    async def wait(self, key: str, seconds: float) -> None:
        """Until ``key`` changes, or for ``seconds``."""
        event = self._waits.setdefault(key, asyncio.Event())
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            if self._waits.get(key) is event:
                del self._waits[key]
