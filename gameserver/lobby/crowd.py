"""Players who come to a simulated queue: when, how good, from where, with whom, how patient."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from gameserver.game.matchmaking import Rules
from gameserver.game.random import SeededRandom
from gameserver.ids import PlayerId
from gameserver.matchmaking import Applicant, Ticket, TicketId, Wish

DAY_SWING = 0.6
"""At its peak the day has so much more arrivals than on average, at its bottom so much fewer."""
NEAR_MS = 15, 50
FAR_MS = 90, 200


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """``rate``: players a second, on average over a day that lasts as long as the run. Shares are
    from 0 to 1; ``skill``: mean and deviation, by default around that of new players."""

    players: int = 20_000
    rate: float = 20.0
    seed: int = 1
    skill_deviation: float = 300.0
    patience_s: float = 300.0
    party_share: float = 0.2
    decline_share: float = 0.03
    leave_share: float = 0.05
    match_s: float = 600.0


class Arrival(msgspec.Struct, frozen=True):
    at_ms: int
    ticket: Ticket
    home: str
    gives_up_ms: int


def arrivals(rules: Rules, crowd: Crowd) -> Iterator[Arrival]:
    """In order of time: a Poisson process whose rate follows the day."""
    random = SeededRandom(crowd.seed)
    day_s = crowd.players / crowd.rate
    regions = rules.latency.regions if rules.latency is not None else ("",)
    party = (2 + rules.party_max) / 2 if rules.party_max > 1 else 1.0
    tickets_per_s = crowd.rate / (1 + crowd.party_share * (party - 1))
    at_s, come, number = 0.0, 0, 0
    while come < crowd.players:
        # Thinning: draw at the peak's rate, and keep as many as the hour has.
        at_s += exponential(random, 1 / (tickets_per_s * (1 + DAY_SWING)))
        hour = 1 - DAY_SWING * math.cos(2 * math.pi * at_s / day_s)
        if random.unit() * (1 + DAY_SWING) > hour:
            continue
        number += 1
        home = regions[min(int(random.unit() ** 1.5 * len(regions)), len(regions) - 1)]
        ticket = _ticket(rules, crowd, random, number, home, at_ms=int(at_s * 1000))
        come += ticket.size
        patience_s = exponential(random, crowd.patience_s)
        yield Arrival(ticket.enqueued_ms, ticket, home, int((at_s + patience_s) * 1000))


def exponential(random: SeededRandom, mean: float) -> float:
    """A wait of this mean."""
    return -mean * math.log(1 - random.unit())


def _ticket(
    rules: Rules, crowd: Crowd, random: SeededRandom, number: int, home: str, *, at_ms: int
) -> Ticket:
    size = 1
    if rules.party_max > 1 and random.unit() < crowd.party_share:
        size = random.between(2, rules.party_max)
    middle = rules.skill.initial if rules.skill is not None else 1500.0
    skill = middle + crowd.skill_deviation * _normal(random)
    players = tuple(
        Applicant(
            PlayerId(f"p{number}.{n}"),
            round(skill + 50 * _normal(random), 1) if size > 1 else round(skill, 1),
            _roles(rules, random),
        )
        for n in range(size)
    )
    accepts = {
        each.name: tuple(v for v in each.values if random.unit() < 0.6) or (each.values[0],)
        for each in (*rules.required, *rules.preferred)
    }
    ranges = {each.name: _range(random, each.low, each.high) for each in rules.ranges}
    wish = Wish(latency_ms=_latencies(rules, random, home), accepts=accepts, ranges=ranges)
    return Ticket(id=TicketId(f"t{number:08}"), players=players, wish=wish, enqueued_ms=at_ms)


def _latencies(rules: Rules, random: SeededRandom, home: str) -> dict[str, int]:
    if rules.latency is None:
        return {}
    return {
        name: random.between(*(NEAR_MS if name == home else FAR_MS))
        for name in rules.latency.regions
    }


def _roles(rules: Rules, random: SeededRandom) -> tuple[str, ...]:
    """As often as teams need them, and a fifth of the players play anything."""
    if not rules.roles or random.unit() < 0.2:
        return ()
    drawn = random.below(rules.team_size)
    for role in rules.roles:
        if drawn < role.count:
            return (role.name,)
        drawn -= role.count
    return ()


def _range(random: SeededRandom, low: float, high: float) -> tuple[float, float]:
    start = low + random.unit() * (high - low) / 2
    return (start, start + random.unit() * (high - start))


def _normal(random: SeededRandom) -> float:
    """G. E. P. Box, M. E. Muller, 1958."""
    return math.sqrt(-2 * math.log(1 - random.unit())) * math.cos(2 * math.pi * random.unit())
