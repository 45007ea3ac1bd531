"""Matchmaking as one writes it first: for every ticket, look at every other one.

The rules are those of the comparison (windows of skill, a region near enough to all, a map that all
accept, parties whole in one of two teams), by dictionaries and sets, without an index. O(n²).
"""

from __future__ import annotations

import time

from gameserver.game.matchmaking import Rules
from gameserver.matchmaking import Ticket


def fits(one: Ticket, other: Ticket, rules: Rules, now_ms: int) -> float | None:
    """The distance in skill, or ``None``."""
    skill, latency = rules.skill, rules.latency
    assert skill is not None and latency is not None
    waited_s = (now_ms - one.enqueued_ms) / 1000
    window = min(skill.window_max, skill.window + skill.widen_per_s * waited_s)
    distance = abs(one.players[0].skill - other.players[0].skill)
    if distance > window:
        return None
    limit = latency.limit_ms + latency.widen_per_s * waited_s
    near = {name for name, ms in one.wish.latency_ms.items() if ms <= limit}
    if not near & {name for name, ms in other.wish.latency_ms.items() if ms <= limit}:
        return None
    if not set(one.wish.accepts["map"]) & set(other.wish.accepts["map"]):
        return None
    return distance


def form(tickets: list[Ticket], rules: Rules, now_ms: int, *, seconds: float) -> tuple[int, float]:
    """How many tickets were matched, in how many s (about ``seconds`` at most)."""
    began = time.perf_counter()
    waiting = {ticket.id: ticket for ticket in tickets}
    matched = 0
    for anchor in sorted(tickets, key=lambda one: one.enqueued_ms):
        if time.perf_counter() - began > seconds:
            break
        if anchor.id not in waiting:
            continue
        found = []
        for other in waiting.values():
            if other.id != anchor.id:
                distance = fits(anchor, other, rules, now_ms)
                if distance is not None:
                    found.append((distance, other.id))
        free = [rules.team_size] * rules.teams
        chosen = []
        for candidate in [anchor, *(waiting[name] for _, name in sorted(found))]:
            team = next((n for n, left in enumerate(free) if left >= candidate.size), None)
            if team is not None:
                free[team] -= candidate.size
                chosen.append(candidate)
            if not any(free):
                break
        if not any(free):
            matched += len(chosen)
            for ticket in chosen:
                del waiting[ticket.id]
    return matched, time.perf_counter() - began
