"""What must hold in every history: one class per invariant, each proven by a mutation.

A checker is told what happens as it happens, and raises ``Violated``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from gameserver.ids import MatchId
from gameserver.match import checkpoint as checkpoints
from gameserver.matchmaking import Ticket, TicketId
from gameserver.ports import Acquired, Commit
from gameserver.replay.player import Checked, Replay
from gameserver.replay.recording import Recording
from gameserver.wire import event_record
from gameserver.wire.event_record import SERVER_KINDS, Chunk, EventRecord
from persistence_worker.intake import Event, Item, prepare_any
from tests.fakes.memory_sink import MemorySink
from tests.fakes.memory_store import Row
from tests.sim.games import GAMES, State


class Violated(AssertionError):
    """An invariant does not hold."""


def events_of(commit: Commit) -> list[EventRecord]:
    """The events of a commit, without chunks of the recording."""
    return [
        event_record.decode_record(entry.record)
        for entry in commit.records
        if not event_record.is_chunk(entry.record)
    ]


class Checker:
    """Hears everything; override what the invariant is about."""

    def acquired(self, match_id: MatchId, got: Acquired) -> None: ...
    def written(self, commit: Commit) -> None: ...
    def joined(self, client: str, match_id: MatchId, epoch: int, tick: int, seq: int) -> None: ...
    def framed(self, client: str, match_id: MatchId, epoch: int, tick: int) -> None: ...
    def shown(self, node: str, match_id: MatchId, epoch: int) -> None: ...
    def announced(self, client: str, match_id: MatchId, seq: int) -> None: ...
    def line_told(self, client: str, match_id: MatchId, number: int, text: str) -> None: ...
    def applied(self, event: Item) -> None: ...
    def rolled_back(self, match_id: MatchId, kept: Row | None) -> None: ...
    def drained(self, node: str, leased: Sequence[MatchId]) -> None: ...
    def measured(self, uncommitted: int, unrelayed: int) -> None: ...
    def waits(self, ticket: Ticket, active: Sequence[Ticket]) -> None: ...
    def matched(self, ticket: TicketId, match: MatchId) -> None: ...
    def acknowledged(self, ticket: TicketId) -> None: ...
    def told_match(self, client: str, ticket: TicketId, match: MatchId) -> None: ...
    def tickets_known(self, knows: Callable[[TicketId], bool]) -> None: ...
    def healed(self, sink: MemorySink) -> None: ...


class FencesRise(Checker):
    """Each acquisition of a match has a higher fence than all before."""

    def __init__(self) -> None:
        self.newest: dict[MatchId, int] = {}

    def acquired(self, match_id: MatchId, got: Acquired) -> None:
        if got.fence <= self.newest.get(match_id, 0):
            raise Violated(f"{match_id}: fence {got.fence} after {self.newest[match_id]}")
        self.newest[match_id] = got.fence


class OnlyTheNewestWrites(FencesRise):
    """A commit is written only under the newest fence."""

    def acquired(self, match_id: MatchId, got: Acquired) -> None:
        self.newest[match_id] = max(got.fence, self.newest.get(match_id, 0))

    def written(self, commit: Commit) -> None:
        if commit.fence != self.newest.get(commit.match_id):
            raise Violated(f"{commit.match_id}: written under the old fence {commit.fence}")


class VersionsGrowByOne(Checker):
    """No commit is lost, skipped or written twice."""

    def __init__(self) -> None:
        self.last: dict[MatchId, int] = {}

    def written(self, commit: Commit) -> None:
        last = self.last.get(commit.match_id, 0)
        if commit.version != last + 1:
            raise Violated(f"{commit.match_id}: version {commit.version} after {last}")
        self.last[commit.match_id] = commit.version

    def rolled_back(self, match_id: MatchId, kept: Row | None) -> None:
        self.last[match_id] = 0 if kept is None else kept.version


class StateAndEventsTogether(Checker):
    """A checkpoint has seen exactly the events that are committed with it or before."""

    def __init__(self) -> None:
        self.seq: dict[MatchId, int] = {}
        self.own: dict[MatchId, int] = {}
        self.repeats: set[MatchId] = set()

    def rolled_back(self, match_id: MatchId, kept: Row | None) -> None:
        self.repeats.add(match_id)

    def written(self, commit: Commit) -> None:
        match_id = commit.match_id
        seq, own = self.seq.get(match_id, 0), self.own.get(match_id, 0)
        for record in events_of(commit):
            if match_id in self.repeats and record.seq <= seq:
                continue  # What the store lost is written again.
            if record.seq != seq + 1:
                raise Violated(f"{match_id}: event {record.seq} after {seq}")
            seq += 1
            own += record.kind not in SERVER_KINDS
        self.seq[match_id], self.own[match_id] = seq, own
        checkpoint = checkpoints.decode(commit.checkpoint)
        if checkpoint.event_seq != seq:
            raise Violated(f"{match_id}: checkpoint at {checkpoint.event_seq}, events at {seq}")
        if commit.records and checkpoint.entry_seq != commit.records[-1].seq:
            raise Violated(f"{match_id}: {checkpoint.entry_seq} is not the last entry")
        if checkpoint.ended is None:
            state = checkpoints.decode_state(checkpoint.state, GAMES[checkpoint.game].State)
            assert isinstance(state, State)
            if state.stated != own:
                raise Violated(f"{match_id}: state knows {state.stated} events, {own} committed")


class AnnouncedAreCommitted(Checker):
    """Nobody is told of an event that could still be lost."""

    def __init__(self) -> None:
        self.seq: dict[MatchId, int] = {}

    def written(self, commit: Commit) -> None:
        for record in events_of(commit)[-1:]:
            self.seq[commit.match_id] = record.seq

    def announced(self, client: str, match_id: MatchId, seq: int) -> None:
        if seq > self.seq.get(match_id, 0):
            raise Violated(f"{match_id}: {client} was told of {seq} before its commit")


class AnnouncedWithoutGap(Checker):
    """A client hears every event after the one that its join named, in order."""

    def __init__(self) -> None:
        self.seq: dict[tuple[str, MatchId], int] = {}

    def joined(self, client: str, match_id: MatchId, epoch: int, tick: int, seq: int) -> None:
        self.seq[client, match_id] = seq

    def announced(self, client: str, match_id: MatchId, seq: int) -> None:
        last = self.seq[client, match_id]
        if seq != last + 1:
            raise Violated(f"{match_id}: {client} was told of {seq} after {last}")
        self.seq[client, match_id] = seq


class FramesRise(Checker):
    """A client's frames of one join grow in (epoch, tick)."""

    def __init__(self) -> None:
        self.last: dict[str, tuple[int, int]] = {}

    def joined(self, client: str, match_id: MatchId, epoch: int, tick: int, seq: int) -> None:
        self.last[client] = (epoch, tick)

    def framed(self, client: str, match_id: MatchId, epoch: int, tick: int) -> None:
        if (epoch, tick) <= self.last[client]:
            raise Violated(f"{match_id}: {client} saw {(epoch, tick)} after {self.last[client]}")
        self.last[client] = (epoch, tick)


