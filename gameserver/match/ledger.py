"""The durable side of one match: which commit is next, and which has no answer yet.

clean ──changed──► dirty ──prepare──► in flight ──COMMITTED──► clean or dirty
                              ▲            │ no answer: the same bytes again
                              └────────────┘
"""

from __future__ import annotations

from collections.abc import Callable

from gameserver.hot import Beat
from gameserver.ids import MatchId
from gameserver.match.chronicle import Chronicle
from gameserver.match.outbox import Outbox
from gameserver.ports import Acquired, Commit, OutboxEntry


class Ledger:
    """``version`` is the last one known to be committed."""

    __slots__ = (
        "_beat",
        "_chronicle",
        "_match_id",
        "_outbox",
        "_resend",
        "fence",
        "inflight",
        "version",
    )

    def __init__(
        self,
        match_id: MatchId,
        *,
        acquired: Acquired,
        chronicle: Chronicle,
        outbox: Outbox,
        beat: Beat,
    ) -> None:
        self._beat = beat
        self._match_id = match_id
        self._chronicle = chronicle
        self._outbox = outbox
        self._resend: list[OutboxEntry] = []
        self.fence = acquired.fence
        self.version = acquired.version
        self.inflight: Commit | None = None

    @property
    def dirty(self) -> bool:
        """Whether the state is newer than the last checkpoint that was prepared."""
        return self._beat.dirty

    @dirty.setter
    def dirty(self, dirty: bool) -> None:
        self._beat.dirty = dirty

    @property
    def settled(self) -> bool:
        """Whether everything up to now is committed."""
        return not self.dirty and self.inflight is None and not self._chronicle.uncommitted

    def prepare(self, encode: Callable[[], bytes]) -> Commit:
        """The commit in flight, byte for byte, else the next one with ``encode()`` as checkpoint.

        Checkpoint and events are taken in the same call, so that they belong together. May raise
        ``KeysUnavailable``; then the next call takes what has happened since as well.
        """
        if self.inflight is None:
            # The checkpoint first: with it a chunk of the recording joins what is waiting.
            checkpoint = encode()
            records = [*self._resend, *(one.entry for one in self._chronicle.waiting())]
            self.dirty = False
            self.inflight = Commit(
                match_id=self._match_id,
                fence=self.fence,
                version=self.version + 1,
                checkpoint=checkpoint,
                records=records,
                trim_seq=self._outbox.relayed_seq,
            )
        return self.inflight

    def committed(self) -> int:
        """The commit in flight is durable; the last entry that it holds, or 0."""
        commit = self.inflight
        if commit is None:
            raise RuntimeError("no commit is in flight")
        self.inflight = None
        self._resend = []
        self.version = commit.version
        self._outbox.trimmed_seq = max(self._outbox.trimmed_seq, commit.trim_seq)
        return commit.records[-1].seq if commit.records else 0

    def reacquired(self, acquired: Acquired) -> None:
        """Go on from an older copy of the store: what it lost is written again.

        Only events that the queue has not taken need to be in its outbox.
        """
        stored = acquired.outbox[-1].seq if acquired.outbox else 0
        self._resend = [one.entry for one in self._outbox.entries() if one.entry.seq > stored]
        self.fence = acquired.fence
        self.version = acquired.version
        self.inflight = None
        self.dirty = True

    def ahead_of(self, acquired: Acquired) -> bool:
        """Whether what is here is at least as new as what is stored."""
        known = self.version if self.inflight is None else self.inflight.version
        return acquired.version <= known
