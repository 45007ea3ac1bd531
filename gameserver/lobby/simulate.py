"""A rule set under a simulated crowd: the forming of production under a virtual clock."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator

import msgspec

from gameserver.game.matchmaking import FreeSeats, Rules
from gameserver.game.random import SeededRandom
from gameserver.ids import MatchId
from gameserver.lobby.crowd import Arrival, Crowd, arrivals
from gameserver.lobby.form import form
from gameserver.lobby.pool import Pool
from gameserver.lobby.rules import Compiled
from gameserver.matchmaking import Proposal, Ticket, TicketId, Vacancy

ROUND_MS = 500
QUEUED_SAMPLES = 400


class Waited(msgspec.Struct, frozen=True):
    """What became of one ticket."""

    skill: float
    region: str
    at_s: float
    waited_s: float
    matched: bool


class Formed(msgspec.Struct, frozen=True):
    """One match. ``gap``: between the means of its strongest and its weakest team."""

    players: int
    spread: float
    gap: float
    is_backfill: bool


class Run(msgspec.Struct, kw_only=True):
    """Everything that happened; ``queued``: time in s and tickets that wait."""

    tickets: list[Waited] = []
    matches: list[Formed] = []
    queued: list[tuple[float, int]] = []
    declined: int = 0
    seats_offered: int = 0


class Simulation:
    """``run()`` once."""

    def __init__(self, rules: Rules, crowd: Crowd) -> None:
        self._rules = rules
        self._crowd = crowd
        self._random = SeededRandom(crowd.seed + 1)
        self._pool = Pool(Compiled(rules))
        self._known: dict[TicketId, Arrival] = {}
        self._leaving: list[tuple[int, int, MatchId, Proposal]] = []
        self._numbers = itertools.count(1)
        self._run = Run()

    def run(self) -> Run:
        """Until everyone has come, and been matched or gone."""
        coming = arrivals(self._rules, self._crowd)
        following = next(coming, None)
        impatient: list[tuple[int, TicketId]] = []
        now_ms = 0
        every_ms = max(
            ROUND_MS, int(self._crowd.players / self._crowd.rate * 1000 / QUEUED_SAMPLES)
        )
        sampled_ms = 0
        while following is not None or len(self._pool):
            now_ms += ROUND_MS
            while following is not None and following.at_ms <= now_ms:
                self._known[following.ticket.id] = following
                self._pool.add(following.ticket)
                until = following.at_ms + int(self._rules.wait_s_max * 1000)
                heapq.heappush(impatient, (min(following.gives_up_ms, until), following.ticket.id))
                following = next(coming, None)
            while impatient and impatient[0][0] <= now_ms:
                self._give_up(heapq.heappop(impatient))
            self._vacate(now_ms)
            self._form(now_ms)
            if now_ms >= sampled_ms:
                sampled_ms = now_ms + every_ms
                self._run.queued.append((now_ms / 1000, len(self._pool)))
        return self._run

    def _form(self, now_ms: int) -> None:
        for proposal in form(self._pool, now_ms, self._new_id):
            if proposal is None:
                continue
            tickets = [self._known[one].ticket for one in proposal.tickets]
            if self._rules.ready is not None and self._declined(tickets):
                continue
            for ticket in tickets:
                self._note(ticket.id, now_ms, matched=True)
            self._run.matches.append(_formed(proposal, tickets))
            if self._rules.free_seats is FreeSeats.BACKFILL and not proposal.is_backfill:
                self._plan_leaving(proposal, now_ms)

    def _declined(self, tickets: list[Ticket]) -> bool:
        """Whether somebody did; the others wait again, with the time they had."""
        away = [
            ticket
            for ticket in tickets
            if any(self._random.unit() < self._crowd.decline_share for _ in ticket.players)
        ]
        if not away:
            return False
        self._run.declined += 1
        for ticket in tickets:
            if ticket not in away:
                self._pool.add(ticket)
            else:
                self._known.pop(ticket.id)
        return True

    def _plan_leaving(self, proposal: Proposal, now_ms: int) -> None:
        for _ in proposal.places:
            if self._random.unit() < self._crowd.leave_share:
                at_ms = now_ms + int(self._random.unit() * self._crowd.match_s * 1000)
                number = next(self._numbers)
                heapq.heappush(self._leaving, (at_ms, number, proposal.match, proposal))

    def _vacate(self, now_ms: int) -> None:
        ended_ms = now_ms - self._crowd.match_s * 1000
        for vacancy in list(self._pool.vacancies.values()):
            if vacancy.since_ms < ended_ms:
                del self._pool.vacancies[vacancy.match]
        while self._leaving and self._leaving[0][0] <= now_ms:
            at_ms, _, match, proposal = heapq.heappop(self._leaving)
            gone = self._random.choice(proposal.places).player
            teams = tuple(
                tuple(p.role for p in proposal.places if p.team == team and p.player != gone)
                for team in range(self._rules.teams)
            )
            self._run.seats_offered += 1
            self._pool.vacancies[match] = Vacancy(
                match=match,
                node="",
                teams=teams,
                region=proposal.region,
                properties=proposal.properties,
                skill_low=proposal.skill - proposal.spread / 2,
                skill_high=proposal.skill + proposal.spread / 2,
                since_ms=at_ms,
            )

    def _give_up(self, due: tuple[int, TicketId]) -> None:
        at_ms, ticket = due
        if self._pool.remove(ticket) is not None:
            self._note(ticket, at_ms, matched=False)

    def _note(self, ticket: TicketId, now_ms: int, *, matched: bool) -> None:
        arrival = self._known.pop(ticket)
        players = arrival.ticket.players
        skill = sum(one.skill for one in players) / len(players)
        waited_s = (now_ms - arrival.at_ms) / 1000
        self._run.tickets.append(
            Waited(skill, arrival.home, arrival.at_ms / 1000, waited_s, matched)
        )

    def _new_id(self) -> MatchId:
        return MatchId(f"m{next(self._numbers):08}")


def _formed(proposal: Proposal, tickets: list[Ticket]) -> Formed:
    skills = {one.player: one.skill for ticket in tickets for one in ticket.players}
    teams: dict[int, list[float]] = {}
    for place in proposal.places:
        teams.setdefault(place.team, []).append(skills[place.player])
    means = [sum(team) / len(team) for team in teams.values()]
    return Formed(
        len(proposal.places), proposal.spread, max(means) - min(means), proposal.is_backfill
    )


def quantile(values: list[float], share: float) -> float:
    """Of values in any order; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report: the tickets of a group."""

    group: str
    tickets: int
    p50_s: float
    p90_s: float
    p99_s: float
    gave_up: float


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a run. Shares are from 0 to 1."""

    tickets: int
    matches: int
    players_per_match: float
    gave_up: float
    declined_checks: int
    backfills: float
    seats_offered: int
    spread_mean: float
    spread_p90: float
    gap_mean: float
    gap_p90: float
    lines: list[Line]


