"""How players of one mode are brought together: what a game author declares beside the mode::

    modes = {
        "ranked": Mode(
            players_max=8,
            matchmaking=Rules(
                teams=2,
                team_size=4,
                roles=(Role("healer", 1), Role("tank", 1)),
                skill=Skill(window=100, widen_per_s=5, window_max=600),
                latency=Latency(regions=("eu", "us"), limit_ms=60, widen_per_s=2, limit_ms_max=180),
                required=(Choice("map", ("desert", "forest")),),
                ready=Ready(within_s=15),
            ),
        )
    }

All of it is values, so a rule set may also be written as TOML or JSON, and be tried with
``python -m gameserver matchmaking simulate`` before it goes live. docs/matchmaking.md says more.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

TEAMS_MAX = 64
TEAM_SIZE_MAX = 128
MATCH_SIZE_MAX = 128
PROPERTIES_MAX = 8
VALUES_MAX = 32
REGIONS_MAX = 32
ROLES_MAX = 8
PARTY_MAX = 16

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,31}\Z")]
Seconds = Annotated[float, Meta(ge=0, le=3600)]
Weight = Annotated[float, Meta(ge=0, le=100)]
Amount = Annotated[float, Meta(ge=0, le=1_000_000)]


class Skill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The best and the worst of a match differ by at most the window of who has waited longest.

    The window begins at ``window``, grows by ``widen_per_s`` each second of waiting and ends at
    ``window_max``. A party counts as its mean. ``initial``: the skill of newcomers; ``scale``: the
    points of one point of rating, of which a newcomer has 25, give or take 8.3.
    """

    window: Amount = 100
    widen_per_s: Amount = 5
    window_max: Amount = 600
    initial: float = 1500
    scale: Amount = 24


class Latency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A match is played in a region that is near enough to every player, each by their own limit,
    which grows with their own waiting; of several regions the one with the lowest worst latency."""

    regions: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=REGIONS_MAX)]
    limit_ms: Amount = 60
    widen_per_s: Amount = 2
    limit_ms_max: Amount = 250


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A property whose values are named here. A ticket says which of them it accepts; one that says
    nothing accepts all. ``weight`` counts only where the property is preferred."""

    name: Name
    values: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=VALUES_MAX)]
    weight: Weight = 1.0


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A numeric property, such as a stake: a ticket says from where to where it accepts, and some
    number must suit all. One that says nothing accepts from ``low`` to ``high``."""

    name: Name
    low: float
    high: float


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Each team has ``count`` players in this role. A player who names roles plays one of them; one
    who names none plays any, and only such players take the seats that have no role."""

    name: Name
    count: Annotated[int, Meta(ge=1, le=TEAM_SIZE_MAX)] = 1


class Ready(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All players of a match are asked before it is opened. Who declines, or does not answer within
    ``within_s``, loses the ticket and may not queue again for ``penalty_s``; the others go back to
    the front with the time they have waited."""

    within_s: Annotated[float, Meta(ge=1, le=120)] = 15
    penalty_s: Seconds = 30


class FreeSeats(StrEnum):
    """What becomes of seats that are free after the match has begun."""

    CLOSED = "closed"  #: they stay empty
    BACKFILL = "backfill"  #: matchmaking fills them, by the same rules
    OPEN = "open"  #: quick join may fill them


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rule set of one mode. Raises ``ValueError`` for one that contradicts itself.

    ``teams`` of ``team_size``; a free-for-all is one team. ``team_size_min``: with fewer than
    ``team_size`` a match may begin once somebody has waited for ``fill_s``; 0 means it must be
    full. ``party_max``: players of one ticket, who are never parted. ``roles``: of each team.
    ``required``: of each of these properties some value must be accepted by all; ``preferred``: of
    candidates as near in skill those who agree come first; ``ranges``: some number must suit all.
    ``ready``: everyone is asked before the match is opened. ``arrive_s``: how long seats of a new
    match are kept for its players; ``free_seats``: what becomes of them then. ``wait_s_max``: a
    ticket that waits longer expires; ``tickets_max``: a queue with so many refuses more.
    """

    teams: Annotated[int, Meta(ge=1, le=TEAMS_MAX)] = 1
    team_size: Annotated[int, Meta(ge=1, le=TEAM_SIZE_MAX)]
    team_size_min: Annotated[int, Meta(ge=0, le=TEAM_SIZE_MAX)] = 0
    fill_s: Seconds = 10
    party_max: Annotated[int, Meta(ge=1, le=PARTY_MAX)] = 1
    roles: Annotated[tuple[Role, ...], Meta(max_length=ROLES_MAX)] = ()
    skill: Skill | None = None
    latency: Latency | None = None
    required: Annotated[tuple[Choice, ...], Meta(max_length=PROPERTIES_MAX)] = ()
    preferred: Annotated[tuple[Choice, ...], Meta(max_length=PROPERTIES_MAX)] = ()
    ranges: Annotated[tuple[Range, ...], Meta(max_length=PROPERTIES_MAX)] = ()
    ready: Ready | None = None
    free_seats: FreeSeats = FreeSeats.CLOSED
    arrive_s: Annotated[float, Meta(ge=1, le=300)] = 20
    wait_s_max: Annotated[float, Meta(ge=10, le=86_400)] = 900
    tickets_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 50_000

    def __post_init__(self) -> None:
        for wrong in _problems(self):
            raise ValueError(wrong)

    @property
    def size(self) -> int:
        """Players of a full match."""
        return self.teams * self.team_size

    @property
    def size_min(self) -> int:
        """Players without whom no match begins."""
        return self.teams * (self.team_size_min or self.team_size)


def _problems(rules: Rules) -> list[str]:
    found = []
    if rules.size > MATCH_SIZE_MAX:
        found.append(f"a match has at most {MATCH_SIZE_MAX} players, not {rules.size}")
    if rules.size < 2:
        found.append("a match needs two players at least")
    if rules.team_size_min > rules.team_size:
        found.append("team_size_min is above team_size")
    if rules.size_min < 2:
        found.append("a match must not begin with fewer than two players: raise team_size_min")
    if rules.party_max > rules.team_size:
        found.append("a party stays in one team: party_max is above team_size")
    if sum(role.count for role in rules.roles) > (rules.team_size_min or rules.team_size):
        found.append("the roles of a team are more than its players")
    if rules.skill is not None and rules.skill.window > rules.skill.window_max:
        found.append("skill.window is above skill.window_max")
    if rules.latency is not None and rules.latency.limit_ms > rules.latency.limit_ms_max:
        found.append("latency.limit_ms is above latency.limit_ms_max")
    found += [
        f"the range {each.name} has low above high"
        for each in rules.ranges
        if not each.low <= each.high
    ]
    properties = [each.name for each in (*rules.required, *rules.preferred)]
    properties += [each.name for each in rules.ranges]
    lists = [properties, [role.name for role in rules.roles]]
    lists += [list(choice.values) for choice in (*rules.required, *rules.preferred)]
    lists += [list(rules.latency.regions)] if rules.latency is not None else []
    found += [
        f"a name is given twice: {', '.join(names)}"
        for names in lists
        if len(set(names)) < len(names)
    ]
    return found
