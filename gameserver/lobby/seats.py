"""The teams of a match while it is being formed: who fits where, by number and by role."""

from __future__ import annotations

from collections.abc import Sequence

from gameserver.game.matchmaking import Rules

Slots = list[tuple[int, int] | None]
"""Of one team: who sits there, as ticket and player of it; those of roles come first."""

TAKEN = (-1, -1)
"""A seat of a running match that is not free."""


class Seats:
    """``add`` puts a whole ticket into one team, or says that it does not fit.

    Without roles that is counting. With roles each team is a matching of players to seats: a new
    player may push others to seats that suit them as well (augmenting paths, H. W. Kuhn 1955).
    """

    __slots__ = ("_masks", "_owners", "_roles", "_spread", "_teams", "free", "tickets")

    def __init__(self, rules: Rules, taken: Sequence[Sequence[str]] = ()) -> None:
        size = rules.team_size
        names = [role.name for role in rules.roles for _ in range(role.count)]
        bits = {role.name: 1 << n for n, role in enumerate(rules.roles)}
        self._roles = [bits[name] for name in names] + [0] * (size - len(names))
        self._teams: list[Slots] = [[None] * size for _ in range(rules.teams)]
        self.free = [size] * rules.teams
        self.tickets: list[list[int]] = [[] for _ in range(rules.teams)]
        self._masks: dict[tuple[int, int], int] = {}
        self._owners: dict[int, int] = {}
        # Where a match may begin with fewer, teams grow side by side.
        self._spread = 0 < rules.team_size_min < size and rules.teams > 1
        for team, roles in enumerate(taken[: rules.teams]):
            for role in roles[:size]:
                self._occupy(team, bits.get(role, 0))

    def _occupy(self, team: int, role: int) -> None:
        slots = self._teams[team]
        free = [n for n, who in enumerate(slots) if who is None]
        slots[next((n for n in free if self._roles[n] == role), free[-1])] = TAKEN
        self.free[team] -= 1

    def add(self, ticket: int, roles: Sequence[int]) -> bool:
        """``roles``: for each player the bits of those that they play; 0: any."""
        size = len(roles)
        fitting = [team for team, free in enumerate(self.free) if free >= size]
        # The fullest team first, so that room for parties is left.
        fitting.sort(key=lambda team: -self.free[team] if self._spread else self.free[team])
        return any(self.add_to(team, ticket, roles) for team in fitting)

    def add_to(self, team: int, ticket: int, roles: Sequence[int]) -> bool:
        """The same for one team."""
        if self.free[team] < len(roles):
            return False
        before = self._teams[team].copy()
        for player, mask in enumerate(roles):
            self._masks[ticket, player] = mask
            if not self._seat(team, (ticket, player), set()):
                self._teams[team] = before
                return False
        # A larger ticket that did not fit may have had this number before.
        beyond = len(roles)
        while self._masks.pop((ticket, beyond), None) is not None:
            beyond += 1
        self.free[team] -= len(roles)
        self.tickets[team].append(ticket)
        self._owners[ticket] = team
        return True

    def _seat(self, team: int, who: tuple[int, int], tried: set[int]) -> bool:
        slots, mask = self._teams[team], self._masks[who]
        suited = [n for n, role in enumerate(self._roles) if not mask or mask & role]
        for n in suited:
            if slots[n] is None:
                slots[n] = who
                return True
        if not any(self._roles):
            return False
        for n in suited:
            other = slots[n]
            if n in tried or other is None or other == TAKEN:
                continue
            tried.add(n)
            slots[n] = None
            if self._seat_elsewhere(team, other, n, tried):
                slots[n] = who
                return True
            slots[n] = other
        return False

    def _seat_elsewhere(self, team: int, who: tuple[int, int], n: int, tried: set[int]) -> bool:
        slots = self._teams[team]
        slots[n] = TAKEN  # It is promised to whoever pushes.
        found = self._seat(team, who, tried)
        slots[n] = None
        return found

    def swap(self, one: int, other: int) -> bool:
        """Exchange two tickets of equal size between their teams; false, and no change, where the
        roles forbid it."""
        mine, theirs = self._owners[one], self._owners[other]
        kept = [self._teams[mine].copy(), self._teams[theirs].copy()]
        roles_of_one, roles_of_other = self._take(one), self._take(other)
        if self.add_to(theirs, one, roles_of_one):
            if self.add_to(mine, other, roles_of_other):
                return True
            self._take(one)
        self._teams[mine], self._teams[theirs] = kept
        for team, ticket, roles in ((mine, one, roles_of_one), (theirs, other, roles_of_other)):
            self.free[team] -= len(roles)
            self.tickets[team].append(ticket)
            self._owners[ticket] = team
        return False

    def _take(self, ticket: int) -> list[int]:
        team = self._owners.pop(ticket)
        slots = self._teams[team]
        roles = []
        for n, who in enumerate(slots):
            if who is not None and who[0] == ticket:
                slots[n] = None
        player = 0
        while (ticket, player) in self._masks:
            roles.append(self._masks[ticket, player])
            player += 1
        self.free[team] += len(roles)
        self.tickets[team].remove(ticket)
        return roles

    def begins(self, rules: Rules) -> bool:
        """Whether the match may begin with who is there: every team has its fewest, its roles are
        filled, and no team is larger than another by more than one."""
        fewest = rules.team_size_min or rules.team_size
        most_free = rules.team_size - fewest
        if max(self.free) > most_free or max(self.free) - min(self.free) > 1:
            return False
        roles = sum(role.count for role in rules.roles)
        return all(None not in slots[:roles] for slots in self._teams)

    def places(self) -> dict[tuple[int, int], tuple[int, int]]:
        """For each ticket and player: team, and the index of the role or -1."""
        found = {}
        for team, slots in enumerate(self._teams):
            for n, who in enumerate(slots):
                if who is not None and who != TAKEN:
                    role = self._roles[n]
                    found[who] = (team, role.bit_length() - 1)
        return found