class OneOwnerShows(FencesRise):
    """No frame is sent by an owner after another one has acquired the match."""

    def acquired(self, match_id: MatchId, got: Acquired) -> None:
        self.newest[match_id] = max(got.fence, self.newest.get(match_id, 0))

    def shown(self, node: str, match_id: MatchId, epoch: int) -> None:
        if epoch < self.newest[match_id]:
            raise Violated(f"{match_id}: {node} showed stale epoch {epoch}")


class NoLeaseAfterDrain(Checker):
    """A drained node holds no match any more."""

    def drained(self, node: str, leased: Sequence[MatchId]) -> None:
        if leased:
            raise Violated(f"{node} has drained and still holds {leased[:5]}")


class AppliedOnce(Checker):
    """No event is applied twice, and none that was not committed."""

    def __init__(self) -> None:
        self.committed: dict[MatchId, int] = {}
        self.recorded: dict[MatchId, int] = {}
        self.applied_keys: set[tuple[str, int]] = set()

    def written(self, commit: Commit) -> None:
        for record in events_of(commit)[-1:]:
            self.committed[commit.match_id] = record.seq
        checkpoint = checkpoints.decode(commit.checkpoint)
        if checkpoint.recorded is not None:
            self.recorded[commit.match_id] = checkpoint.recorded.number

    def applied(self, event: Item) -> None:
        if event.key in self.applied_keys:
            raise Violated(f"{event.key} was applied twice")
        of_kind = self.committed if isinstance(event, Event) else self.recorded
        if abs(event.key[1]) > of_kind.get(MatchId(event.record.match), 0):
            raise Violated(f"{event.key} was applied but never committed")
        self.applied_keys.add(event.key)


class ExactlyOnce(Checker):
    """After healing the database holds every committed event as it was, and nothing else."""

    def __init__(self) -> None:
        self.committed: dict[str, EventRecord | Chunk] = {}

    def written(self, commit: Commit) -> None:
        for entry in commit.records:
            item = prepare_any(entry.record)
            if self.committed.setdefault(item.id, item.record) != item.record:
                raise Violated(f"{item.id} was committed with two contents")

    def healed(self, sink: MemorySink) -> None:
        stored = {item.id: item.record for item in sink.stored.values()}
        if self.committed != stored:
            missing = sorted(self.committed.keys() - stored.keys())[:5]
            extra = sorted(stored.keys() - self.committed.keys())[:5]
            raise Violated(f"missing in the database: {missing}; not committed: {extra}")


