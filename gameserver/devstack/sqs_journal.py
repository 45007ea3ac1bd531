"""What happened to the queues, one JSON line each, so that a restarted endpoint goes on.

Lines are handed to the operating system before the reply that depends on them: they survive the
death of the process, though not of the machine, which is right for development. The file is
rewritten as the shortest history of its outcome at each start.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from gameserver.devstack.sqs_queue import Message


class _Record(msgspec.Struct, frozen=True, tag_field="t", omit_defaults=True):
    queue: str


class Created(_Record, frozen=True, tag="create"):
    attributes: dict[str, str]
    at_ms: int


class Configured(_Record, frozen=True, tag="set"):
    attributes: dict[str, str]
    at_ms: int


class Deleted(_Record, frozen=True, tag="delete"):
    pass


class Purged(_Record, frozen=True, tag="purge"):
    pass


class Put(_Record, frozen=True, tag="put"):
    """A message was sent, or came from another queue."""

    message: Message


class Shown(_Record, frozen=True, tag="show"):
    """A message was received, or its visibility changed."""

    id: str
    visible_ms: int
    receives: int
    first_receive_ms: int


class Dropped(_Record, frozen=True, tag="drop"):
    """A message was deleted, expired or moved elsewhere."""

    id: str


Record = Created | Configured | Deleted | Purged | Put | Shown | Dropped


class Journal:
    """``append`` gathers, ``flush`` writes. One writer per file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._encoder = msgspec.json.Encoder()
        self._waiting: list[bytes] = []
        self._file = -1

    def read(self) -> Iterator[Record]:
        """The records of the file; a last line that a crash has cut short is left out."""
        decoder = msgspec.json.Decoder(Record)
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield decoder.decode(line)

    def start(self, history: Iterable[Record]) -> None:
        """Replace the file by ``history`` and append from here on."""
        unfinished = self._path.with_suffix(".new")
        with unfinished.open("wb") as file:
            for record in history:
                file.write(self._encoder.encode(record) + b"\n")
        unfinished.replace(self._path)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)

    def append(self, record: Record) -> None:
        self._waiting.append(self._encoder.encode(record))

    def flush(self) -> None:
        """Hand everything appended to the operating system."""
        if not self._waiting:
            return
        data = memoryview(b"\n".join(self._waiting) + b"\n")
        self._waiting.clear()
        while data:
            data = data[os.write(self._file, data) :]

    def close(self) -> None:
        self.flush()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
