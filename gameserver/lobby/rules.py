"""A rule set, compiled: names become bits and waiting becomes windows, so that forming compares
whole numbers only."""

from __future__ import annotations

from gameserver.errors import TicketRefused
from gameserver.game.matchmaking import Choice, Rules, Skill
from gameserver.matchmaking import NEWCOMER, Rating, Ticket

NEVER_MS = 1 << 62
REGIONS_TRIED = 8
"""Regions of one ticket that count: the nearest ones."""
INDEXED_VALUES_MAX = 8


class Row:
    """A waiting ticket, as forming sees it. ``region_mask``: the regions that are near enough at
    the time of the last look; ``retry_ms``: when a match is sought for it again."""

    __slots__ = (
        "enqueued_ms",
        "failures",
        "here",
        "id",
        "keys",
        "next_region_ms",
        "preferred",
        "ranges",
        "region_mask",
        "region_ms",
        "region_steps",
        "required",
        "retry_ms",
        "roles",
        "size",
        "skill",
        "ticket",
    )

    def __init__(self, ticket: Ticket, rules: Compiled) -> None:
        self.ticket = ticket
        self.id = ticket.id
        self.size = len(ticket.players)
        self.skill = sum(one.skill for one in ticket.players) / self.size
        self.enqueued_ms = ticket.enqueued_ms
        wish = ticket.wish
        self.required = [_mask(each, wish.accepts) for each in rules.rules.required]
        self.preferred = [_mask(each, wish.accepts) for each in rules.rules.preferred]
        self.ranges = [
            wish.ranges.get(each.name, (each.low, each.high)) for each in rules.rules.ranges
        ]
        self.roles = [rules.role_mask(one.roles) for one in ticket.players]
        self.region_ms = rules.distances(wish.latency_ms)
        self.region_steps = [
            (self.enqueued_ms + after_ms if (after_ms := rules.near_after_ms(ms)) else 0, bit)
            for ms, bit in self.region_ms
        ]
        self.region_mask = 0
        self.next_region_ms = self.region_steps[0][0] if self.region_steps else NEVER_MS
        self.keys = rules.keys(self)
        self.retry_ms = 0
        self.failures = 0
        self.here = True

    def look(self, now_ms: int) -> int:
        """The regions that are near enough by now."""
        if now_ms >= self.next_region_ms:
            self.next_region_ms = NEVER_MS
            for at_ms, bit in self.region_steps:
                if at_ms > now_ms:
                    self.next_region_ms = at_ms
                    break
                self.region_mask |= 1 << bit
        return self.region_mask