def summary(run: Run, rules: Rules) -> Summary:
    """What a designer asks of a rule set."""
    full = [one for one in run.matches if not one.is_backfill]
    spreads, gaps = [one.spread for one in full], [one.gap for one in full]
    return Summary(
        tickets=len(run.tickets),
        matches=len(full),
        players_per_match=_mean([float(one.players) for one in full]),
        gave_up=_mean([float(not one.matched) for one in run.tickets]),
        declined_checks=run.declined,
        backfills=_mean([float(one.is_backfill) for one in run.matches]),
        seats_offered=run.seats_offered,
        spread_mean=_mean(spreads),
        spread_p90=quantile(spreads, 0.9),
        gap_mean=_mean(gaps) if rules.teams > 1 else 0.0,
        gap_p90=quantile(gaps, 0.9) if rules.teams > 1 else 0.0,
        lines=list(_lines(run)),
    )


def _lines(run: Run) -> Iterator[Line]:
    yield _line("all", run.tickets)
    ordered = sorted(run.tickets, key=lambda one: one.skill)
    cuts = (0, 0.05, 0.25, 0.75, 0.95, 1)
    for low, high in itertools.pairwise(cuts):
        some = ordered[int(low * len(ordered)) : int(high * len(ordered))]
        if some:
            name = f"skill {some[0].skill:.0f} to {some[-1].skill:.0f}"
            yield _line(f"{name} ({(high - low):.0%})", some)
    for region in dict.fromkeys(sorted(one.region for one in run.tickets)):
        if region:
            yield _line(f"region {region}", [one for one in run.tickets if one.region == region])


def _line(group: str, tickets: list[Waited]) -> Line:
    waits = [one.waited_s for one in tickets if one.matched]
    return Line(
        group=group,
        tickets=len(tickets),
        p50_s=quantile(waits, 0.5),
        p90_s=quantile(waits, 0.9),
        p99_s=quantile(waits, 0.99),
        gave_up=_mean([float(not one.matched) for one in tickets]),
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
