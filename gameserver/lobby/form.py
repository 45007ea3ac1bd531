"""Which tickets fit together: a function of the waiting tickets, the rules and the time.

The oldest ticket that has not been tried lately is the **anchor**. Its candidates stand beside it
in the pool's lists; they are taken from the nearest skill outwards, each if the match would still
keep every rule:

    spread of skills ≤ the anchor's window      some region is near enough to everyone
    some value of each required property        some number of each range
    a team with room for the whole party, and roles for its players

At most ``SCANNED_MAX`` candidates of a list are looked at, so that a pass over n tickets costs n
times a constant. What comes out depends on nothing else: the same tickets, rules and time give the
same proposals, on every node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from gameserver.ids import MatchId
from gameserver.lobby.pool import Pool
from gameserver.lobby.rules import VALUES, Compiled, Row
from gameserver.lobby.seats import Seats
from gameserver.matchmaking import Place, Proposal, Vacancy

SCANNED_MAX = 256
LISTS_TRIED = 4
CHOSEN_FROM = 4
"""With preferred properties: candidates that are weighed, for each seat."""
SWAPS_MAX = 8
RETRY_MS = 250
RETRIES_SLOWER = 3
"""What finds no match is tried again after 250 ms, 500 ms, 1 s, and then every 2 s; until then a
ticket is a candidate of others."""

NewId = Callable[[], MatchId]


class Draft:
    """A match that grows. Its bounds are those of the anchor."""

    __slots__ = ("high", "low", "masks", "pool", "ranges", "region", "rows", "seats", "size",
                 "window")  # fmt: skip

    def __init__(self, pool: Pool, *, region: int, window: float, seats: Seats) -> None:
        rules = pool.rules.rules
        self.pool = pool
        self.region = region
        self.window = window
        self.seats = seats
        self.size = pool.rules.size - sum(seats.free)
        self.rows: list[Row] = []
        self.masks = [(1 << len(each.values)) - 1 for each in rules.required]
        self.ranges = [(each.low, each.high) for each in rules.ranges]
        self.low, self.high = float("inf"), float("-inf")

    @property
    def full(self) -> bool:
        return self.size == self.pool.rules.size

    def add(self, row: Row, now_ms: int) -> bool:
        """Take ``row`` in, if every rule allows it."""
        low = row.skill if row.skill < self.low else self.low
        high = row.skill if row.skill > self.high else self.high
        if high - low > self.window or not row.look(now_ms) >> self.region & 1:
            return False
        masks = [one & other for one, other in zip(self.masks, row.required, strict=True)]
        if 0 in masks:
            return False
        ranges = self.ranges
        if ranges:
            ranges = [
                (max(a, c), min(b, d)) for (a, b), (c, d) in zip(ranges, row.ranges, strict=True)
            ]
            if any(a > b for a, b in ranges):
                return False
        if not self.seats.add(len(self.rows), row.roles):
            return False
        self.rows.append(row)
        self.size += row.size
        self.low, self.high, self.masks, self.ranges = low, high, masks, ranges
        return True

    def grow(self, candidates: Iterator[Row], now_ms: int) -> None:
        """Take candidates, nearest first, until the match is full."""
        skill = self.rows[0].skill if self.rows else (self.low + self.high) / 2
        for row in islice(candidates, SCANNED_MAX):
            if abs(row.skill - skill) > self.window:
                return  # All further ones are too far on both sides, or on the nearer one.
            if self.add(row, now_ms) and self.full:
                return


def form(pool: Pool, now_ms: int, new_id: NewId) -> Iterator[Proposal | None]:
    """Proposals, and ``None`` after each anchor without one, so that whoever runs this may do
    something else in between. The tickets of a proposal leave the pool; it must not be changed
    otherwise while this runs, except between two answers. Whoever breaks a pass off lets the next
    one go on where it ended, so that every ticket has its turn."""
    if not pool.rows:
        return  # No vacancy is tried in vain: the first ticket finds all of them open.
    pool.tried = {match: last for match, last in pool.tried.items() if match in pool.vacancies}
    for vacancy in list(pool.vacancies.values()):
        retry_ms, failures = pool.tried.get(vacancy.match, (0, 0))
        if retry_ms <= now_ms:
            proposal = _fill(pool, vacancy, now_ms, new_id)
            if proposal is None:
                pool.tried[vacancy.match] = (now_ms + _pause_ms(failures), failures + 1)
            yield proposal
    for enqueued_ms, name, anchor in pool.anchors():
        if not anchor.here or anchor.retry_ms > now_ms:
            continue
        pool.resume = (enqueued_ms, name)
        draft = _seek(pool, anchor, now_ms)
        if draft is None:
            anchor.retry_ms = now_ms + _pause_ms(anchor.failures)
            anchor.failures += 1
            yield None
        else:
            match_id = new_id()
            yield _proposed(pool, draft, match_id, match_id)
    pool.resume = None


def _pause_ms(failures: int) -> int:
    return RETRY_MS << min(failures, RETRIES_SLOWER)


def _seek(pool: Pool, anchor: Row, now_ms: int) -> Draft | None:
    rules = pool.rules
    waited_ms = now_ms - anchor.enqueued_ms
    window = rules.window(waited_ms)
    near = anchor.look(now_ms)
    keys = [key for key in anchor.keys if near >> key // VALUES & 1]
    best: Draft | None = None
    for key in keys[:LISTS_TRIED]:
        draft = Draft(pool, region=key // VALUES, window=window, seats=Seats(rules.rules))
        if not draft.add(anchor, now_ms):
            continue  # Its party's roles do not fit into one team.
        draft.grow(_candidates(pool, key, anchor, window), now_ms)
        if draft.full:
            return draft
        if best is None or draft.size > best.size:
            best = draft
    if best is None or best.size < rules.size_min or waited_ms < rules.rules.fill_s * 1000:
        return None
    return best if best.seats.begins(rules.rules) else None


def _candidates(pool: Pool, key: int, anchor: Row, window: float) -> Iterator[Row]:
    """From the nearest skill outwards; with preferred properties, of the nearest ones those first
    that agree with the anchor on more of them."""
    nearest = pool.near(key, anchor, anchor.skill)
    preferred = pool.rules.rules.preferred
    if not preferred:
        return nearest
    scale = max(window, 1.0)

    def cost(row: Row) -> float:
        found = abs(row.skill - anchor.skill) / scale
        for choice, mine, theirs in zip(preferred, anchor.preferred, row.preferred, strict=True):
            if not mine & theirs:
                found += choice.weight
        return found

    some = islice(nearest, min(SCANNED_MAX, CHOSEN_FROM * pool.rules.size))
    chosen = [row for row in some if abs(row.skill - anchor.skill) <= window]
    return iter(sorted(chosen, key=cost))


def _fill(pool: Pool, vacancy: Vacancy, now_ms: int, new_id: NewId) -> Proposal | None:
    """Tickets for the free seats of a running match, as many as there are."""
    rules = pool.rules
    if vacancy.region not in rules.regions:
        return None
    region = rules.regions.index(vacancy.region)
    draft = Draft(
        pool,
        region=region,
        window=rules.window(now_ms - vacancy.since_ms),
        seats=Seats(rules.rules, vacancy.teams),
    )
    draft.low, draft.high = vacancy.skill_low, vacancy.skill_high
    draft.window = max(draft.window, draft.high - draft.low)
    value = 0
    for n, choice in enumerate(rules.rules.required):
        agreed = vacancy.properties.get(choice.name)
        if agreed in choice.values:
            bit = choice.values.index(str(agreed))
            draft.masks[n] = 1 << bit
            value = bit if n == 0 and rules.is_indexed else value
    for n, each in enumerate(rules.rules.ranges):
        number = vacancy.properties.get(each.name)
        if isinstance(number, (int, float)):
            draft.ranges[n] = (number, number)
    middle = (draft.low + draft.high) / 2
    draft.grow(pool.around(region * VALUES + value, middle), now_ms)
    if not draft.rows:
        return None
    del pool.vacancies[vacancy.match]
    return _proposed(pool, draft, new_id(), vacancy.match)


def _proposed(pool: Pool, draft: Draft, proposal: MatchId, match: MatchId) -> Proposal:
    is_backfill = proposal != match
    if not is_backfill and pool.rules.rules.teams > 1:
        _balance(draft)
    for row in draft.rows:
        pool.remove(row.id)
    return Proposal(
        id=proposal,
        match=match,
        tickets=tuple(row.id for row in draft.rows),
        sizes=tuple(row.size for row in draft.rows),
        places=_places(draft),
        region=pool.rules.regions[draft.region],
        properties=_properties(pool.rules, draft),
        skill=sum(row.skill * row.size for row in draft.rows) / sum(r.size for r in draft.rows),
        spread=draft.high - draft.low,
        is_backfill=is_backfill,
    )


def _places(draft: Draft) -> tuple[Place, ...]:
    names = draft.pool.rules.role_names
    places = []
    for (ticket, player), (team, role) in sorted(draft.seats.places().items()):
        applicant = draft.rows[ticket].ticket.players[player]
        places.append(Place(applicant.player, team, names[role] if role >= 0 else ""))
    return tuple(places)


def _properties(rules: Compiled, draft: Draft) -> dict[str, str | float]:
    """What was agreed on: the first value that all accept, of preferred ones the value that most
    accept, of ranges the lowest number."""
    found: dict[str, str | float] = {}
    for choice, mask in zip(rules.rules.required, draft.masks, strict=True):
        found[choice.name] = choice.values[(mask & -mask).bit_length() - 1]
    for n, choice in enumerate(rules.rules.preferred):
        votes = [sum(row.preferred[n] >> bit & 1 for row in draft.rows)
                 for bit in range(len(choice.values))]  # fmt: skip
        found[choice.name] = choice.values[votes.index(max(votes))]
    for each, (low, _) in zip(rules.rules.ranges, draft.ranges, strict=True):
        found[each.name] = low
    return found


def _balance(draft: Draft) -> None:
    """Exchange tickets of equal size between the strongest and the weakest team while that brings
    them nearer."""
    rows, seats = draft.rows, draft.seats
    for _ in range(SWAPS_MAX):
        sums = [sum(rows[one].skill * rows[one].size for one in team) for team in seats.tickets]
        strong, weak = sums.index(max(sums)), sums.index(min(sums))
        gap = sums[strong] - sums[weak]
        swaps = []
        for one in seats.tickets[strong]:
            for other in seats.tickets[weak]:
                if rows[one].size == rows[other].size:
                    moved = 2 * (rows[one].skill - rows[other].skill) * rows[one].size
                    if abs(gap - moved) < gap - 1e-9:
                        swaps.append((abs(gap - moved), one, other))
        if not any(seats.swap(one, other) for _, one, other in sorted(swaps)[:SWAPS_MAX]):
            return