class RecordedIsPlayed(Checker):
    """After healing every match, played again from its recording, has the digests that it had."""

    def healed(self, sink: MemorySink) -> None:
        for match_id in sorted({one.record.match for one in sink.events()}):
            recording = Recording(sink.recording(match_id))
            if recording.missing is not None or recording.ended is None:
                raise Violated(f"{match_id}: its recording has a gap, or no end")
            for moment in Replay(recording, GAMES[recording.game]).run():
                if isinstance(moment, Checked) and moment.problem is not None:
                    raise Violated(f"{match_id}: played again, {moment.problem}")


class QueuesAreBounded(Checker):
    """A match's uncommitted and unrelayed events stay below their maxima and a little."""

    def __init__(self, uncommitted_max: int, outbox_max: int) -> None:
        # One step in which the inputs of a pause pile up, four players who leave, and the end.
        slack = 24
        self.uncommitted_max = uncommitted_max + slack
        self.outbox_max = outbox_max + uncommitted_max + slack

    def measured(self, uncommitted: int, unrelayed: int) -> None:
        if uncommitted > self.uncommitted_max:
            raise Violated(f"{uncommitted} uncommitted events")
        if unrelayed > self.outbox_max:
            raise Violated(f"{unrelayed} unrelayed events")


class TicketsMatchOnce(Checker):
    """A ticket gets one match, and nobody is told of another."""

    def __init__(self) -> None:
        self.match_of: dict[TicketId, MatchId] = {}

    def matched(self, ticket: TicketId, match: MatchId) -> None:
        if ticket in self.match_of:
            raise Violated(f"ticket {ticket} is in {self.match_of[ticket]} and in {match}")
        self.match_of[ticket] = match

    def told_match(self, client: str, ticket: TicketId, match: MatchId) -> None:
        if self.match_of.get(ticket) != match:
            raise Violated(f"{client} was told {match}, its ticket has {self.match_of.get(ticket)}")


class OneTicketAPlayer(Checker):
    """Nobody has two tickets that wait or are in a proposal."""

    def waits(self, ticket: Ticket, active: Sequence[Ticket]) -> None:
        for applicant in ticket.players:
            theirs = {one.id for one in active for each in one.players
                      if each.player == applicant.player}  # fmt: skip
            if len(theirs) > 1:
                raise Violated(f"{applicant.player} has the tickets {sorted(theirs)}")


class NoTicketIsLost(Checker):
    """What a player was told of is known until its end has been kept for long enough."""

    KEPT_S = 60.0

    def __init__(self) -> None:
        self.heard: dict[TicketId, float] = {}

    def acknowledged(self, ticket: TicketId) -> None:
        self.heard[ticket] = asyncio.get_running_loop().time()

    def tickets_known(self, knows: Callable[[TicketId], bool]) -> None:
        now = asyncio.get_running_loop().time()
        for ticket, at in list(self.heard.items()):
            if not knows(ticket):
                raise Violated(f"ticket {ticket} is lost")
            if now > at + self.KEPT_S:
                del self.heard[ticket]


class SeatsAreKept(Checker):
    """In a match of matchmaking sit only players whom it has put there."""

    def written(self, commit: Commit) -> None:
        checkpoint = checkpoints.decode(commit.checkpoint)
        if checkpoint.booking is None:
            return
        booked = {place.player for place in checkpoint.booking.places}
        strangers = [each.player for each in checkpoint.seats if each.player not in booked]
        if strangers:
            raise Violated(f"{commit.match_id}: {strangers} sit there, booked by {sorted(booked)}")


class LinesAreCommitted(Checker):
    """A line of a chat is told once it is committed: its number means the same to everyone, under
    every owner."""

    def __init__(self) -> None:
        self.committed: dict[MatchId, int] = {}
        self.texts: dict[tuple[MatchId, int], str] = {}
        self.repeats: set[MatchId] = set()

    def written(self, commit: Commit) -> None:
        company = checkpoints.decode(commit.checkpoint).company
        if company is not None:
            self.committed[commit.match_id] = company.line

    def rolled_back(self, match_id: MatchId, kept: Row | None) -> None:
        self.repeats.add(match_id)

    def line_told(self, client: str, match_id: MatchId, number: int, text: str) -> None:
        if match_id in self.repeats:
            return
        if number > self.committed.get(match_id, 0):
            raise Violated(f"{client} heard line {number} of {match_id}, which nobody committed")
        if self.texts.setdefault((match_id, number), text) != text:
            raise Violated(f"{client} heard another line {number} of {match_id}")


def all_checkers(limits: Mapping[str, int]) -> list[Checker]:
    return [
        FencesRise(),
        OnlyTheNewestWrites(),
        VersionsGrowByOne(),
        StateAndEventsTogether(),
        AnnouncedAreCommitted(),
        AnnouncedWithoutGap(),
        FramesRise(),
        OneOwnerShows(),
        NoLeaseAfterDrain(),
        AppliedOnce(),
        ExactlyOnce(),
        RecordedIsPlayed(),
        QueuesAreBounded(**limits),
        TicketsMatchOnce(),
        OneTicketAPlayer(),
        NoTicketIsLost(),
        SeatsAreKept(),
        LinesAreCommitted(),
    ]
