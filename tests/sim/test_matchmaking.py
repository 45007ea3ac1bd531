"""The proof that each of matchmaking's checkers would notice; the histories are played in
``test_simulation``."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from gameserver.ids import PlayerId
from gameserver.lobby.entry import Lobby
from gameserver.lobby.table import Table
from gameserver.match.reserved import Reserved
from gameserver.matchmaking import Held, MatchId, Proposal, Stage, TicketId
from tests.fakes.memory_matchmaking import Line
from tests.sim import mutants
from tests.sim.checkers import (
    NoTicketIsLost,
    OneTicketAPlayer,
    SeatsAreKept,
    TicketsMatchOnce,
)
from tests.sim.queues import WatchedMatchmaking
from tests.sim.world import World

pytestmark = pytest.mark.timeout(300)
caught = partial(mutants.caught, beside=KeyError)


def test_a_claim_that_leaves_its_tickets_waiting_is_caught() -> None:
    class Mutant(WatchedMatchmaking):
        def claim_one(self, line: Line, proposal: Proposal, ready_ms: int) -> bool:
            before = {one: line.waiting[one] for one in proposal.tickets if one in line.waiting}
            done = super().claim_one(line, proposal, ready_ms)
            if done and not ready_ms:
                for ticket in before.values():
                    self._wait(line, ticket)
            return done

        def matched(self, line: Line, ticket: TicketId, match: MatchId) -> None:
            line.busy.setdefault(ticket, (match, None))  # type: ignore[arg-type]
            super().matched(line, ticket, match)

    caught(TicketsMatchOnce, "is in .* and in", matchmaking_type=Mutant)


def test_a_player_who_is_told_of_another_match_is_caught() -> None:
    class Mutant(WatchedMatchmaking):
        async def standing(self, queue: Any, ticket: TicketId) -> Any:
            found = await super().standing(queue, ticket)
            ends = [end for end in self.line(queue).ended.values() if end[1] is not None]
            if found.stage is Stage.MATCHED and ends:
                stage, match, _ = ends[0]
                return type(found)(stage=stage, match=match, now_ms=found.now_ms)
            return found

    caught(TicketsMatchOnce, "was told", matchmaking_type=Mutant)


def test_a_player_who_gets_a_second_ticket_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    async def kind(self: Lobby, player: PlayerId, held: Held) -> None:
        """Free the player of a ticket that may still wait."""
        if held.queue is not None and held.ticket is not None:
            await self._store.unhold(player, held.queue, held.ticket)

    monkeypatch.setattr(Lobby, "_clear", kind)
    caught(OneTicketAPlayer, "has the tickets")


@pytest.mark.campaign
def test_a_late_ticket_that_is_not_kept_out_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A note without its ticket gives way, but the ticket comes after all."""
    clear = Lobby._clear

    async def trusting(self: Lobby, player: PlayerId, held: Held) -> None:
        assert held.queue is not None and held.ticket is not None
        standing = await self._store.standing(held.queue, held.ticket)
        if standing.stage is Stage.UNKNOWN:
            await self._store.unhold(player, held.queue, held.ticket)
        else:
            await clear(self, player, held)

    def lag(world: World) -> None:
        world.weather.late = 0.3

    monkeypatch.setattr(Lobby, "_clear", trusting)
    caught(OneTicketAPlayer, "has the tickets", storm=lag)


def test_a_ticket_that_is_lost_with_its_proposal_is_caught() -> None:
    class Mutant(WatchedMatchmaking):
        def _dissolve(self, line: Line, proposal: MatchId, *, without: Any) -> None:
            tickets = line.proposals[proposal].proposal.tickets
            super()._dissolve(line, proposal, without=without)
            line.waiting.pop(tickets[-1], None)

    caught(NoTicketIsLost, "is lost", matchmaking_type=Mutant)


@pytest.mark.campaign
def test_a_stranger_in_a_booked_seat_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reserved, "takes", lambda self, player, now_ms: True)
    caught(SeatsAreKept, "sit there")


@pytest.mark.campaign
def test_a_proposal_that_nobody_takes_up_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A master who forgets what its predecessor had claimed."""
    load = Table._load

    async def forgetful(self: Table) -> None:
        take_up, self._take_up = self._take_up, lambda asked: None  # type: ignore[method-assign]
        await load(self)
        self._take_up = take_up  # type: ignore[method-assign]

    monkeypatch.setattr(Table, "_load", forgetful)
    caught(None, "come to no end|tickets wait")


def test_a_queue_without_a_master_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    async def idle(self: Table) -> None:
        """Form nothing."""

    monkeypatch.setattr(Table, "_form", idle)
    caught(None, "tickets wait though they fit")