class Compiled:
    """See the module."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.size, self.size_min = rules.size, rules.size_min
        self.regions = rules.latency.regions if rules.latency is not None else ("",)
        self._roles = {role.name: 1 << n for n, role in enumerate(rules.roles)}
        self.role_names = [role.name for role in rules.roles]
        first = rules.required[0] if rules.required else None
        self._indexed = 0
        if first is not None and len(first.values) <= INDEXED_VALUES_MAX:
            self._indexed = len(first.values)

    @property
    def is_indexed(self) -> bool:
        """Whether the lists are kept by values of the first required property."""
        return self._indexed > 0

    def window(self, waited_ms: float) -> float:
        """How far apart skills may be after so long."""
        skill = self.rules.skill
        if skill is None:
            return float("inf")
        return min(skill.window_max, skill.window + skill.widen_per_s * max(0.0, waited_ms) / 1000)

    def latency_limit(self, waited_ms: float) -> float:
        """How far a region may be, in ms, after so long."""
        latency = self.rules.latency
        if latency is None:
            return float("inf")
        grown = latency.limit_ms + latency.widen_per_s * max(0.0, waited_ms) / 1000
        return min(latency.limit_ms_max, grown)

    def near_after_ms(self, distance_ms: float) -> int:
        """After how much waiting a region at this distance is near enough."""
        latency = self.rules.latency
        if latency is None or distance_ms <= latency.limit_ms:
            return 0
        if distance_ms > latency.limit_ms_max or not latency.widen_per_s:
            return NEVER_MS
        return int((distance_ms - latency.limit_ms) / latency.widen_per_s * 1000) + 1

    def distances(self, latency_ms: dict[str, int]) -> list[tuple[int, int]]:
        """The nearest regions that may become near enough: ms and bit."""
        if self.rules.latency is None:
            return [(0, 0)]
        found = [
            (latency_ms[name], bit) for bit, name in enumerate(self.regions) if name in latency_ms
        ]
        near = sorted(each for each in found if self.near_after_ms(each[0]) < NEVER_MS)
        return near[:REGIONS_TRIED]

    def role_mask(self, roles: tuple[str, ...]) -> int:
        """0: any."""
        return sum(self._roles[role] for role in set(roles) if role in self._roles)

    def keys(self, row: Row) -> list[int]:
        """The lists in which ``row`` can be found, nearest region first."""
        values = self.values(row)
        return [bit * VALUES + value for _, bit in row.region_ms for value in values]

    def values(self, row: Row) -> list[int]:
        """Of the indexed property: those that ``row`` accepts."""
        if not self._indexed:
            return [0]
        return [value for value in range(self._indexed) if row.required[0] >> value & 1]


VALUES = 64
"""Lists of one region; more than any property has indexed values."""


def _mask(choice: Choice, accepts: dict[str, tuple[str, ...]]) -> int:
    names = accepts.get(choice.name)
    if not names:
        return (1 << len(choice.values)) - 1
    return sum(1 << bit for bit, value in enumerate(choice.values) if value in names)


def skill_of(rating: Rating, rules: Skill) -> float:
    """A rating as points of a mode's skill. A newcomer has ``initial``."""
    return rules.initial + (rating.mu - NEWCOMER.mu) * rules.scale


def check_ticket(ticket: Ticket, rules: Rules) -> None:
    """Raises ``TicketRefused`` for one that could never be matched, with what to change."""
    wish = ticket.wish
    if ticket.size > rules.party_max:
        raise TicketRefused("party_too_large", f"a party has at most {rules.party_max} players")
    if len({one.player for one in ticket.players}) < ticket.size:
        raise TicketRefused("bad_ticket", "a player is named twice")
    known = {role.name for role in rules.roles}
    for applicant in ticket.players:
        for role in applicant.roles:
            if role not in known:
                raise TicketRefused("bad_ticket", f"there is no role {role!r}")
    choices = {each.name: each for each in (*rules.required, *rules.preferred)}
    for name, values in wish.accepts.items():
        if name not in choices:
            raise TicketRefused("bad_ticket", f"there is no property {name!r}")
        wrong = [value for value in values if value not in choices[name].values]
        if wrong:
            raise TicketRefused("bad_ticket", f"{name} has no value {wrong[0]!r}")
    _check_ranges(wish.ranges, rules)
    _check_latency(wish.latency_ms, rules)


def _check_ranges(ranges: dict[str, tuple[float, float]], rules: Rules) -> None:
    known = {each.name: each for each in rules.ranges}
    for name, (low, high) in ranges.items():
        if name not in known:
            raise TicketRefused("bad_ticket", f"there is no range {name!r}")
        if not known[name].low <= low <= high <= known[name].high:
            within = f"{known[name].low:g} to {known[name].high:g}"
            raise TicketRefused("bad_ticket", f"{name} goes from low to high within {within}")


def _check_latency(latency_ms: dict[str, int], rules: Rules) -> None:
    latency = rules.latency
    if latency is None:
        return
    if any(ms < 0 for ms in latency_ms.values()):
        raise TicketRefused("bad_ticket", "a latency is not negative")
    limit = latency.limit_ms_max if latency.widen_per_s else latency.limit_ms
    if not any(latency_ms.get(name, limit + 1) <= limit for name in latency.regions):
        regions = ", ".join(latency.regions)
        raise TicketRefused(
            "no_region", f"none of {regions} is within {limit:g} ms: measure them and say so"
        )
