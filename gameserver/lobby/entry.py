"""The players' side of matchmaking, on any node: take a ticket, look at it, answer, give it up.

One active ticket a player: the player is noted for the ticket first (``hold``), then the ticket is
queued. Where a note stands in the way, its ticket is looked at; one that is over, or never came, is
made sure not to come (``cancel`` of an unknown ticket), and gives way.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence

import msgspec

from gameserver.errors import TicketRefused, Unavailable
from gameserver.game.contract import AnyGame
from gameserver.game.matchmaking import Rules
from gameserver.ids import PlayerId
from gameserver.lobby import estimate
from gameserver.lobby.matchmaker import FIRST, WHY, Question, queues_of
from gameserver.lobby.rules import check_ticket, skill_of
from gameserver.matchmaking import (
    ACTIVE,
    NEWCOMER,
    Applicant,
    Explanation,
    Held,
    Member,
    Overview,
    Queue,
    QueueView,
    Rating,
    Stage,
    Standing,
    Taken,
    Ticket,
    TicketId,
    TicketView,
    Wish,
)
from gameserver.matchmaking_ports import MatchmakingStore, NodeCalls, Ratings
from gameserver.metrics import Metrics

logger = logging.getLogger(__name__)

_TRIES = 4
_ID_CHARS = 26

_encode = msgspec.msgpack.Encoder().encode
_decode_explanation = msgspec.msgpack.Decoder(Explanation).decode


class NoRatings:
    """Implements ``matchmaking_ports.Ratings`` where there are none: everyone is a beginner."""

    async def ratings(self, queue: Queue, players: Sequence[PlayerId]) -> Mapping[PlayerId, Rating]:
        return {}


class Lobby:
    """Implements ``matchmaking_ports.Matchmaking``. ``closed``: what players are told while no
    tickets are taken, as in maintenance."""

    def __init__(
        self,
        *,
        games: Mapping[str, AnyGame],
        store: MatchmakingStore,
        ratings: Ratings,
        calls: NodeCalls,
        metrics: Metrics,
        closed: Callable[[], str | None],
    ) -> None:
        self._queues = queues_of(games)
        self._store = store
        self._ratings = ratings
        self._calls = calls
        self._metrics = metrics
        self._closed = closed

    # ── taking a ticket ──────────────────────────────────────────────────────────────────────

    async def enter(
        self, queue: Queue, members: Sequence[Member], wish: Wish, *, key: str
    ) -> TicketView:
        """A ticket for the party, whose first member asks. The same ``key`` of the same player is
        the same ticket, however often it is asked for, also after it has ended.

        Raises ``TicketRefused``, ``StoreUnavailable``."""
        rules = self._rules(queue)
        if (closed := self._closed()) is not None:
            raise TicketRefused("maintenance", closed)
        ticket = await self._ticket(queue, rules, members, wish, key)
        check_ticket(ticket, rules)
        held: list[PlayerId] = []
        try:
            for player in sorted(member.player for member in members):
                await self._hold(player, queue, ticket.id)
                held.append(player)
            taken = await self._store.enqueue(queue, ticket, tickets_max=rules.tickets_max)
            if taken is Taken.FULL:
                raise TicketRefused("queue_full", f"{queue} is full; try again later")
            if taken is Taken.FIRST:
                self._calls.tell_all(FIRST, _encode(queue))
        except TicketRefused:
            await self._let_go(queue, ticket.id, held)
            raise
        if taken is Taken.OVER:
            await self._let_go(queue, ticket.id, held)
        else:
            self._metrics.tickets_enqueued += 1
        return await self._view(queue, ticket.id, why=False)

    async def _ticket(
        self, queue: Queue, rules: Rules, members: Sequence[Member], wish: Wish, key: str
    ) -> Ticket:
        skills = dict.fromkeys((member.player for member in members), 0.0)
        if rules.skill is not None:
            known = await self._ratings.ratings(queue, list(skills))
            skills = {
                player: skill_of(known.get(player, NEWCOMER), rules.skill) for player in skills
            }
        digest = hashlib.sha256(f"{members[0].player}\n{queue}\n{key}".encode()).hexdigest()
        return Ticket(
            id=TicketId(digest[:_ID_CHARS]),
            players=tuple(Applicant(one.player, skills[one.player], one.roles) for one in members),
            wish=wish,
        )

    async def _hold(self, player: PlayerId, queue: Queue, ticket: TicketId) -> None:
        for _ in range(_TRIES):
            in_the_way = await self._store.hold(player, queue, ticket)
            if in_the_way is None:
                return
            if in_the_way.penalty_ms:
                seconds = in_the_way.penalty_ms // 1000 + 1
                raise TicketRefused("penalty", f"wait {seconds} s before you queue again")
            await self._clear(player, in_the_way)
        raise TicketRefused("already_queued", "another ticket of yours is just being taken")

    async def _clear(self, player: PlayerId, held: Held) -> None:
        """Free the player of a ticket that is over. Raises ``TicketRefused`` if it is not."""
        if held.queue is None or held.ticket is None:
            return
        standing = await self._store.standing(held.queue, held.ticket)
        stage = standing.stage
        if stage is Stage.UNKNOWN:
            stage = await self._store.cancel(held.queue, held.ticket)
        if stage in ACTIVE:
            raise TicketRefused("already_queued", f"you are in the queue of {held.queue}")
        await self._store.unhold(player, held.queue, held.ticket)

    async def _let_go(self, queue: Queue, ticket: TicketId, players: Sequence[PlayerId]) -> None:
        for player in players:
            await self._store.unhold(player, queue, ticket)

    # ── a ticket that has been taken ─────────────────────────────────────────────────────────

    async def look(self, player: PlayerId, *, why: bool) -> TicketView:
        """The player's latest ticket; ``why``: with what keeps it waiting. Raises
        ``TicketRefused`` (``no_ticket``), ``StoreUnavailable``."""
        held = await self._held(player)
        return await self._view(*held, why=why)

    async def cancel(self, player: PlayerId) -> TicketView:
        """Give the ticket up, for the whole party. Raises ``TicketRefused``: ``no_ticket``, or
        ``too_late`` where a match is on its way or the players are being asked."""
        queue, ticket = await self._held(player)
        before = await self._store.standing(queue, ticket)
        stage = await self._store.cancel(queue, ticket)
        if stage in ACTIVE:
            raise TicketRefused("too_late", "a match has been found; answer its ready check")
        if before.ticket is not None and stage is Stage.CANCELLED:
            players = [applicant.player for applicant in before.ticket.players]
            await self._let_go(queue, ticket, players)
        return TicketView(ticket=ticket, queue=queue, standing=Standing(stage=stage))

    async def answer(self, player: PlayerId, *, ready: bool) -> TicketView:
        """The answer to a ready check. Raises ``TicketRefused``: ``no_ticket``, ``not_asked``."""
        queue, ticket = await self._held(player)
        before = await self._store.standing(queue, ticket)
        if before.stage is not Stage.READY_CHECK:
            raise TicketRefused("not_asked", f"the ticket is {before.stage}: nobody asks for it")
        standing = await self._store.answer(queue, ticket, player, ready=ready)
        rules = self._rules(queue)
        if standing.stage is Stage.DECLINED and not ready and rules.ready is not None:
            if penalty_ms := int(rules.ready.penalty_s * 1000):
                await self._store.punish(player, for_ms=penalty_ms)
        return TicketView(ticket=ticket, queue=queue, standing=standing)

    async def _held(self, player: PlayerId) -> tuple[Queue, TicketId]:
        held = await self._store.ticket_of(player)
        if held is None or held.queue is None or held.ticket is None:
            raise TicketRefused("no_ticket", "you are in no queue")
        return held.queue, held.ticket

    async def _view(self, queue: Queue, ticket: TicketId, *, why: bool) -> TicketView:
        standing = await self._store.standing(queue, ticket)
        expected, explained = None, None
        if standing.ticket is not None:
            overview = await self._store.overview(queue)
            players = standing.ticket.players
            skill = sum(one.skill for one in players) / len(players)
            expected = estimate.expected(estimate.decode(overview.notes), skill)
            if why and standing.stage is Stage.WAITING:
                explained = await self._why(queue, ticket, overview)
        return TicketView(
            ticket=ticket, queue=queue, standing=standing, estimate=expected, why=explained
        )

    async def _why(self, queue: Queue, ticket: TicketId, overview: Overview) -> Explanation | None:
        if not overview.owner:
            return None
        try:
            answer = await self._calls.call(overview.owner, WHY, _encode(Question(queue, ticket)))
        except Unavailable as error:
            logger.info("no reason for a wait", extra={"error": str(error)})
            return None
        return _decode_explanation(answer) if answer else None

    # ── queues ───────────────────────────────────────────────────────────────────────────────

    async def queues(self) -> list[QueueView]:
        """All of them. Raises ``StoreUnavailable``."""
        found = []
        for queue, rules in self._queues.items():
            overview = await self._store.overview(queue)
            found.append(
                QueueView(
                    queue=queue,
                    rules=rules,
                    waiting=overview.waiting,
                    estimate=estimate.decode(overview.notes).all,
                )
            )
        return found

    def _rules(self, queue: Queue) -> Rules:
        rules = self._queues.get(queue)
        if rules is None:
            known = ", ".join(map(str, self._queues)) or "none"
            raise TicketRefused("unknown_queue", f"there is no queue {queue}; there are: {known}")
        return rules
