"""The matchmaking store in memory: the same answers as Redis', held to it by the contract suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from gameserver.ids import MatchId, PlayerId
from gameserver.matchmaking import (
    Asked,
    Change,
    Contents,
    Held,
    Mastery,
    News,
    Overview,
    Proposal,
    Queue,
    Stage,
    Standing,
    Taken,
    Ticket,
    TicketId,
    Vacancy,
)

KEPT_MS = 120_000
CHANGES_MAX = 100_000


@dataclass
class Underway:
    """A proposal that has been claimed."""

    proposal: Proposal
    deadline_ms: int
    asked: int
    ready: list[PlayerId] = field(default_factory=list)


@dataclass
class Line:
    """What is stored of one queue."""

    waiting: dict[TicketId, Ticket] = field(default_factory=dict)
    busy: dict[TicketId, tuple[MatchId, Ticket]] = field(default_factory=dict)
    ended: dict[TicketId, tuple[Stage, MatchId | None, float]] = field(default_factory=dict)
    proposals: dict[MatchId, Underway] = field(default_factory=dict)
    vacancies: dict[MatchId, tuple[float, Vacancy]] = field(default_factory=dict)
    changes: list[tuple[int, Change | None]] = field(default_factory=list)
    number: int = 0
    fence: int = 0
    node: str = ""
    notes: bytes = b""
    leased_until_ms: float = 0


class MemoryMatchmaking:
    """Implements ``matchmaking_ports.MatchmakingStore``; ``now_ms`` is the store's clock."""

    def __init__(self, now_ms: Callable[[], float]) -> None:
        self._now_ms = now_ms
        self.lines: dict[Queue, Line] = {}
        self.held: dict[PlayerId, tuple[Queue, TicketId]] = {}
        self.penalties: dict[PlayerId, float] = {}

    def line(self, queue: Queue) -> Line:
        return self.lines.setdefault(queue, Line())

    # ── players ──────────────────────────────────────────────────────────────────────────────

    async def hold(self, player: PlayerId, queue: Queue, ticket: TicketId) -> Held | None:
        noted = self.held.get(player)
        if noted == (queue, ticket):
            return None
        if noted is not None:
            return Held(queue=noted[0], ticket=noted[1])
        left = self.penalties.get(player, 0) - self._now_ms()
        if left > 0:
            return Held(penalty_ms=int(left))
        self.held[player] = (queue, ticket)
        return None

    async def unhold(self, player: PlayerId, queue: Queue, ticket: TicketId) -> None:
        if self.held.get(player) == (queue, ticket):
            del self.held[player]

    async def ticket_of(self, player: PlayerId) -> Held | None:
        noted = self.held.get(player)
        return None if noted is None else Held(queue=noted[0], ticket=noted[1])

    async def punish(self, player: PlayerId, *, for_ms: int) -> None:
        self.penalties[player] = self._now_ms() + for_ms

    # ── tickets ──────────────────────────────────────────────────────────────────────────────

    async def enqueue(self, queue: Queue, ticket: Ticket, *, tickets_max: int) -> Taken:
        line = self.line(queue)
        if ticket.id in line.waiting or ticket.id in line.busy:
            return Taken.TAKEN
        if ticket.id in line.ended:
            return Taken.OVER
        others = len(line.waiting) + len(line.busy)
        if others >= tickets_max:
            return Taken.FULL
        stored = msgspec.structs.replace(ticket, enqueued_ms=int(self._now_ms()))
        self._wait(line, stored)
        return Taken.TAKEN if others else Taken.FIRST

    async def standing(self, queue: Queue, ticket: TicketId) -> Standing:
        line, now_ms = self.line(queue), int(self._now_ms())
        if ticket in line.waiting:
            return Standing(stage=Stage.WAITING, ticket=line.waiting[ticket], now_ms=now_ms)
        if ticket in line.busy:
            proposal, stored = line.busy[ticket]
            found = line.proposals[proposal]
            return Standing(
                stage=Stage.READY_CHECK if found.asked else Stage.OPENING,
                ticket=stored,
                deadline_ms=found.deadline_ms,
                ready=tuple(found.ready),
                now_ms=now_ms,
            )
        if ticket in line.ended:
            stage, match, _ = line.ended[ticket]
            return Standing(stage=stage, match=match, now_ms=now_ms)
        return Standing(stage=Stage.UNKNOWN, now_ms=now_ms)

    async def cancel(self, queue: Queue, ticket: TicketId) -> Stage:
        return self._end(self.line(queue), ticket, Stage.CANCELLED)

    async def answer(
        self, queue: Queue, ticket: TicketId, player: PlayerId, *, ready: bool
    ) -> Standing:
        line = self.line(queue)
        held = line.busy.get(ticket)
        found = line.proposals[held[0]] if held is not None else None
        if held is not None and found is not None and found.asked:
            if not ready:
                self._dissolve(line, held[0], without=[ticket])
            elif player not in found.ready:
                found.ready.append(player)
                found.asked -= 1
                if not found.asked:
                    self._say(line, Change(proposed=held[0]))
        return await self.standing(queue, ticket)

    # ── the matchmaker ───────────────────────────────────────────────────────────────────────

    async def lead(self, queue: Queue, *, owner: str, lease_ttl_ms: int) -> Mastery | None:
        line, now_ms = self.line(queue), self._now_ms()
        if now_ms < line.leased_until_ms:
            return None
        line.fence = max(line.fence + 1, int(now_ms))
        line.node, line.leased_until_ms = owner, now_ms + lease_ttl_ms
        return Mastery(fence=line.fence, now_ms=int(now_ms), notes=line.notes)

    async def renew(self, queue: Queue, fence: int, *, lease_ttl_ms: int, notes: bytes) -> bool:
        line = self.line(queue)
        if line.fence != fence or not line.node:
            return False
        line.leased_until_ms, line.notes = self._now_ms() + lease_ttl_ms, notes
        return True

    async def release(self, queue: Queue, fence: int) -> None:
        line = self.line(queue)
        if line.fence == fence:
            line.node, line.leased_until_ms = "", 0

    async def contents(self, queue: Queue) -> Contents:
        line = self.line(queue)
        self._say(line, None)
        return Contents(
            cursor=str(line.number),
            waiting=list(line.waiting.values()),
            asked=[_asked(found) for found in line.proposals.values()],
        )

    async def asked(self, queue: Queue, proposal: MatchId) -> Asked | None:
        found = self.line(queue).proposals.get(proposal)
        return None if found is None else _asked(found)

    async def news(self, queue: Queue, fence: int, cursor: str, *, vacancies: bool) -> News | None:
        line, now_ms = self.line(queue), self._now_ms()
        if line.fence != fence:
            return None
        for ticket in [one for one, end in line.ended.items() if end[2] <= now_ms]:
            del line.ended[ticket]
        line.vacancies = {m: each for m, each in line.vacancies.items() if each[0] > now_ms}
        line.changes = [each for each in line.changes if each[0] >= int(cursor)]
        known = bool(line.changes) and line.changes[0][0] == int(cursor)
        after = [each for number, each in line.changes if number > int(cursor)]
        return News(
            now_ms=int(now_ms),
            cursor=str(line.changes[-1][0]) if line.changes else cursor,
            changes=[each for each in after if each is not None],
            lost=not known,
            vacancies=[each for _, each in line.vacancies.values()] if vacancies else None,
        )

    async def claim(
        self, queue: Queue, fence: int, proposals: Sequence[Proposal], *, ready_ms: int
    ) -> list[bool] | None:
        line = self.line(queue)
        if line.fence != fence:
            return None
        return [self.claim_one(line, one, ready_ms) for one in proposals]

    def claim_one(self, line: Line, proposal: Proposal, ready_ms: int) -> bool:
        if proposal.id in line.proposals:
            return True
        if any(ticket not in line.waiting for ticket in proposal.tickets):
            return False
        for ticket in proposal.tickets:
            line.busy[ticket] = (proposal.id, line.waiting.pop(ticket))
        line.proposals[proposal.id] = Underway(
            proposal,
            int(self._now_ms()) + ready_ms if ready_ms else 0,
            len(proposal.places) if ready_ms else 0,
        )
        self._say(line, Change(proposed=proposal.id))
        return True

    async def lapse(self, queue: Queue, fence: int, proposal: Proposal) -> list[TicketId] | None:
        line = self.line(queue)
        if line.fence != fence:
            return None
        found = line.proposals.get(proposal.id)
        if found is None or not found.asked:
            return []
        silent = [
            ticket
            for ticket in proposal.tickets
            if any(one.player not in found.ready for one in line.busy[ticket][1].players)
        ]
        self._dissolve(line, proposal.id, without=silent)
        return silent

    async def assign(self, queue: Queue, fence: int, proposals: Sequence[Proposal]) -> bool:
        line = self.line(queue)
        if line.fence != fence:
            return False
        for proposal in proposals:
            if line.proposals.pop(proposal.id, None) is not None:
                self._say(line, Change(proposed=proposal.id))
                for ticket in proposal.tickets:
                    self.matched(line, ticket, proposal.match)
        return True

    def matched(self, line: Line, ticket: TicketId, match: MatchId) -> None:
        del line.busy[ticket]
        line.ended[ticket] = (Stage.MATCHED, match, self._now_ms() + KEPT_MS)

    async def put_back(self, queue: Queue, fence: int, proposal: Proposal) -> bool:
        line = self.line(queue)
        if line.fence != fence:
            return False
        if proposal.id in line.proposals:
            self._dissolve(line, proposal.id, without=[])
        return True

    async def expire(self, queue: Queue, fence: int, tickets: Sequence[TicketId]) -> bool:
        line = self.line(queue)
        if line.fence != fence:
            return False
        for ticket in tickets:
            self._end(line, ticket, Stage.EXPIRED)
        return True

    # ── from outside ─────────────────────────────────────────────────────────────────────────

    async def offer(self, queue: Queue, vacancy: Vacancy, *, ttl_ms: int) -> None:
        self.line(queue).vacancies[vacancy.match] = (self._now_ms() + ttl_ms, vacancy)

    async def overview(self, queue: Queue) -> Overview:
        line = self.line(queue)
        return Overview(
            waiting=len(line.waiting),
            proposed=len(line.busy),
            owner=line.node if self._now_ms() < line.leased_until_ms else "",
            notes=line.notes,
        )

    # ── changes ──────────────────────────────────────────────────────────────────────────────

    def _wait(self, line: Line, ticket: Ticket) -> None:
        line.waiting[ticket.id] = ticket
        self._say(line, Change(waiting=ticket))

    def _end(self, line: Line, ticket: TicketId, how: Stage) -> Stage:
        if ticket in line.busy:
            return Stage.OPENING
        if ticket in line.ended:
            return line.ended[ticket][0]
        if line.waiting.pop(ticket, None) is not None:
            self._say(line, Change(gone=ticket))
        line.ended[ticket] = (how, None, self._now_ms() + KEPT_MS)
        return how

    def _dissolve(self, line: Line, proposal: MatchId, *, without: Sequence[TicketId]) -> None:
        found = line.proposals.pop(proposal)
        for ticket in found.proposal.tickets:
            _, stored = line.busy.pop(ticket)
            if ticket in without:
                line.ended[ticket] = (Stage.DECLINED, None, self._now_ms() + KEPT_MS)
            else:
                self._wait(line, stored)
        self._say(line, Change(proposed=proposal))

    def _say(self, line: Line, change: Change | None) -> None:
        line.number += 1
        line.changes.append((line.number, change))
        del line.changes[:-CHANGES_MAX]


def _asked(found: Underway) -> Asked:
    return Asked(proposal=found.proposal, deadline_ms=found.deadline_ms, open=not found.asked)
