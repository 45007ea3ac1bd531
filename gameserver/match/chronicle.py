"""The key events of one match: numbered when stated, announced when committed, kept for resumes.

state() ──► uncommitted ──durable(entry_seq)──► history (the newest `keep`)
carry() ──►   bounded by the runner               since(resume) ──► the exact gap, or None

Chunks of a recording are carried along: they are outbox entries among the others, but players are
not told of them, so that they have no event's number. ``entry_seq`` counts both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gameserver.ids import MatchId
from gameserver.ports import OutboxEntry
from gameserver.wire import event_record, from_client
from gameserver.wire.event_record import EventRecord
from gameserver.wire.frame import Broadcast


class Stated(NamedTuple):
    """A key event: its record, what players will be told, and the loop's time of its step in s.
    ``message`` is ``None`` for a chunk of the recording."""

    entry: OutboxEntry
    message: Broadcast | None
    at: float


class Chronicle:
    """``seq`` is the last number given, ``announced_seq`` the last one that players know of;
    ``entry_seq`` the last entry's of the outbox."""

    __slots__ = (
        "_game",
        "_history",
        "_match_id",
        "_mode",
        "_uncommitted",
        "announced_seq",
        "entry_seq",
        "epoch",
        "seq",
    )

    def __init__(
        self,
        *,
        match_id: MatchId,
        game: str,
        mode: str,
        epoch: int,
        seq: int,
        entry_seq: int,
        keep: int,
    ) -> None:
        self._match_id = match_id
        self._game = game
        self._mode = mode
        self.epoch = epoch
        self.seq = seq
        self.entry_seq = entry_seq
        self.announced_seq = seq
        self._uncommitted: deque[Stated] = deque()
        self._history: deque[Broadcast] = deque(maxlen=keep)

    @property
    def uncommitted(self) -> int:
        """Entries that are not durable yet."""
        return len(self._uncommitted)

    def state(
        self,
        kind: str,
        player: str | None,
        data: dict[str, Any],
        *,
        tick: int,
        at_ms: int,
        at: float,
    ) -> None:
        """Number and encode an event, once. ``at_ms``: wall time; ``at``: the loop's time in s.

        Raises ``ValueError`` (too large) or msgspec's errors; then no number is used up.
        """
        seq = self.seq + 1
        record = event_record.encode_record(
            EventRecord(
                id=f"{self._match_id}/{seq}",
                match=self._match_id,
                seq=seq,
                epoch=self.epoch,
                tick=tick,
                game=self._game,
                mode=self._mode,
                kind=kind,
                player=player,
                at_ms=at_ms,
                data=data,
            )
        )
        message = Broadcast.event(seq, tick, kind, player, data)
        self.seq = seq
        self._append(record, message, at)

    def carry(self, record: bytes, at: float) -> None:
        """Take an encoded chunk of the recording along, behind the events stated so far."""
        self._append(record, None, at)

    def _append(self, record: bytes, message: Broadcast | None, at: float) -> None:
        self.entry_seq += 1
        self._uncommitted.append(Stated(OutboxEntry(self.entry_seq, record), message, at))

    def waiting(self) -> Iterator[Stated]:
        """What the next commit has to hold, oldest first."""
        return iter(self._uncommitted)

    def durable(self, up_to_entry: int) -> Sequence[Stated]:
        """Take out what a commit up to the entry ``up_to_entry`` has made durable, in order; its
        events count as announced."""
        waiting, durable = self._uncommitted, []
        while waiting and waiting[0].entry.seq <= up_to_entry:
            stated = waiting.popleft()
            durable.append(stated)
            if stated.message is not None:
                self._history.append(stated.message)
                self.announced_seq = stated.message.seq
        return durable

    def remember(self, entries: Sequence[OutboxEntry]) -> None:
        """Fill the history after a failover with what the outbox still holds."""
        for entry in entries:
            if event_record.is_chunk(entry.record):
                continue
            record = event_record.decode_record(entry.record)
            self._history.append(
                Broadcast.event(record.seq, record.tick, record.kind, record.player, record.data)
            )

    def since(self, resume: from_client.Resume) -> list[Broadcast] | None:
        """Exactly the events after the client's last one, or ``None`` where that is not possible.

        Numbers do not depend on the epoch and only committed events are announced, so what a
        client was told under an earlier owner is still what that number means.
        """
        missing = self.announced_seq - resume.seq
        if resume.epoch > self.epoch or not 0 <= missing <= len(self._history):
            return None
        return list(self._history)[len(self._history) - missing :]
