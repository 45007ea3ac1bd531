"""What the server promised, checked on what it sends: pure, one object per connection's match.

Each method returns the kind of the error that it found (``protocol:…``) or ``None``, and goes on
from what was received, so that one fault is counted once.
"""

from __future__ import annotations

import msgspec

from botswarm.heads import DELTA, decode_delta_head
from gameserver.wire import to_client


def check_joined(
    joined: to_client.Joined,
    *,
    player: str,
    game: str,
    mode: str,
    resume: tuple[str, int, int] | None,
) -> str | None:
    """``resume``: what was asked for, as (match, epoch, last event's seq)."""
    if joined.game != game or (mode and joined.mode != mode):
        return "protocol:joined_other_game"
    mine = [seat for seat in joined.seats if seat.seat == joined.seat]
    if len(mine) != 1 or mine[0].player != player or joined.seat < 0:
        return "protocol:joined_seat"
    if resume is not None:
        match, epoch, seq = resume
        if joined.match != match:
            return "protocol:resumed_other_match"
        if joined.epoch < epoch:
            return "protocol:epoch_back"
        if joined.resumed and joined.seq != seq:
            return "protocol:resume_gap"
    elif joined.resumed:
        return "protocol:resumed_unasked"
    return None


class Track:
    """The order of what comes in a match, from one ``Joined`` on."""

    __slots__ = ("acked", "epoch", "has_base", "seat", "seq", "tick")

    def __init__(self, joined: to_client.Joined) -> None:
        self.epoch = joined.epoch
        self.tick = joined.tick - 1
        self.seat = joined.seat
        self.seq = joined.seq
        # What was taken before may be applied only after this: `input_seq` says nothing of it.
        self.acked = 0
        self.has_base = False

    def frame(
        self, epoch: int, tick: int, acks: list[int], *, base: int | None, sent: int
    ) -> str | None:
        """A snapshot, or with ``base`` a delta; ``sent``: the newest input's seq.

        Afterwards ``acked`` is the newest input that was acknowledged.
        """
        problem = None
        if epoch < self.epoch or (epoch == self.epoch and tick <= self.tick):
            problem = "protocol:tick_order"
        elif base is not None and not self.has_base:
            problem = "protocol:delta_without_base"
        elif base is not None and base != self.tick:
            problem = "protocol:delta_base"
        seat = self.seat
        if seat >= len(acks):
            problem = problem or "protocol:acks_short"
        else:
            acked = acks[seat]
            if acked > sent:
                problem = problem or "protocol:ack_unsent"
            elif acked < self.acked and epoch == self.epoch:
                problem = problem or "protocol:ack_back"
            self.acked = acked
        self.epoch = epoch
        self.tick = tick
        self.has_base = True
        return problem

    def deltas(self, payloads: list[bytes], *, sent: int) -> int:
        """How many of the messages in msgpack, from the first on, are deltas that ``frame`` has
        nothing against; they count as received. It is ``frame`` for the common case in a loop."""
        epoch, tick, seat, acked = self.epoch, self.tick, self.seat, self.acked
        if not self.has_base:
            return 0
        taken = 0
        for payload in payloads:
            if len(payload) < 3 or payload[1] != DELTA:
                break
            try:
                head = decode_delta_head(payload)
            except msgspec.DecodeError:
                break
            acks = head.acks
            next_tick = head.tick
            if head.epoch != epoch or head.base != tick or next_tick <= tick or seat >= len(acks):
                break
            ack = acks[seat]
            if not acked <= ack <= sent:
                break
            tick, acked = next_tick, ack
            taken += 1
        self.tick, self.acked = tick, acked
        return taken

    def event(self, seq: int) -> str | None:
        """A reliable event."""
        expected = self.seq + 1
        self.seq = max(seq, self.seq)
        if seq == expected:
            return None
        return "protocol:seq_gap" if seq > expected else "protocol:seq_repeat"
