"""The proof that each checker of matches would notice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any

import msgspec
import pytest

from gameserver.cluster.guests import Guests
from gameserver.cluster.link import Link
from gameserver.match.admission import Admission
from gameserver.match.birth import Birth
from gameserver.match.commits import Commits
from gameserver.match.pacer import Slot
from gameserver.match.pause import Pause
from gameserver.match.play import Play
from gameserver.match.recorder import Recorder
from gameserver.match.runner import Runner
from gameserver.ports import Acquired, Commit, OutboxEntry, Outcome, Seated, Turn
from gameserver.wire.frame import Broadcast, Frame
from gameserver.wire.recording import Tape
from persistence_worker.apply import Outcome as Applied
from persistence_worker.apply import Verdict
from persistence_worker.intake import Event, Item
from persistence_worker.messages import Message
from tests.fakes.memory_sink import MemorySink
from tests.fakes.memory_store import Row
from tests.sim import judgement
from tests.sim.checkers import (
    AnnouncedAreCommitted,
    AnnouncedWithoutGap,
    AppliedOnce,
    ExactlyOnce,
    FencesRise,
    FramesRise,
    NoLeaseAfterDrain,
    OneOwnerShows,
    OnlyTheNewestWrites,
    QueuesAreBounded,
    RecordedIsPlayed,
    StateAndEventsTogether,
    VersionsGrowByOne,
)
from tests.sim.faults import FaultyQueue
from tests.sim.mutants import caught
from tests.sim.services import WatchedSink, WatchedStore, WorkerQueue
from tests.sim.world import CONFIG, LIMITS, World

pytestmark = pytest.mark.timeout(300)


def test_fences_that_do_not_rise_are_caught() -> None:
    class Mutant(WatchedStore):
        """Hands the old fence out again."""

        async def acquire(self, match_id: Any, **given: Any) -> Acquired | None:
            row = self.rows.get(match_id)
            old = row.fence if row is not None else 0
            checkers, self.checkers = self.checkers, ()
            got = await super().acquire(match_id, **given)
            self.checkers = checkers
            if got is not None and old:
                self.rows[match_id].fence = old
                got = Acquired(
                    fence=old, version=got.version, checkpoint=got.checkpoint, outbox=got.outbox
                )
            if got is not None:
                for checker in checkers:
                    checker.acquired(match_id, got)
            return got

    caught(FencesRise, "fence .* after", store_type=Mutant)


def test_a_store_that_ignores_fences_is_caught() -> None:
    class Mutant(WatchedStore):
        def _commit(self, commit: Commit, lease_ttl_ms: int) -> Outcome:
            row = self.rows.get(commit.match_id)
            if row is None or row.forgotten:
                return Outcome.CONFLICT
            if row.version + 1 == commit.version:
                self.write(row, commit)
            return Outcome.COMMITTED

    caught(OnlyTheNewestWrites, "written under the old fence", store_type=Mutant)


def test_a_commit_that_is_written_twice_is_caught() -> None:
    class Mutant(WatchedStore):
        def _commit(self, commit: Commit, lease_ttl_ms: int) -> Outcome:
            row = self.rows.get(commit.match_id)
            if row is not None and (row.version, row.fence) == (commit.version, commit.fence):
                self.write(row, commit)
            return super()._commit(commit, lease_ttl_ms)

    caught(VersionsGrowByOne, "version .* after", store_type=Mutant)


def test_events_without_their_state_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkpoint of a tick ago with the events of now."""
    encode = Commits._encode
    last: dict[str, bytes] = {}

    def stale(self: Commits) -> bytes:
        encoded = encode(self)
        return last.get(self.match_id) or last.setdefault(self.match_id, encoded)

    monkeypatch.setattr(Commits, "_encode", stale)
    caught(StateAndEventsTogether, "checkpoint at .* events at")


def test_state_without_its_events_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A game's event that gets lost on its way into the record."""
    stated = Play.stated

    def lossy(self: Play, time_ms: int) -> None:
        if self.tick % 50 == 0:
            self._tick.events.clear()
        stated(self, time_ms)

    monkeypatch.setattr(Play, "stated", lossy)
    caught(StateAndEventsTogether, "state knows .* committed")


