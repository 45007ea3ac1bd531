"""Writes down what a match consumes, and hands it over with each checkpoint.

    join, leave, step, end ──► tape ──close──► chunks, committed together with the checkpoint

So the recording is exactly the history that survives: what an owner played beyond its last commit
is in no checkpoint and in no chunk. A match that is not recorded has no recorder.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gameserver.game.contract import AnyGame, LeaveReason, Player
from gameserver.match.checkpoint import Checkpoint, Recorded
from gameserver.wire.event_record import Chunk, ChunkSetup
from gameserver.wire.recording import End, Join, Leave, Signal, Tape

Digest = Callable[[], bytes]


class Recorder:
    """``tape`` takes the steps, the methods what else the game is called for, in order.
    ``pending``: bytes recorded and not durable."""

    __slots__ = (
        "_closed_bytes",
        "_first_tick",
        "_game",
        "_number",
        "_origin",
        "_revived",
        "_setup",
        "tape",
    )

    def __init__(self, game: AnyGame, origin: Checkpoint, *, setup: ChunkSetup | None) -> None:
        """``setup``: of a new match; without it the match goes on from ``origin``."""
        self.tape = Tape(timed=not game.tick_rate)
        self._game = game
        self._origin = origin
        self._number = 0 if origin.recorded is None else origin.recorded.number
        self._setup = setup
        self._revived = setup is None
        self._first_tick = origin.tick
        self._closed_bytes = 0

    @property
    def pending(self) -> int:
        return len(self.tape) + self._closed_bytes

    def joined(self, player: Player, time_ms: int) -> None:
        who = (player.seat, player.id, player.name, player.groups, player.team, player.role)
        self.tape.add(Join(time_ms, *who))

    def left(self, player: Player, reason: LeaveReason, time_ms: int) -> None:
        self.tape.add(Leave(time_ms, player.seat, reason))

    def signalled(self, message: msgspec.Raw, time_ms: int) -> None:
        """An operator has spoken to the game."""
        self.tape.add(Signal(time_ms, message))

    def ended(self, reason: str, time_ms: int, closed: str = "") -> None:
        """The server has ended the match; ``closed``: what an operator told its players."""
        self.tape.add(End(time_ms, reason, closed))

    def close(
        self,
        *,
        event_seq: int,
        epoch: int,
        at_ms: int,
        ended: str | None,
        digest: Digest,
    ) -> list[Chunk]:
        """What was recorded since the last call as chunks; none where nothing was.
        ``digest()``: the state's, at this moment."""
        if not self.tape and self._setup is None:
            return []
        size, end_tick = len(self.tape), self._first_tick + self.tape.steps
        pieces = self.tape.take()
        named = digest()
        chunks = []
        for left, body in zip(reversed(range(len(pieces))), pieces, strict=True):
            self._number += 1
            chunk = Chunk(
                chunk=f"{self._origin.match}/r{self._number}",
                match=self._origin.match,
                number=self._number,
                epoch=epoch,
                game=self._game.name,
                mode=self._origin.mode,
                version=self._game.version,
                first_tick=self._first_tick,
                end_tick=end_tick,
                event_seq=event_seq,
                at_ms=at_ms,
                revived=self._revived,
                more=left > 0,
                digest=named,
                ended=ended,
                setup=self._setup,
                body=body,
            )
            chunks.append(chunk)
            self._setup = None
        self._revived = False
        self._first_tick = end_tick
        self._closed_bytes += size
        return chunks

    def durable(self) -> None:
        """All chunks closed so far are committed."""
        self._closed_bytes = 0

    def recorded(self, entry_seq: int) -> Recorded:
        """For the checkpoint that is committed with what was closed last."""
        return Recorded(self._number, entry_seq)
