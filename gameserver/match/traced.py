"""Follows the events of some matches to the queue, for traces.

    joined ─► this match is followed ── committed ─► event, commit ── sending ─► relay ── sent

A match is followed from the first traced player that takes a seat. After it has moved to another
node it is not, until another traced player comes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from gameserver import spans
from gameserver.ids import MatchId
from gameserver.match.chronicle import Stated
from gameserver.match.outbox import Outbox, Unrelayed
from gameserver.spans import EVENTS_MAX, Span, Spans
from gameserver.wire import to_client

MATCHES_MAX = 1_000
EVENTS_WAITING_MAX = 10_000
"""Beyond these the oldest are followed no longer."""


class Sending:
    """What one message tells the worker of traces: ``attribute``. ``ended`` once."""

    __slots__ = ("_relays", "attribute")

    def __init__(self, relays: Mapping[str, Span]) -> None:
        self._relays = relays
        self.attribute = spans.encode({name: span.traceparent for name, span in relays.items()})

    def ended(self, error: str = "") -> None:
        for span in self._relays.values():
            span.end(error=error)


class MatchTraces:
    """One per node."""

    def __init__(self, kept: Spans) -> None:
        self._spans = kept
        self._matches: OrderedDict[MatchId, str] = OrderedDict()
        # (match, number of the outbox' entry) → the event's id, and where its trace goes on.
        self._waiting: OrderedDict[tuple[MatchId, int], tuple[str, str]] = OrderedDict()

    def joined(self, match_id: MatchId) -> None:
        """The running task has taken a seat in the match."""
        if (trace := spans.current()) and match_id not in self._matches:
            self._matches[match_id] = trace
            if len(self._matches) > MATCHES_MAX:
                self._matches.popitem(last=False)

    def committed(self, match_id: MatchId, durable: Sequence[Stated], sent_at: float) -> None:
        """These are durable by a commit sent at the loop's time ``sent_at``."""
        parent = self._matches.get(match_id)
        if parent is None:
            return
        for stated in durable:
            if stated.message is None or not isinstance(stated.message.message, to_client.Event):
                continue
            said = stated.message.message
            name = f"{match_id}/{said.seq}"
            event = self._spans.start(
                "event", parent=parent, at=stated.at, event=name, kind=said.kind, tick=said.tick
            )
            if event is None:
                continue
            commit = self._spans.start("commit", parent=event.traceparent, at=sent_at)
            if commit is not None:
                commit.end()
            event.end()
            self._waiting[match_id, stated.entry.seq] = (name, event.traceparent)
            if len(self._waiting) > EVENTS_WAITING_MAX:
                self._waiting.popitem(last=False)

    def sending(self, parts: Mapping[Outbox, Iterable[Unrelayed]]) -> Sending:
        """A message with these records is about to be sent."""
        relays: dict[str, Span] = {}
        if not self._waiting:
            return Sending(relays)
        for outbox, entries in parts.items():
            for one in entries:
                name, parent = self._waiting.get((outbox.match_id, one.entry.seq), ("", ""))
                if parent and len(relays) < EVENTS_MAX:
                    span = self._spans.start("relay", parent=parent, event=name)
                    if span is not None:
                        relays[name] = span
        return Sending(relays)

    def sent(self, parts: Mapping[Outbox, Iterable[Unrelayed]]) -> None:
        """The queue has them."""
        for outbox, entries in parts.items():
            for one in entries:
                self._waiting.pop((outbox.match_id, one.entry.seq), None)
