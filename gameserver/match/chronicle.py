"""The key events of one match: numbered when stated, announced when committed, kept for resumes.

state() ──► uncommitted ──durable(entry_seq)──► history (the newest `keep`)
carry() ──►   bounded by the runner               since(resume) ──► the exact gap, or None

Chunks of a recording are carried along: they are outbox entries among the others, but players are
not told of them, so that they have no event's number. ``entry_seq`` counts both.

Sensitive fields, and chunks as a whole, are sealed when they are committed for the first time, and
never again: from then on their bytes are the same wherever they go. Players of the match are told
the fields as they are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gameserver.ids import MatchId
from gameserver.ports import OutboxEntry, Sealer
from gameserver.wire import envelope, event_record, from_client
from gameserver.wire.event_record import Chunk, EventRecord, Record
from gameserver.wire.frame import Broadcast


class Unsealed(NamedTuple):
    """A record, and the fields of its data that have to be sealed; a chunk is, as a whole."""

    record: Record
    fields: Sequence[str]


class Stated(NamedTuple):
    """A key event: its record, what players will be told, and the loop's time of its step in s.
    ``message`` is ``None`` for a chunk of the recording. While there is something ``unsealed``,
    ``entry`` has no record yet."""

    entry: OutboxEntry
    message: Broadcast | None
    at: float
    unsealed: Unsealed | None = None


class Chronicle:
    """``seq`` is the last number given, ``announced_seq`` the last one that players know of;
    ``entry_seq`` the last entry's of the outbox."""

    __slots__ = (
        "_game",
        "_history",
        "_match_id",
        "_mode",
        "_sealer",
        "_uncommitted",
        "_unsealed",
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
        sealer: Sealer,
    ) -> None:
        self._match_id = match_id
        self._game = game
        self._mode = mode
        self.epoch = epoch
        self.seq = seq
        self.entry_seq = entry_seq
        self.announced_seq = seq
        self._sealer = sealer
        self._unsealed = 0
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
        sensitive: Sequence[str] = (),
        tick: int,
        at_ms: int,
        at: float,
    ) -> None:
        """Number and encode an event, once. ``at_ms``: wall time; ``at``: the loop's time in s;
        ``sensitive``: the fields of ``data`` to be sealed.

        Raises ``ValueError`` (too large) or msgspec's errors; then no number is used up.
        """
        seq = self.seq + 1
        record = EventRecord(
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
        encoded = event_record.encode_record(record)
        unsealed = None
        if sensitive:
            event_record.check_size(record, envelope.sealed_bytes_max(len(encoded), len(sensitive)))
            unsealed, encoded = Unsealed(record, sensitive), b""
            self._unsealed += 1
        message = Broadcast.event(seq, tick, kind, player, data)
        self.seq = seq
        self._append(encoded, message, at, unsealed)

    def carry(self, chunk: Chunk, at: float) -> None:
        """Take a chunk of the recording along, behind the events stated so far."""
        self._unsealed += 1
        self._append(b"", None, at, Unsealed(chunk, ()))

    def _append(
        self, record: bytes, message: Broadcast | None, at: float, unsealed: Unsealed | None
    ) -> None:
        self.entry_seq += 1
        entry = OutboxEntry(self.entry_seq, record)
        self._uncommitted.append(Stated(entry, message, at, unsealed))

    def waiting(self) -> Iterator[Stated]:
        """What the next commit has to hold, oldest first, sealed. To be asked after
        ``Sealer.ready``; else it may raise ``KeysUnavailable``."""
        if self._unsealed:
            for place, stated in enumerate(self._uncommitted):
                if stated.unsealed is not None:
                    self._uncommitted[place] = self._seal(stated, stated.unsealed)
                    self._unsealed -= 1
        return iter(self._uncommitted)

    def _seal(self, stated: Stated, unsealed: Unsealed) -> Stated:
        record, fields = unsealed
        sealed: Record
        if isinstance(record, Chunk):
            sealed = self._sealer.seal_chunk(record)
        else:
            sealed = self._sealer.seal(record, fields)
        entry = OutboxEntry(stated.entry.seq, event_record.encode_record(sealed))
        return stated._replace(entry=entry, unsealed=None)

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
            record = event_record.decode_record(entry.shown or entry.record)
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