def test_an_announcement_before_the_commit_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = Commits.changed

    def hasty(self: Commits) -> None:
        changed(self)
        for stated in self.chronicle.waiting():
            self._runner.attendance.announce(stated.message)

    monkeypatch.setattr(Commits, "changed", hasty)
    caught(AnnouncedAreCommitted, "before its commit")


def test_a_gap_after_a_resume_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    seated = Admission.seated

    def forgetful(self: Admission, *given: Any) -> Seated:
        answer = seated(self, *given)
        return msgspec.structs.replace(answer, missed=answer.missed[1:])

    monkeypatch.setattr(Admission, "seated", forgetful)
    caught(AnnouncedWithoutGap, "was told of .* after")


def test_frames_that_do_not_rise_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Play.step

    def stuck(self: Play, inputs: Sequence[Any], time_ms: int) -> None:
        step(self, inputs, time_ms)
        if self.tick % 40 == 0:
            self.tick -= 1

    def shown(self: Link, frame: Frame) -> None:
        self._session.frame(frame)

    monkeypatch.setattr(Play, "step", stuck)
    monkeypatch.setattr(Link, "frame", shown)
    caught(FramesRise, "saw .* after")


def test_a_lease_that_is_trusted_for_too_long_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gameserver.match.tenure.LEASE_TRUSTED", 4.0)
    monkeypatch.setattr("gameserver.match.lease.LEASE_TRUSTED", 4.0)
    caught(OneOwnerShows, "showed stale epoch")


def test_a_failed_message_that_is_taken_for_sent_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send = FaultyQueue.send

    async def optimist(self: FaultyQueue, bodies: Sequence[str]) -> list[bool]:
        await send(self, bodies)
        return [True] * len(bodies)

    monkeypatch.setattr(FaultyQueue, "send", optimist)
    caught(ExactlyOnce, "missing in the database")


def test_a_drain_that_keeps_its_leases_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    async def keep(self: Birth, lease: Any) -> None:
        """Let it run out."""

    monkeypatch.setattr(Birth, "release", keep)
    caught(NoLeaseAfterDrain, "has drained and still holds")


def test_an_event_that_is_applied_twice_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(self: MemorySink, event: Item) -> Verdict:
        self.stored[event.key] = event
        return Verdict(Applied.APPLIED)

    monkeypatch.setattr(MemorySink, "_apply", careless)
    caught(AppliedOnce, "was applied twice")


@pytest.mark.campaign
def test_a_message_that_is_deleted_before_it_is_stored_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receive = WorkerQueue.receive

    async def hasty(self: WorkerQueue, **how: Any) -> list[Message]:
        messages = await receive(self, **how)
        self._queue.drop(messages)
        return messages

    monkeypatch.setattr(WorkerQueue, "receive", hasty)
    caught(ExactlyOnce, "missing in the database")


def test_events_that_a_node_misses_in_its_sleep_are_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def told(self: Link, message: Broadcast, epoch: int) -> None:
        if epoch >= self._epoch and not self.seeking:
            self.announce(message)

    def lost(self: Guests, node: str) -> None:
        for guest in [guest for guest in self._guests.values() if guest.node == node]:
            self._pop(node, guest.link)
            if guest.handle is not None:
                guest.handle.detach()

    def nap(world: World) -> None:
        process = world.random.choice(world.nodes).process
        if process.runs:
            process.pause(3.5)

    monkeypatch.setattr(Link, "told", told)
    monkeypatch.setattr(Guests, "lost", lost)
    caught(AnnouncedWithoutGap, "was told of .* after", storm=nap)


def test_a_step_that_is_not_recorded_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Tape.step

    def forgetful(self: Tape, inputs: Sequence[Any], time_ms: int) -> None:
        step(self, inputs[:1], time_ms)

    monkeypatch.setattr(Tape, "step", forgetful)
    caught(RecordedIsPlayed, "played again, within the ticks")


