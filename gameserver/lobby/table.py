"""One queue while this node is its master: a mirror of what waits, and what is under way.

    store.news ──► Pool ──form──► proposals ──store.claim──► asked ──(everyone ready)──► venue.open
                    ▲                                          │                            │
                    └── the others wait again ◄── declined ────┘        store.assign ◄──────┘

The mirror may be behind: the claim decides, and takes all tickets of a proposal or none. A call
without an answer may be carried out later; so may every other call here, because each names its
proposal and the fence.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from functools import partial

from gameserver.errors import StoreUnavailable
from gameserver.game.matchmaking import Rules
from gameserver.ids import MatchId, PlayerId
from gameserver.lobby import estimate
from gameserver.lobby.estimate import Estimator
from gameserver.lobby.form import form
from gameserver.lobby.openings import Openings
from gameserver.lobby.pool import Pool
from gameserver.lobby.rest import Rest
from gameserver.lobby.rules import Compiled
from gameserver.lobby.teller import update_of, updates_of
from gameserver.matchmaking import (
    Asked,
    Change,
    Mastery,
    News,
    Proposal,
    Queue,
    Stage,
    Ticket,
    TicketId,
)
from gameserver.matchmaking_ports import MatchmakingStore, TicketUpdates, Venue
from gameserver.metrics import Metrics
from gameserver.ports import Entropy

logger = logging.getLogger(__name__)

SLICE_S = 0.002
"""A matchmaker shares its loop with matches: after so long it lets them go first."""
FRUITLESS_S = 0.05
"""What a round may spend on tickets for which there is no match: a fifth of a core."""
CLAIMS_AT_ONCE = 16
ANSWERED_LATE_MS = 500
"""A yes that is on its way when the time is up still counts."""
EXPIRED_AT_ONCE = 500
OFFERED_BEFORE_MS = 2_500
VACANCIES_EVERY = 4
"""Rounds."""
SETTLED_REMEMBERED = 10_000


class Lost(Exception):
    """Another node is the master of the queue."""


class Table:
    """``run`` until it raises ``Lost``, or ``StoreUnavailable`` in its first read."""

    def __init__(
        self,
        queue: Queue,
        rules: Rules,
        mastery: Mastery,
        *,
        store: MatchmakingStore,
        venue: Venue,
        updates: TicketUpdates,
        entropy: Entropy,
        metrics: Metrics,
        lease_ttl_ms: int,
    ) -> None:
        self.queue = queue
        self._news_of = partial(updates_of, queue)
        self.pool = Pool(Compiled(rules))
        self.now_ms = mastery.now_ms
        self.fence = mastery.fence
        self._rules = rules
        self._store = store
        self._updates = updates
        self._entropy = entropy
        self._metrics = metrics
        self._ttl_ms = lease_ttl_ms
        self._loop = asyncio.get_running_loop()
        self._renewed_at = self._loop.time()
        self._estimator = Estimator(estimate.decode(mastery.notes))
        self._known: dict[TicketId, Ticket] = {}
        self._asked: dict[MatchId, Asked] = {}
        self._settled: deque[MatchId] = deque(maxlen=SETTLED_REMEMBERED)
        self._was_settled: set[MatchId] = set()
        self._openings = Openings(
            queue,
            mastery.fence,
            store=store,
            venue=venue,
            entropy=entropy,
            arrive_ms=int(rules.arrive_s * 1000),
            settled=self._opened,
            failed=self._read_anew,
        )
        self._filled: dict[MatchId, int] = {}
        """Matches that were just asked for seats: what they offer now may be older than that."""
        self._cursor = ""
        self._round = 0
        self.rest = Rest(entropy, lease_ttl_ms=lease_ttl_ms)

    # ── life ─────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Read everything, then go on round by round."""
        try:
            await self._load()
            while True:
                await self.rest.take(idle=self.idle)
                try:
                    await self._turn()
                except StoreUnavailable as error:
                    logger.warning(
                        "matchmaking waits for its store",
                        extra={"queue": str(self.queue), "error": str(error)},
                    )
                    self._read_anew()  # A claim may or may not have happened: read all anew.
        finally:
            await self._openings.cancel()

    @property
    def idle(self) -> bool:
        """Whether all is known here, nobody waits and nothing is under way."""
        return not (self.pool.rows or self._asked) and self._cursor != ""

    async def _turn(self) -> None:
        """One round. Raises ``Lost``, ``StoreUnavailable``."""
        if self._openings.lost:
            raise Lost
        if not self._cursor:
            await self._renew()  # To read everything may take a while.
            await self._load()
        began = self._loop.time()
        self._round += 1
        news = await self._news(vacancies=self.idle or self._round % VACANCIES_EVERY == 0)
        if news is None:
            raise Lost
        self.now_ms = news.now_ms
        if news.lost:
            logger.warning("changes of a queue were lost", extra={"queue": str(self.queue)})
            await self._load()
        else:
            self._cursor = news.cursor
            await self._hear(news)
        await self._expire()
        await self._lapse()
        await self._form()
        self._metrics.form_ms.observe((self._loop.time() - began) * 1000)

    async def _news(self, *, vacancies: bool) -> News | None:
        asked = self._store.news(self.queue, self.fence, self._cursor, vacancies=vacancies)
        if self._loop.time() < self._renewed_at + self._ttl_ms / 3000:
            return await asked
        # At once, so that both go in one call.
        news, _ = await asyncio.gather(asked, self._renew())
        return news

    async def _renew(self) -> None:
        now = self._loop.time()
        notes = estimate.encode(self._estimator.notes())
        if not await self._store.renew(
            self.queue, self.fence, lease_ttl_ms=self._ttl_ms, notes=notes
        ):
            raise Lost
        self._renewed_at = now

    async def _load(self) -> None:
        contents = await self._store.contents(self.queue)
        self.pool = Pool(self.pool.rules)
        self._known = {}
        under_way = {ticket for one in contents.asked for ticket in one.proposal.tickets}
        for number, ticket in enumerate(contents.waiting):
            # Read in pages: what was claimed or put back meanwhile may have been seen twice.
            if ticket.id not in under_way:
                self._wait(ticket)
            if number % 100 == 99:
                await asyncio.sleep(0)
        self._asked = {pid: each for pid, each in self._asked.items() if pid in self._openings}
        self._cursor = contents.cursor
        for asked in contents.asked:
            self._take_up(asked)

    # ── hearing ──────────────────────────────────────────────────────────────────────────────

    async def _hear(self, news: News) -> None:
        for change in news.changes:
            await self._hear_one(change)
        if news.vacancies is not None:
            self._filled = {m: at for m, at in self._filled.items() if at > self.now_ms}
            filling = {each.proposal.match for each in self._asked.values()} | self._filled.keys()
            self.pool.vacancies = {
                each.match: each for each in news.vacancies if each.match not in filling
            }

    async def _hear_one(self, change: Change) -> None:
        if change.waiting is not None:
            self._wait(change.waiting)
        elif change.gone is not None:
            self._known.pop(change.gone, None)
            self.pool.remove(change.gone)
        elif change.proposed is not None and change.proposed not in self._was_settled:
            await self._look_at(change.proposed)

    async def _look_at(self, pid: MatchId) -> None:
        """A proposal has changed: everyone is ready, somebody has declined; or a claim has arrived
        after it was given up."""
        mine = self._asked.get(pid)
        if mine is not None and mine.open:
            return
        found = await self._store.asked(self.queue, pid)
        if found is not None:
            self._take_up(found)
        elif mine is not None:
            self._settle(pid)
            for ticket in mine.proposal.tickets:
                stage = (await self._store.standing(self.queue, ticket)).stage
                if stage is Stage.DECLINED:
                    self._metrics.tickets_declined += 1
                    self._known.pop(ticket, None)
                self._updates.tell(self._news_of(mine.proposal, stage, [ticket]))

    def _wait(self, ticket: Ticket) -> None:
        self._known[ticket.id] = ticket
        self.pool.add(ticket)

    def _take_up(self, asked: Asked) -> None:
        pid = asked.proposal.id
        if pid in self._was_settled:
            return  # It was read before it was settled.
        for ticket in asked.proposal.tickets:
            self.pool.remove(ticket)
        self._asked[pid] = asked
        if asked.open:
            self._openings.begin(asked.proposal)

    def _settle(self, pid: MatchId) -> None:
        self._asked.pop(pid, None)
        if len(self._settled) == SETTLED_REMEMBERED:
            self._was_settled.discard(self._settled[0])
        self._settled.append(pid)
        self._was_settled.add(pid)

    # ── what is due ──────────────────────────────────────────────────────────────────────────

    async def _expire(self) -> None:
        oldest_ms = self.now_ms - self._rules.wait_s_max * 1000
        due: list[Ticket] = []
        for enqueued_ms, _, row in self.pool.by_age[:EXPIRED_AT_ONCE]:
            if enqueued_ms > oldest_ms:
                break
            due.append(row.ticket)
        if not due:
            return
        if not await self._store.expire(self.queue, self.fence, [one.id for one in due]):
            raise Lost
        for ticket in due:
            self.pool.remove(ticket.id)
            self._known.pop(ticket.id, None)
            self._updates.tell([update_of(self.queue, ticket, Stage.EXPIRED)])
        self._metrics.tickets_expired += len(due)

    async def _lapse(self) -> None:
        late_ms = self.now_ms - ANSWERED_LATE_MS
        for asked in list(self._asked.values()):
            if asked.open or not asked.deadline_ms or asked.deadline_ms > late_ms:
                continue
            proposal = asked.proposal
            silent = await self._silent(proposal)
            declined = await self._store.lapse(self.queue, self.fence, proposal)
            if declined is None:
                raise Lost
            if not declined:
                continue  # The last yes has come, or a no: the change says which.
            self._settle(proposal.id)
            self._metrics.tickets_declined += len(declined)
            self._updates.tell(self._news_of(proposal, Stage.DECLINED, declined))
            others = [one for one in proposal.tickets if one not in declined]
            self._updates.tell(self._news_of(proposal, Stage.WAITING, others))
            await self._punish(silent)

    async def _silent(self, proposal: Proposal) -> list[PlayerId]:
        # All tickets of a proposal show who is ready in it.
        ready = (await self._store.standing(self.queue, proposal.tickets[0])).ready
        return [place.player for place in proposal.places if place.player not in ready]

    async def _punish(self, players: Iterable[PlayerId]) -> None:
        ready = self._rules.ready
        if ready is not None and ready.penalty_s:
            for player in players:
                await self._store.punish(player, for_ms=int(ready.penalty_s * 1000))

    # ── forming ──────────────────────────────────────────────────────────────────────────────

    async def _form(self) -> None:
        batch: list[Proposal] = []
        now = self._loop.time()
        until, fruitless_s = now + SLICE_S, 0.0
        for proposal in form(self.pool, self.now_ms, self._entropy.match_id):
            began, now = now, self._loop.time()
            if proposal is not None:
                batch.append(proposal)
            else:
                fruitless_s += now - began
                if fruitless_s > FRUITLESS_S:
                    break
            if len(batch) >= CLAIMS_AT_ONCE:
                batch = await self._claim(batch)
                now = self._loop.time()
            if now > until:
                await asyncio.sleep(0)
                now = self._loop.time()
                until = now + SLICE_S
        if batch:
            await self._claim(batch)

    async def _claim(self, batch: list[Proposal]) -> list[Proposal]:
        """Raises ``Lost``, ``StoreUnavailable``; then all is read anew."""
        ready = self._rules.ready
        ready_ms = int(ready.within_s * 1000) if ready is not None else 0
        claimed = await self._store.claim(self.queue, self.fence, batch, ready_ms=ready_ms)
        if claimed is None:
            raise Lost
        for proposal, done in zip(batch, claimed, strict=True):
            if not done:
                self._metrics.claims_refused += 1
                # Which of them has gone is on its way as a change.
                self.pool.add_all(self._known[one] for one in proposal.tickets)
                continue
            deadline_ms = self.now_ms + ready_ms if ready_ms else 0
            self._take_up(Asked(proposal=proposal, deadline_ms=deadline_ms, open=not ready_ms))
            if ready_ms:
                self._updates.tell(
                    self._news_of(
                        proposal, Stage.READY_CHECK, proposal.tickets, deadline_ms=deadline_ms
                    )
                )
        return []

    # ── what became of it ────────────────────────────────────────────────────────────────────

    def _opened(self, proposal: Proposal, opened: bool) -> None:
        self._settle(proposal.id)
        metrics = self._metrics
        if proposal.is_backfill:
            self._filled[proposal.match] = self.now_ms + OFFERED_BEFORE_MS
        if not opened:
            metrics.openings_failed += 1
            self._updates.tell(self._news_of(proposal, Stage.WAITING, proposal.tickets))
            return
        metrics.matches_formed += not proposal.is_backfill
        metrics.matches_backfilled += proposal.is_backfill
        metrics.tickets_matched += len(proposal.tickets)
        for one in proposal.tickets:
            ticket = self._known.pop(one, None)
            if ticket is not None:
                waited_ms = max(0, self.now_ms - ticket.enqueued_ms)
                metrics.ticket_wait_ms.observe(waited_ms)
                skill = sum(each.skill for each in ticket.players) / ticket.size
                self._estimator.matched(skill, waited_ms / 1000)
        self._updates.tell(
            self._news_of(proposal, Stage.MATCHED, proposal.tickets, match=proposal.match)
        )

    def _read_anew(self) -> None:
        self._cursor = ""
