"""The edge's side: one player's seat, wherever its match runs.

A ``Link`` stands between a session and its match, as the seat of the one and the subscriber of the
other. To the session the seat stays the same while the match changes its owner:

    LOCAL (a seat here) ◄──┐
                           ├── SEEKING ──► over: the session is told ``Left``
    REMOTE (on ``owner``) ◄┘
    LOCAL, REMOTE ──(owner lost, moved, or its messages interrupted)──► SEEKING

After the move the session goes on with the exact gap of reliable messages and a frame of the higher
epoch. Where the gap is not known any more, it is told ``Left{moved}`` and joins anew.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from gameserver.cluster import messages
from gameserver.game.contract import AnyGame, LeaveReason
from gameserver.hot import Line
from gameserver.ids import MatchId
from gameserver.ports import Identity, Seated, SeatHandle, Subscriber
from gameserver.wire import from_client, to_client
from gameserver.wire.frame import Broadcast, Frame
from gameserver.wire.to_client import ErrorCode

if TYPE_CHECKING:
    from gameserver.cluster.matches import ClusterMatches

logger = logging.getLogger(__name__)

MOVED = "moved"


class Link:
    """Implements ``ports.SeatHandle`` and ``ports.Subscriber``."""

    __slots__ = (
        "_chat",
        "_cluster",
        "_epoch",
        "_input_seq",
        "_paused",
        "_seat",
        "_seq",
        "_session",
        "_tick",
        "closed",
        "game",
        "identity",
        "match",
        "number",
        "owner",
        "seeking",
        "watching",
    )

    def __init__(
        self,
        cluster: ClusterMatches,
        number: int,
        identity: Identity,
        session: Subscriber,
        *,
        watching: bool,
    ) -> None:
        self.watching = watching
        """It is a spectator's: without a seat, and behind the match by what its game says."""
        self._cluster = cluster
        self._session = session
        self.number = number
        self.identity = identity
        self.match = MatchId("")
        self.game: AnyGame | None = None
        self.owner = ""
        """The other node that has the match; empty while it is here, or being looked for."""
        self._seat: SeatHandle | None = None
        self._epoch = self._tick = -1
        self._seq = 0
        self._chat = 0
        self._input_seq = 0
        self._paused = False
        self.seeking = False
        self.closed = False

    # ── where the seat is ────────────────────────────────────────────────────────────────────

    def took(self, seated: Seated, owner: str) -> None:
        """The seat is on ``owner``, or, if that is empty, here."""
        joined = seated.joined
        self.match = seated.handle.match_id
        self.game = seated.game
        self.owner = owner
        self._seat = None if owner else seated.handle
        frame = seated.frame
        # A spectator's frames may be older than the match is.
        self._epoch, self._tick = joined.epoch, -1 if self.watching else joined.tick
        if frame is not None:  # It may have come behind the answer.
            self._epoch, self._tick = max((joined.epoch, joined.tick), (frame.epoch, frame.tick))
        self._input_seq = joined.input_seq
        self._seq = max(joined.seq, *(missed.seq for missed in seated.missed), 0)
        self._chat = max(self._chat, *map(_line, seated.missed), 0)

    @property
    def channel(self) -> str:
        """See ``messages.channel``."""
        return messages.channel(self.match, watching=self.watching)

    def resumption(self) -> from_client.Entry:
        """What to ask for to go on where the session stands."""
        if self.watching:
            return from_client.Watch(0, self.match)
        return from_client.Join(
            match=self.match, resume=from_client.Resume(max(self._epoch, 0), self._seq)
        )

    def lost(self) -> None:
        """The owner is gone, or its messages are: look for the match."""
        if not self.closed and not self.seeking:
            if self._seat is not None:
                self._seat.detach()
            self._seat, self.owner = None, ""
            self.seeking = True
            self._session.polled(False)
            self._cluster.seek(self)

    def found(self, seated: Seated, owner: str) -> None:
        """The match goes on: so does the session, if it missed nothing that is not known."""
        self.seeking = False
        if seated.joined.epoch < self._epoch:
            # A former owner that has slept, and does not know yet that it is one.
            seated.handle.detach()
            self.lost()
            return
        if not seated.joined.resumed and not self.watching:
            seated.handle.detach()
            self.over(MOVED)
            return
        seen, seen_seq, seen_line = (self._epoch, self._tick), self._seq, self._chat
        self.took(seated, owner)
        if self.watching:
            self._epoch, self._tick = max(seen, (self._epoch, self._tick))
        for missed in seated.missed:
            if missed.pauses:
                self._paused = True
            if missed.seq > seen_seq or (not missed.seq and not 0 < _line(missed) <= seen_line):
                self._session.announce(missed)
        frame = seated.frame
        # An owner that was only out of reach may not have stepped since.
        if frame is not None and (frame.epoch, frame.tick) > seen:
            self._session.frame(frame)
        if self._paused and not any(missed.pauses for missed in seated.missed):
            self.announce(Broadcast(to_client.Resumed()))

    def over(self, reason: str) -> None:
        """There is no seat any more."""
        if not self.closed:
            self._close()
            self._session.left(reason)

    def pause(self, reason: str) -> None:
        """Tell the player why nothing moves; ``found`` takes it back."""
        if not self._paused:
            self.announce(Broadcast(to_client.Paused(reason)))

    def _close(self) -> None:
        self.closed = True
        self._seat = None
        self._cluster.forget(self)

    # ── SeatHandle: what the session asks ────────────────────────────────────────────────────

    @property
    def match_id(self) -> MatchId:
        return self.match

    def input(self, seq: int, data: Any) -> ErrorCode | None:
        """An input while the match is being looked for is dropped: no player can know."""
        if self._seat is not None:
            refused = self._seat.input(seq, data)
            if refused is not ErrorCode.NOT_JOINED or self.closed:
                return refused
            self._cluster.metrics.inputs_dropped += 1  # The match is on its way to another node.
            return None
        if self.closed:
            return ErrorCode.NOT_JOINED
        if seq <= self._input_seq:
            return ErrorCode.BAD_INPUT
        self._input_seq = seq
        if not self._cluster.give_input(self, seq, data):
            self._cluster.metrics.inputs_dropped += 1
        return None

    def say(self, message: from_client.Word) -> None:
        """While the match is being looked for nobody hears it."""
        if self._seat is not None:
            self._seat.say(message)
        elif self.owner:
            self._cluster.give_word(self, message)
        elif not self.closed:
            text = "the match moves to another server; say it again"
            error = to_client.Error(ErrorCode.UNAVAILABLE, text, message.ref)
            self._session.tell_alone(Broadcast(error))

    def leave(self, reason: LeaveReason) -> None:
        """Give the seat up for good."""
        seat, owner = self._seat, self.owner
        self._close()
        if seat is not None:
            seat.leave(reason)
        else:
            self._cluster.give_up(self, owner, reason)

    def detach(self) -> None:
        """The connection is gone."""
        seat, owner = self._seat, self.owner
        self._close()
        if seat is not None:
            seat.detach()
        elif owner:
            self._cluster.let_go(self, owner)

    # ── Subscriber: what the match tells ─────────────────────────────────────────────────────

    @property
    def line(self) -> Line | None:
        """A match on this node reads and writes the session's socket without a detour."""
        return self._session.line

    def frame(self, frame: Frame) -> None:
        """Show ``frame``, unless it is older than what the session has seen: a former owner may
        have slept, and not know it."""
        if not self.closed and (frame.epoch, frame.tick) > (self._epoch, self._tick):
            self._epoch, self._tick = frame.epoch, frame.tick
            self._session.frame(frame)

    def told(self, message: Broadcast, epoch: int) -> None:
        """A reliable message of another node's match. If one before it is missing, because the
        owner took this node for gone in between, the match tells them all again."""
        if epoch < self._epoch or self.seeking:
            return
        if message.seq > self._seq + 1 and not self.watching:
            self.lost()
        else:
            self.announce(message)

    def announce(self, message: Broadcast) -> None:
        """A reliable message, each once."""
        if self.closed or (message.seq and message.seq <= self._seq):
            return
        if message.seq:
            self._seq = message.seq
        elif message.pauses is not None:
            self._paused = message.pauses
        self._session.announce(message)

    def told_alone(self, message: Broadcast, epoch: int) -> None:
        """The same, for this player alone."""
        if epoch >= self._epoch and not self.seeking:
            self.tell_alone(message)

    def tell_alone(self, message: Broadcast) -> None:
        """Lines of the chat each once."""
        number = _line(message)
        if self.closed or 0 < number <= self._chat:
            return
        self._chat = max(self._chat, number)
        self._session.tell_alone(message)

    def polled(self, polled: bool) -> None:
        if not self.closed:
            self._session.polled(polled)

    def plays(self, game: AnyGame) -> None:
        self.game = game
        if not self.closed:
            self._session.plays(game)

    def left(self, reason: str) -> None:
        """The seat is gone; if only the match has moved, it is looked for."""
        self._seat = None
        if reason == MOVED and self._cluster.has_peers:
            self.lost()
        else:
            self.over(reason)


def _line(message: Broadcast) -> int:
    """The number of a line of the chat; 0 for anything else."""
    said = message.message
    return said.number if isinstance(said, to_client.Said) else 0


class Elsewhere:
    """Implements ``ports.SeatHandle`` between the answer of an owner and the link's taking it."""

    __slots__ = ("_cluster", "_link", "_owner", "match_id")

    def __init__(self, cluster: ClusterMatches, link: Link, owner: str, match_id: MatchId) -> None:
        self._cluster = cluster
        self._link = link
        self._owner = owner
        self.match_id = match_id

    def input(self, seq: int, data: Any) -> ErrorCode | None:
        return None

    def say(self, message: from_client.Word) -> None:
        """Nobody can have asked for it."""

    def leave(self, reason: LeaveReason) -> None:
        self._cluster.give_up(self._link, self._owner, reason)

    def detach(self) -> None:
        self._cluster.let_go(self._link, self._owner)