def test_a_recording_that_forgets_the_failover_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk is numbered as if the owner before had written none."""
    begin = Recorder.__init__

    def anew(self: Recorder, game: Any, origin: Any, *, setup: Any) -> None:
        begin(self, game, origin, setup=setup)
        self._number = 0

    monkeypatch.setattr(Recorder, "__init__", anew)
    caught(ExactlyOnce, "two contents")


def test_an_event_that_nobody_committed_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    apply = WatchedSink.apply

    async def inventive(self: WatchedSink, events: Sequence[Item]) -> list[Verdict]:
        return await apply(
            self,
            [
                msgspec.structs.replace(event, id=f"{event.key[0]}/{event.key[1] + 999}")
                for event in events
                if isinstance(event, Event)
            ],
        )

    monkeypatch.setattr(WatchedSink, "apply", inventive)
    caught(AppliedOnce, "applied but never committed")


@pytest.mark.campaign
def test_a_message_that_is_never_deleted_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forgetful(self: WorkerQueue, messages: Sequence[Message]) -> list[Message]:
        return []

    monkeypatch.setattr(WorkerQueue, "delete", forgetful)
    caught(None, "messages are left in the queue")


def test_a_match_that_moves_no_more_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    check = judgement.check_liveness

    def then_freeze(world: World, clients: Sequence[Any]) -> None:
        check(world, clients)
        monkeypatch.setattr(Slot, "_fire", lambda self: None)

    monkeypatch.setattr(judgement, "check_liveness", then_freeze)
    caught(None, "stands at", seeds=1)


@pytest.mark.campaign
def test_an_outbox_that_loses_records_is_caught() -> None:
    class Mutant(WatchedStore):
        def write(self, row: Row, commit: Commit) -> None:
            super().write(row, commit)
            for entry in commit.records:
                if entry.seq % 5 == 0:
                    row.outbox.pop(entry.seq, None)

    caught(ExactlyOnce, "missing in the database", store_type=Mutant)


def outage(world: World) -> None:
    """The store answers, then it does not for a long time; players come and go."""
    world.weather.store_down = world.loop.time() % 20 > 4


def test_events_that_pile_up_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    pause = Runner.pause

    def deaf(self: Runner, why: Pause) -> None:
        if why is not Pause.COMMIT:
            pause(self, why)

    monkeypatch.setattr(Runner, "pause", deaf)
    # Under a lease that outlasts the outage, for a lapsed one pauses the match too.
    patient = msgspec.structs.replace(CONFIG, lease_ttl_ms=60_000)
    caught(lambda: QueuesAreBounded(**LIMITS), "uncommitted events", storm=outage, config=patient)


def test_an_outbox_that_piles_up_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    pause = Runner.pause

    def deaf(self: Runner, why: Pause) -> None:
        if why is not Pause.RELAY:
            pause(self, why)

    def queue_down(world: World) -> None:
        world.weather.queue_down = True

    monkeypatch.setattr(Runner, "pause", deaf)
    caught(lambda: QueuesAreBounded(**LIMITS), "unrelayed events", storm=queue_down)


def test_a_match_that_stays_paused_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: Runner, why: Pause) -> None:
        """Stay."""

    monkeypatch.setattr(Runner, "resume", never)
    caught(None, "still paused|has seen nothing")


@pytest.mark.campaign
def test_a_match_that_is_never_forgotten_is_caught() -> None:
    class Mutant(WatchedStore):
        async def forget(self, lease: Any) -> bool:
            return False

    caught(None, "not forgotten", store_type=Mutant)


@pytest.mark.campaign
def test_a_turn_that_dies_with_its_sweeper_is_caught() -> None:
    """Then nobody looks for matches without an owner any more."""

    class Mutant(WatchedStore):
        async def take_turn(self, *, turn_ms: int, at_once: bool = False) -> Turn | None:
            if self.sweep.until_ms == inf:
                return None
            turn = await super().take_turn(turn_ms=turn_ms)
            if turn is not None:
                self.sweep = replace(self.sweep, until_ms=inf)
            return turn

    caught(None, "not forgotten", store_type=Mutant)


def test_a_record_that_changes_between_two_relays_is_caught() -> None:
    class Mutant(WatchedStore):
        async def acquire(self, match_id: Any, **given: Any) -> Acquired | None:
            got = await super().acquire(match_id, **given)
            if got is not None:
                got.outbox[:] = [
                    OutboxEntry(one.seq, one.record.replace(b'"tick":', b'"tick":9'))
                    for one in got.outbox
                ]
            return got

    caught(None, "dead letters|two contents", store_type=Mutant)
