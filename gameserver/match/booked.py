"""Matches that matchmaking makes on this node: opened, and filled up where seats are free."""

from __future__ import annotations

from collections.abc import Sequence

from gameserver.ids import MatchId
from gameserver.match.durable import until_durable
from gameserver.match.registry import Registry
from gameserver.match.runner import Runner
from gameserver.matchmaking import Booking, Place, Queue, Vacancy
from gameserver.ports import Clock


class Booked:
    """For ``MatchService``."""

    def __init__(self, registry: Registry, *, node: str, clock: Clock) -> None:
        self._registry = registry
        self._node = node
        self._clock = clock
        self._since_ms: dict[MatchId, int] = {}

    async def open(self, match_id: MatchId, booking: Booking) -> bool:
        """See ``ports.LocalMatches.open_booked``."""
        runner = await self._registry.open_booked(match_id, booking)
        if runner is None:
            return False
        return await self._durable(runner, 1)

    async def reserve(self, match_id: MatchId, places: Sequence[Place], arrive_ms: int) -> bool:
        """See ``ports.LocalMatches.reserve``."""
        runner = self._registry.runners.get(match_id)
        if runner is None or runner.still or self._registry.maintenance is not None:
            return False
        attendance = runner.attendance
        roster, reserved, now_ms = attendance.roster, attendance.reserved, runner.time_ms
        if reserved.booking is None:
            return False
        known = [one for one in places if reserved.place(one.player) is not None]
        kept = reserved.kept(roster, now_ms)
        if len(known) < len(places) or not kept:
            if not reserved.backfills(now_ms):
                return False
            if roster.persons + kept + len(places) > runner.players_max:
                return False
            reserved.add(places, seated=roster, until_ms=now_ms + arrive_ms)
            runner.changed()
        return await self._durable(runner, runner.commits.next_version)

    async def _durable(self, runner: Runner, version: int) -> bool:
        """Wait until it is; false if the match is over. Raises ``StoreUnavailable``."""
        await until_durable(
            self._registry.runners,
            runner,
            lambda: runner.over or runner.commits.version >= version,
        )
        return not runner.over

    def vacancies(self) -> dict[Queue, list[Vacancy]]:
        """See ``ports.LocalMatches.vacancies``."""
        found: dict[Queue, list[Vacancy]] = {}
        since_ms: dict[MatchId, int] = {}
        for runner in self._registry.runners.values():
            booking = runner.attendance.reserved.booking
            if booking is None or runner.still:
                continue
            teams = _teams(runner)
            if teams is not None:
                began = self._since_ms.get(runner.match_id, self._clock.wall_ms())
                since_ms[runner.match_id] = began
                found.setdefault(booking.queue, []).append(
                    Vacancy(
                        match=runner.match_id,
                        node=self._node,
                        teams=teams,
                        region=booking.region,
                        properties=booking.properties,
                        skill_low=booking.skill_low,
                        skill_high=booking.skill_high,
                        since_ms=began,
                    )
                )
        self._since_ms = since_ms
        return found


def _teams(runner: Runner) -> tuple[tuple[str, ...], ...] | None:
    """Who sits in each team, by role; ``None`` where nothing is to be filled."""
    rules = runner.game.modes[runner.mode].matchmaking
    attendance = runner.attendance
    if rules is None or not attendance.reserved.backfills(runner.time_ms):
        return None
    teams: list[list[str]] = [[] for _ in range(rules.teams)]
    for member in attendance.roster:
        if member.player.team < rules.teams and not member.player.is_bot:
            teams[member.player.team].append(member.player.role)
    if not 0 < attendance.roster.persons < rules.size:
        return None
    return tuple(map(tuple, teams))
