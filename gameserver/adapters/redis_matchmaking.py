"""Matchmaking in Redis or Valkey: one hash tag, so one slot, per queue, and one per player.

    <prefix>:{q:<game>/<mode>}:…
        w  hash    waiting: ticket id ──► <enqueued ms>:<ticket>
        b  hash    busy, in a proposal: ticket id ──► <proposal id>|<as above>
        e  hash    ended: ticket id ──► how;      z  zset  until when that is kept
        p  hash    proposal id ──► <deadline>|<players still asked>|<ticket ids>|<proposal>
        r  hash    proposal id ──► players who are ready
        c  stream  changes, for the matchmaker: + waits, - is gone, = proposal has changed
        v  hash    running match ──► <end>|<vacancy>
        f  hash    fence, node, notes;            l  string  the lease of the matchmaker
    <prefix>:{p:<player>}:…
        t  string  the player's ticket;           x  string  a penalty, expiring

Every change is one Lua script. A ticket and its players are in different slots: the players are
noted first and freed last, so that a crash in between leaves a player noted for a ticket that is
not there, which the next enqueue finds out and clears away, and never a player with two tickets.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Self, TypeVar, cast

import msgspec

from gameserver.adapters import redis_client
from gameserver.adapters.redis_calls import RedisCalls
from gameserver.adapters.redis_client import Client
from gameserver.adapters.redis_script import Script
from gameserver.adapters.redis_together import Together
from gameserver.config import Config
from gameserver.ids import MatchId, PlayerId
from gameserver.matchmaking import (
    Asked,
    Change,
    Contents,
    Held,
    Mastery,
    News,
    Overview,
    Proposal,
    Queue,
    Stage,
    Standing,
    Taken,
    Ticket,
    TicketId,
    Vacancy,
)
from gameserver.metrics import Metrics

logger = logging.getLogger(__name__)

StoredT = TypeVar("StoredT")
FoundT = TypeVar("FoundT")

CONNECTIONS_MAX = 16
HOLD_TTL_MS = 25 * 3_600_000
"""Longer than any rule lets a ticket wait."""
ENDED_KEPT_MS = 120_000
"""How long the end of a ticket can be asked for; until then its id is not used again."""
NEWS_MAX = 1_000
ENDS_FORGOTTEN = 1_000
PAGE = 500
VACANCIES_MAX = 500
"""Of one queue; further ones are not filled until there is room."""

_encode = msgspec.msgpack.Encoder().encode
_ticket = msgspec.msgpack.Decoder(Ticket).decode
_proposal = msgspec.msgpack.Decoder(Proposal).decode
_vacancy = msgspec.msgpack.Decoder(Vacancy).decode
_TAKEN = {1: Taken.TAKEN, 2: Taken.FULL, 3: Taken.OVER, 4: Taken.FIRST}
_SCRIPTS = (
    "hold", "unhold", "enqueue", "standing", "end", "answer", "lead", "renew", "news", "claim",
    "settle", "offer",
)  # fmt: skip


class RedisMatchmaking:
    """Implements ``matchmaking_ports.MatchmakingStore``."""

    def __init__(
        self,
        client: Client,
        *,
        prefix: str,
        timeout_ms: int,
        metrics: Metrics,
        together: Together | None = None,
    ) -> None:
        """``together``: what is asked every so often goes by it."""
        self._client = client
        self._together = together or Together(client)
        self._prefix = prefix
        self._calls = RedisCalls(metrics, "Redis")
        self._call = partial(self._calls.within, timeout_ms / 1000)
        self._scripts = {name: Script(f"mm_{name}") for name in _SCRIPTS}

    @classmethod
    def connect(cls, config: Config, *, metrics: Metrics, together: Together | None = None) -> Self:
        """A store with connections of its own, to be used as ``async with``."""
        return cls(
            redis_client.connect(
                config, name="gameserver-matchmaking", connections_max=CONNECTIONS_MAX
            ),
            prefix=config.redis_prefix,
            timeout_ms=config.redis_timeout_ms,
            metrics=metrics,
            together=together,
        )

    async def __aenter__(self) -> Self:
        async with self._call():
            await redis_client.begin(self._client)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    # ── players ──────────────────────────────────────────────────────────────────────────────

    async def hold(self, player: PlayerId, queue: Queue, ticket: TicketId) -> Held | None:
        answer = await self._run(
            "hold",
            [self._player(player, "t"), self._player(player, "x")],
            [_note(queue, ticket), HOLD_TTL_MS],
        )
        match answer:
            case [1]:
                return None
            case [2, noted]:
                return _held(noted)
            case _:
                return Held(penalty_ms=answer[1])

    async def unhold(self, player: PlayerId, queue: Queue, ticket: TicketId) -> None:
        await self._run("unhold", [self._player(player, "t")], [_note(queue, ticket)])

    async def ticket_of(self, player: PlayerId) -> Held | None:
        async with self._call():
            noted = await cast(Any, self._client.get(self._player(player, "t")))
        return None if noted is None else _held(noted)

    async def punish(self, player: PlayerId, *, for_ms: int) -> None:
        async with self._call():
            await cast(Any, self._client.set(self._player(player, "x"), b"1", px=for_ms))

    # ── tickets ──────────────────────────────────────────────────────────────────────────────

    async def enqueue(self, queue: Queue, ticket: Ticket, *, tickets_max: int) -> Taken:
        answer = await self._run(
            "enqueue", self._keys(queue, "wbec"), [ticket.id, _encode(ticket), tickets_max]
        )
        return _TAKEN[answer]

    async def standing(self, queue: Queue, ticket: TicketId) -> Standing:
        answer = await self._run("standing", self._keys(queue, "wbepr"), [ticket])
        letter, now_ms = answer[0], int(answer[1])
        if letter == b"w":
            return Standing(stage=Stage.WAITING, ticket=_stored(answer[2]), now_ms=now_ms)
        if letter == b"e":
            how, _, match = answer[2].decode().partition(":")
            return Standing(stage=Stage(how), match=MatchId(match) or None, now_ms=now_ms)
        if letter == b"u":
            return Standing(stage=Stage.UNKNOWN, now_ms=now_ms)
        asked = _asked(answer[3])
        return Standing(
            stage=Stage.OPENING if asked.open else Stage.READY_CHECK,
            ticket=_stored(answer[2]),
            deadline_ms=asked.deadline_ms,
            ready=tuple(PlayerId(name) for name in answer[4].decode().split(",") if name),
            now_ms=now_ms,
        )

    async def cancel(self, queue: Queue, ticket: TicketId) -> Stage:
        [how] = await self._end(queue, "", Stage.CANCELLED, [ticket])
        return how

    async def answer(
        self, queue: Queue, ticket: TicketId, player: PlayerId, *, ready: bool
    ) -> Standing:
        keys = self._keys(queue, "wbezprc")
        await self._run("answer", keys, [ticket, player, int(ready), ENDED_KEPT_MS])
        return await self.standing(queue, ticket)

    # ── the matchmaker ───────────────────────────────────────────────────────────────────────

    async def lead(self, queue: Queue, *, owner: str, lease_ttl_ms: int) -> Mastery | None:
        answer = await self._run("lead", self._keys(queue, "fl"), [owner, lease_ttl_ms])
        if not answer:
            return None
        return Mastery(fence=int(answer[0]), now_ms=int(answer[1]), notes=answer[2])

    async def renew(self, queue: Queue, fence: int, *, lease_ttl_ms: int, notes: bytes) -> bool:
        keys = self._keys(queue, "fl")
        return bool(await self._run_together("renew", keys, [fence, lease_ttl_ms, notes]))

    async def release(self, queue: Queue, fence: int) -> None:
        await self._run("renew", self._keys(queue, "fl"), [fence, 0, b""])

    async def contents(self, queue: Queue) -> Contents:
        [changes] = self._keys(queue, "c")
        async with self._call():
            cursor = await cast(Any, self._client.xadd(changes, {"!": ""}))
        return Contents(
            cursor=cursor.decode(),
            waiting=_readable(_stored, await self._all(queue, "w")),
            asked=_readable(_asked, await self._all(queue, "p")),
        )

    async def _all(self, queue: Queue, kind: str) -> list[bytes]:
        [key] = self._keys(queue, kind)
        cursor, found = 0, {}
        while True:
            async with self._call():
                cursor, page = await cast(Any, self._client.hscan(key, cursor, count=PAGE))
            found.update(page)
            if not cursor:
                return list(found.values())

    async def asked(self, queue: Queue, proposal: MatchId) -> Asked | None:
        [proposals] = self._keys(queue, "p")
        async with self._call():
            stored = await cast(Any, self._client.hget(proposals, proposal))
        return None if stored is None else _asked(stored)

    async def news(self, queue: Queue, fence: int, cursor: str, *, vacancies: bool) -> News | None:
        answer = await self._run_together(
            "news",
            self._keys(queue, "cezfv"),
            [fence, cursor, NEWS_MAX, ENDS_FORGOTTEN, int(vacancies)],
        )
        if answer is None:
            return None
        now_ms, lost, entries, offered = answer
        return News(
            now_ms=int(now_ms),
            cursor=entries[-1][0].decode() if entries else cursor,
            changes=[
                change
                for entry, fields in entries
                if entry != cursor.encode()
                for change in _readable(_change, [fields])
                if change is not None
            ],
            lost=bool(lost),
            vacancies=_readable(_vacancy, offered) if vacancies else None,
        )

    async def claim(
        self, queue: Queue, fence: int, proposals: Sequence[Proposal], *, ready_ms: int
    ) -> list[bool] | None:
        arguments: list[bytes | str | int] = [fence, ready_ms]
        for one in proposals:
            players = len(one.places)
            arguments += (one.id, _encode(one), players, len(one.tickets), *one.tickets)
        answer = await self._run("claim", self._keys(queue, "wbpcf"), arguments)
        return None if answer is None else [bool(each) for each in answer]

    async def lapse(self, queue: Queue, fence: int, proposal: Proposal) -> list[TicketId] | None:
        players = iter(proposal.places)
        arguments: list[str | int] = [proposal.id]
        for size in proposal.sizes:
            arguments += (size, *(next(players).player for _ in range(size)))
        answer = await self._settle(queue, fence, "lapse", arguments)
        return None if answer is None else [TicketId(each.decode()) for each in answer]

    async def assign(self, queue: Queue, fence: int, proposals: Sequence[Proposal]) -> bool:
        pairs: list[str | int] = [part for one in proposals for part in (one.id, one.match)]
        return await self._settle(queue, fence, "matched", pairs) is not None

    async def put_back(self, queue: Queue, fence: int, proposal: Proposal) -> bool:
        pair: list[str | int] = [proposal.id, proposal.match]
        return await self._settle(queue, fence, "back", pair) is not None

    async def expire(self, queue: Queue, fence: int, tickets: Sequence[TicketId]) -> bool:
        return bool(await self._end(queue, fence, Stage.EXPIRED, tickets))

    # ── from outside ─────────────────────────────────────────────────────────────────────────

    async def offer(self, queue: Queue, vacancy: Vacancy, *, ttl_ms: int) -> None:
        await self._run(
            "offer",
            self._keys(queue, "v"),
            [vacancy.match, _encode(vacancy), ttl_ms, VACANCIES_MAX],
        )

    async def overview(self, queue: Queue) -> Overview:
        waiting, busy, owner, lease = self._keys(queue, "wbfl")
        client = cast(Any, self._client)
        async with self._call():
            counts = await asyncio.gather(
                client.hlen(waiting),
                client.hlen(busy),
                client.get(lease),
                client.hget(owner, "notes"),
            )
        return Overview(
            waiting=counts[0],
            proposed=counts[1],
            owner=(counts[2] or b"").decode(),
            notes=counts[3] or b"",
        )

    # ── calls ────────────────────────────────────────────────────────────────────────────────

    async def _settle(
        self, queue: Queue, fence: int, what: str, arguments: Sequence[str | int]
    ) -> list[bytes] | None:
        keys = self._keys(queue, "wbezprcf")
        answer: list[bytes] | None = await self._run(
            "settle", keys, [fence, what, ENDED_KEPT_MS, *arguments]
        )
        return answer

    async def _end(
        self, queue: Queue, fence: int | str, how: Stage, tickets: Sequence[TicketId]
    ) -> list[Stage]:
        answer = await self._run(
            "end", self._keys(queue, "wbezcf"), [fence, how, ENDED_KEPT_MS, *tickets]
        )
        return [
            Stage.OPENING if each == b"b" else Stage(each.decode().partition(":")[0])
            for each in answer or ()
        ]

    def _keys(self, queue: Queue, kinds: str) -> list[str]:
        base = f"{self._prefix}:{{q:{queue}}}"
        return [f"{base}:{kind}" for kind in kinds]

    def _player(self, player: PlayerId, kind: str) -> str:
        return f"{self._prefix}:{{p:{player}}}:{kind}"

    async def _run(
        self, name: str, keys: Sequence[str], arguments: Sequence[bytes | str | int]
    ) -> Any:
        async with self._call():
            return await self._scripts[name].call(self._client, keys, arguments)

    async def _run_together(
        self, name: str, keys: Sequence[str], arguments: Sequence[bytes | str | int]
    ) -> Any:
        with self._calls():
            return await self._scripts[name].call(self._together, keys, arguments)


def _readable(read: Callable[[StoredT], FoundT], values: Iterable[StoredT]) -> list[FoundT]:
    """What can be read; what a node of another version has written otherwise is left to it."""
    found = []
    for value in values:
        try:
            found.append(read(value))
        except (msgspec.DecodeError, ValueError) as error:
            logger.warning("not readable in a queue", extra={"error": str(error)})
    return found


def _note(queue: Queue, ticket: TicketId) -> str:
    return f"{queue}|{ticket}"


def _held(noted: bytes) -> Held:
    queue, _, ticket = noted.decode().partition("|")
    game, _, mode = queue.partition("/")
    return Held(queue=Queue(game, mode), ticket=TicketId(ticket))


def _stored(value: bytes) -> Ticket:
    enqueued_ms, _, encoded = value.partition(b":")
    return msgspec.structs.replace(_ticket(encoded), enqueued_ms=int(enqueued_ms))


def _asked(stored: bytes) -> Asked:
    deadline_ms, asked, _, encoded = stored.split(b"|", 3)
    return Asked(proposal=_proposal(encoded), deadline_ms=int(deadline_ms), open=asked == b"0")


def _change(fields: Sequence[bytes]) -> Change | None:
    kind, value = fields[0], fields[1]
    if kind == b"+":
        return Change(waiting=_stored(value))
    if kind == b"-":
        return Change(gone=TicketId(value.decode()))
    if kind == b"=":
        return Change(proposed=MatchId(value.decode()))
    return None  # The mark of somebody who has read everything.
