"""Tickets and rules for tests."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from gameserver.game.matchmaking import Rules
from gameserver.ids import MatchId, PlayerId
from gameserver.lobby.form import form
from gameserver.lobby.pool import Pool
from gameserver.lobby.rules import Compiled
from gameserver.matchmaking import Applicant, Proposal, Ticket, TicketId, Vacancy, Wish

DUEL = Rules(team_size=2)


def ticket(
    name: str,
    skill: float = 1500,
    *,
    size: int = 1,
    roles: tuple[str, ...] = (),
    at_ms: int = 0,
    latency_ms: dict[str, int] | None = None,
    accepts: dict[str, tuple[str, ...]] | None = None,
    ranges: dict[str, tuple[float, float]] | None = None,
) -> Ticket:
    """Of ``size`` players ``name.0``, ``name.1`` … who all play ``roles``."""
    return Ticket(
        id=TicketId(name),
        players=tuple(Applicant(PlayerId(f"{name}.{n}"), skill, roles) for n in range(size)),
        wish=Wish(latency_ms=latency_ms or {}, accepts=accepts or {}, ranges=ranges or {}),
        enqueued_ms=at_ms,
    )


def numbered() -> Callable[[], MatchId]:
    """Ids m1, m2 …"""
    numbers = itertools.count(1)
    return lambda: MatchId(f"m{next(numbers)}")


def formed(
    rules: Rules, *tickets: Ticket, now_ms: int = 0, vacancies: tuple[Vacancy, ...] = ()
) -> list[Proposal]:
    """All proposals of one pass."""
    pool = Pool(Compiled(rules))
    pool.add_all(tickets)
    pool.vacancies.update({each.match: each for each in vacancies})
    return [one for one in form(pool, now_ms, numbered()) if one is not None]


def together(proposals: list[Proposal]) -> list[set[str]]:
    """Which tickets each has."""
    return [set(one.tickets) for one in proposals]
