"""A node's own copies: the values used last, within a number and a size."""

from __future__ import annotations

from collections import OrderedDict

ENTRY_BYTES = 300
"""What an entry costs beside its key and value, about (CPython 3.11, 64 bit)."""


class Entry:
    """A copy; ``value`` may be ``None``: known not to be there."""

    __slots__ = ("bytes", "until_s", "value")

    def __init__(self, key: str, value: bytes | None, until_s: float) -> None:
        self.value = value
        self.until_s = until_s
        self.bytes = ENTRY_BYTES + len(key) + (len(value) if value is not None else 0)


class NearCache:
    """Least recently used goes first, over ``entries_max`` or ``bytes_max``."""

    def __init__(self, *, entries_max: int, bytes_max: int) -> None:
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str, now_s: float) -> Entry | None:
        """The copy, if it may still be used."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.until_s <= now_s:
            self.drop(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, key: str, value: bytes | None, *, until_s: float) -> None:
        """Keep a copy; one that is larger than the whole is not kept."""
        self.drop(key)
        entry = Entry(key, value, until_s)
        if entry.bytes > self._bytes_max:
            return
        self._entries[key] = entry
        self.bytes += entry.bytes
        while len(self._entries) > self._entries_max or self.bytes > self._bytes_max:
            _, oldest = self._entries.popitem(last=False)
            self.bytes -= oldest.bytes

    def drop(self, key: str) -> None:
        """Forget one."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry.bytes

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
        self.bytes = 0
