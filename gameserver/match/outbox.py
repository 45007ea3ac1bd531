"""The committed events of one match that the queue has not taken yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from gameserver.ids import MatchId
from gameserver.ports import OutboxEntry


class Unrelayed(NamedTuple):
    """A record, and the loop's time of its step in s."""

    entry: OutboxEntry
    at: float


class Outbox:
    """What the store's outbox of a match holds beyond ``relayed_seq``, in memory.

    Entries leave in any order, for the queue may take a later one first; ``relayed_seq`` is the
    last one before which nothing is missing, up to which the store may trim.
    """

    __slots__ = ("_entries", "_last_seq", "bytes", "match_id", "on_relayed", "trimmed_seq", "wake")

    def __init__(self, match_id: MatchId, *, last_seq: int, wake: Callable[[Outbox], None]) -> None:
        self.match_id = match_id
        self._entries: dict[int, Unrelayed] = {}
        self._last_seq = last_seq
        self.bytes = 0
        """Of the records."""
        self.trimmed_seq = last_seq
        """Up to here the store has been told to trim."""
        self.wake = wake
        self.on_relayed: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def relayed_seq(self) -> int:
        return next(iter(self._entries)) - 1 if self._entries else self._last_seq

    @property
    def first(self) -> Unrelayed | None:
        """The one with the lowest number."""
        return next(iter(self._entries.values()), None)

    def offer(self, entries: Iterable[Unrelayed]) -> None:
        """Take over what a commit has made durable; what was offered before is left out."""
        for one in entries:
            if one.entry.seq > self._last_seq:
                self._last_seq = one.entry.seq
                self._entries[one.entry.seq] = one
                self.bytes += len(one.entry.record)
        if self._entries:
            self.wake(self)

    def entries(self) -> list[Unrelayed]:
        """In the order of their numbers."""
        return list(self._entries.values())

    def relayed(self, seqs: Iterable[int]) -> None:
        """The queue has these."""
        for seq in seqs:
            one = self._entries.pop(seq, None)
            if one is not None:
                self.bytes -= len(one.entry.record)
        if self.on_relayed is not None:
            self.on_relayed()
