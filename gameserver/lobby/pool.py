"""The waiting tickets of one queue, in lists sorted by skill: one for each region and value of the
first required property, so that the nearest candidates of a ticket stand beside it."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

from gameserver.lobby.rules import Compiled, Row
from gameserver.matchmaking import Ticket, TicketId, Vacancy

Entry = tuple[float, int, str, Row]
"""Skill, then age and id, so that no two are equal and all nodes sort alike."""


class Pool:
    """Adding and removing cost a search and a move of pointers for each list of the ticket: a few
    microseconds at 20,000 tickets."""

    def __init__(self, rules: Compiled) -> None:
        self.rules = rules
        self.rows: dict[TicketId, Row] = {}
        self.vacancies: dict[str, Vacancy] = {}
        self.tried: dict[str, tuple[int, int]] = {}
        """Of vacancies that found nobody: when to try again, and how often it was in vain."""
        self.by_skill: list[Entry] = []
        self.by_age: list[tuple[int, str, Row]] = []
        self.resume: tuple[int, str] | None = None
        """Age and id of the ticket at which a pass was broken off; the next one begins there."""
        self._lists: dict[int, list[Entry]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, ticket: Ticket) -> None:
        """A ticket waits; one that is here already stays as it is."""
        if ticket.id in self.rows:
            return
        row = Row(ticket, self.rules)
        self.rows[ticket.id] = row
        entry = (row.skill, row.enqueued_ms, row.id, row)
        insort(self.by_skill, entry)
        insort(self.by_age, (row.enqueued_ms, row.id, row))
        for key in row.keys:
            insort(self._lists.setdefault(key, []), entry)

    def add_all(self, tickets: Iterable[Ticket]) -> None:
        """Many at once."""
        for ticket in tickets:
            self.add(ticket)

    def anchors(self) -> list[tuple[int, str, Row]]:
        """All tickets, oldest first, or from ``resume`` on and then from the oldest."""
        if self.resume is None:
            return self.by_age.copy()
        at = bisect_left(self.by_age, self.resume)
        return self.by_age[at:] + self.by_age[:at]

    def remove(self, ticket: TicketId) -> Row | None:
        """It waits no more."""
        row = self.rows.pop(ticket, None)
        if row is None:
            return None
        row.here = False
        entry = (row.skill, row.enqueued_ms, row.id, row)
        _drop(self.by_skill, entry)
        aged = (row.enqueued_ms, row.id, row)
        del self.by_age[bisect_left(self.by_age, aged)]
        for key in row.keys:
            entries = self._lists[key]
            _drop(entries, entry)
            if not entries:
                del self._lists[key]
        return row

    def near(self, key: int, row: Row, skill: float) -> Iterator[Row]:
        """The others of list ``key``, from the nearest skill outwards; below before above. The list
        must not change meanwhile."""
        entries = self._lists.get(key, [])
        return _outwards(entries, bisect_left(entries, (skill, row.enqueued_ms, row.id)), row)

    def nearest(self, row: Row) -> Iterator[Row]:
        """The others of all lists."""
        at = bisect_left(self.by_skill, (row.skill, row.enqueued_ms, row.id))
        return _outwards(self.by_skill, at, row)

    def around(self, key: int, skill: float) -> Iterator[Row]:
        """Everyone of list ``key``, from the nearest to ``skill`` outwards."""
        entries = self._lists.get(key, [])
        return _outwards_from(entries, bisect_left(entries, (skill,)), skill)


def _drop(entries: list[Entry], entry: Entry) -> None:
    del entries[bisect_left(entries, entry)]


def _outwards(entries: list[Entry], at: int, row: Row) -> Iterator[Row]:
    return (other for other in _outwards_from(entries, at, row.skill) if other is not row)


def _outwards_from(entries: list[Entry], at: int, skill: float) -> Iterator[Row]:
    below, above, count = at - 1, at, len(entries)
    while below >= 0 and above < count:
        if skill - entries[below][0] <= entries[above][0] - skill:
            yield entries[below][3]
            below -= 1
        else:
            yield entries[above][3]
            above += 1
    while below >= 0:
        yield entries[below][3]
        below -= 1
    while above < count:
        yield entries[above][3]
        above += 1
