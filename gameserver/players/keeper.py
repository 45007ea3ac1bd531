"""Keeps the policy of one session a player over all nodes, for the sessions of this node.

    opened ──► claims ──┐                              ┌── won over another one: it is told to end
    closed ──► releases ├──► one writer ──► the store ─┤
    leases that end soon┘                              └── lost: the own one ends

With ``newest`` no handshake waits for the store: the session is open, the claim follows. The one
that the store hears of last is the newest, so that nodes' clocks do not matter; only a claim that
has to be repeated goes by when its session began. With ``refuse`` the claim comes first. Where
another session is in the way, its node is asked whether it is there: one that is gone locks nobody
out.

While the store is away sessions are let in (``newest``, ``many``) and claimed when it is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from itertools import chain, islice, takewhile

import msgspec

from gameserver.errors import AlreadyConnected, StoreUnavailable, Unavailable
from gameserver.ids import PlayerId, SessionId
from gameserver.matchmaking_ports import NodeCalls
from gameserver.metrics import Metrics
from gameserver.ports import Clock, Entropy, Identity
from gameserver.rounds import shared
from gameserver.whereabouts import (
    Claim,
    Claimed,
    Connected,
    ConnectedStore,
    How,
    Peers,
    SessionPolicy,
    SessionsHere,
)

logger = logging.getLogger(__name__)

IS_THERE = "session"
REPLACED = "replaced"

RETRY_S = 0.5
CHANGES_S = 0.5
"""How often seats taken and left are told, and leases looked at."""
AT_ONCE = 100
"""Of one call, so that no tick waits while it is put together."""
RESERVED_S = 10.0
"""A handshake that was admitted has been upgraded by then, or never will be."""
TOLD_TRIES = 3
TELLING_MAX = 200
RELEASES_MAX = 20_000

_encode = msgspec.msgpack.Encoder().encode
_session = msgspec.msgpack.Decoder(SessionId).decode


class _Entry:
    """A session of this node. ``claimed``: the store knows it."""

    __slots__ = ("claimed", "connected", "player_id")

    def __init__(self, player_id: PlayerId, connected: Connected, *, claimed: bool) -> None:
        self.player_id = player_id
        self.connected = connected
        self.claimed = claimed


class Keeper:
    """Implements ``whereabouts.SessionKeeper``. ``lease_ms``: how long an entry outlives its
    node."""

    def __init__(
        self,
        store: ConnectedStore,
        calls: NodeCalls,
        *,
        node: str,
        peers: Peers,
        policy: SessionPolicy,
        lease_ms: int,
        clock: Clock,
        entropy: Entropy,
        metrics: Metrics,
    ) -> None:
        self.policy = policy
        self._store = store
        self._calls = calls
        self._node = node
        self._here: SessionsHere
        self._peers = peers
        self._lease_ms = lease_ms
        self._clock = clock
        self._entropy = entropy
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._entries: dict[SessionId, _Entry] = {}
        self._reserved: OrderedDict[SessionId, tuple[float, bool]] = OrderedDict()
        self._claims: dict[SessionId, How] = {}  # in the order in which they opened
        self._releases: dict[SessionId, PlayerId] = {}
        self._letters: dict[PlayerId, None] = {}
        self._changed: dict[SessionId, None] = {}
        self._due: OrderedDict[SessionId, float] = OrderedDict()  # as their leases were written
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._telling: set[asyncio.Task[None]] = set()
        metrics.gauge(
            "connections_unclaimed",
            "Sessions here that the store does not know yet",
            lambda: float(len(self._claims)),
        )

    # ── SessionKeeper ────────────────────────────────────────────────────────────────────────

    async def admitted(self, identity: Identity, client: str) -> SessionId:
        """See ``SessionKeeper``."""
        session = self._entropy.session_id()
        if self.policy is not SessionPolicy.REFUSE:
            return session
        player, instead_of = identity.player_id, ""
        own = Connected(session, client, self._clock.wall_ms(), self._node)
        for _ in range(2):
            claim = Claim(player_id=player, connected=own, how=How.FREE, instead_of=instead_of)
            [claimed] = await self._store.claim([claim], ttl_ms=self._lease_ms)
            other = claimed.other
            if claimed.won:
                self._reserve(session, claimed)
                if other is not None:
                    self._end(other)
                return session
            if other is None or await self._is_there(other):
                break
            instead_of = other.session
        self._metrics.sessions_refused += 1
        raise AlreadyConnected(
            "you are connected already, from another page or device: close that connection, then "
            "connect again. A client that reconnects says ?client=<a name of its own> each time "
            "and takes its own connection over"
        )

    def opened(self, session_id: SessionId, player_id: PlayerId, client: str) -> None:
        """See ``SessionKeeper``."""
        _, letters = self._reserved.pop(session_id, (0.0, False))
        reserved = self.policy is SessionPolicy.REFUSE
        connected = Connected(session_id, client, self._clock.wall_ms(), self._node)
        self._entries[session_id] = _Entry(player_id, connected, claimed=reserved)
        if reserved:
            self._due[session_id] = self._renewal()
            if letters:
                self._letters[player_id] = None
        else:
            self._claims[session_id] = How.ALWAYS
        self._wake.set()

    def seated(self, session_id: SessionId, game: str, match: str) -> None:
        """See ``SessionKeeper``."""
        entry = self._entries.get(session_id)
        if entry is not None:
            entry.connected = msgspec.structs.replace(entry.connected, game=game, match=match)
            self._changed[session_id] = None

    def closed(self, session_id: SessionId) -> None:
        """See ``SessionKeeper``."""
        entry = self._entries.pop(session_id, None)
        self._claims.pop(session_id, None)
        self._changed.pop(session_id, None)
        self._due.pop(session_id, None)
        # Over the bound its lease ends by itself.
        if entry is not None and len(self._releases) < RELEASES_MAX:
            self._releases[session_id] = entry.player_id
            self._wake.set()

    # ── life ─────────────────────────────────────────────────────────────────────────────────

    def start(self, here: SessionsHere) -> None:
        """Begin to write. ``here``: the sockets of this node."""
        self._here = here
        self._calls.serve(IS_THERE, self._asked)
        self._calls.serve(REPLACED, self._told)
        self._tasks = [
            self._loop.create_task(self._keep_writing()),
            self._loop.create_task(self._keep_renewing()),
        ]

    async def stop(self) -> None:
        """Release what has ended, once, then write no more."""
        for task in [*self._tasks, *self._telling]:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._telling, return_exceptions=True)
        try:
            await self._release()
        except StoreUnavailable:
            pass  # Their leases end by themselves.

    async def _keep_writing(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._release()
                await self._claim()
                await self._collect()
            except StoreUnavailable as error:
                logger.warning("sessions not claimed", extra={"error": str(error)})
                self._wake.set()
                await asyncio.sleep(RETRY_S * (0.5 + self._entropy.jitter()))
            except Exception:
                # Without this task nothing would be kept any more, and nobody would notice.
                logger.exception("sessions could not be claimed")
                await asyncio.sleep(RETRY_S)

    async def _keep_renewing(self) -> None:
        pause_s = shared(CHANGES_S)
        while True:
            await asyncio.sleep(pause_s())
            try:
                while await self._renew() == AT_ONCE:
                    pass
            except StoreUnavailable:
                self._metrics.leases_unrenewed += 1
            except Exception:
                logger.exception("leases of sessions could not be prolonged")

    # ── the store ────────────────────────────────────────────────────────────────────────────

    async def _claim(self) -> None:
        while self._claims:
            taken = dict(islice(self._claims.items(), AT_ONCE))
            # Whatever comes of it: a claim that is made again must not win over a newer one.
            self._claims |= dict.fromkeys(taken, How.LATER)
            entries = {session: self._entries[session] for session in taken}
            claims = [
                Claim(player_id=entry.player_id, connected=entry.connected, how=taken[session])
                for session, entry in entries.items()
            ]
            answers = await self._store.claim(claims, ttl_ms=self._lease_ms)
            for (session, entry), answer in zip(entries.items(), answers, strict=True):
                self._claims.pop(session, None)
                if self._entries.get(session) is entry:
                    entry.claimed = True
                    self._due[session] = self._renewal()
                else:
                    # It closed meanwhile, and its release may have come first.
                    self._releases[session] = entry.player_id
                    self._wake.set()
                self._settle(session, entry, answer)

    async def _renew(self) -> int:
        """Write what has changed and leases that are due, ``AT_ONCE`` at most; how many."""
        now = self._loop.time()
        due = takewhile(lambda session: self._due[session] <= now, self._due)
        waiting = (one for one in self._changed if self._entries[one].claimed)
        entries = {one: self._entries[one] for one in islice(chain(waiting, due), AT_ONCE)}
        written = {session: entry.connected for session, entry in entries.items()}
        if not entries:
            return 0
        claims = [
            Claim(player_id=entry.player_id, connected=entry.connected, how=How.LATER)
            for entry in entries.values()
        ]
        answers = await self._store.claim(claims, ttl_ms=self._lease_ms)
        for (session, entry), answer in zip(entries.items(), answers, strict=True):
            if self._entries.get(session) is not entry:
                self._releases[session] = entry.player_id
                self._wake.set()
                continue
            if entry.connected is written[session]:
                self._changed.pop(session, None)
            self._due.pop(session, None)
            self._due[session] = self._renewal()
            self._settle(session, entry, answer)
        return len(entries)

    async def _release(self) -> None:
        while self._releases:
            ended = dict(islice(self._releases.items(), AT_ONCE))
            await self._store.release([(player, session) for session, player in ended.items()])
            for session in ended:
                self._releases.pop(session, None)

    async def _collect(self) -> None:
        while self._letters:
            players = list(islice(self._letters, AT_ONCE))
            for player in players:
                del self._letters[player]
            for player, letters in zip(players, await self._store.collect(players), strict=True):
                for letter in letters:
                    if not self._here.deliver(player, letter):
                        await self._store.post(player, letter)

    def _settle(self, session: SessionId, entry: _Entry, answer: Claimed) -> None:
        """Do what the answer to a claim asks for."""
        if answer.letters and answer.won:
            self._letters[entry.player_id] = None
            self._wake.set()
        if answer.other is None or self.policy is SessionPolicy.MANY:
            return
        if answer.won:
            self._end(answer.other)
        else:
            self._replaced(session)

    def _renewal(self) -> float:
        """When a lease that is written now is to be written again."""
        return self._loop.time() + self._lease_ms / 3000

    # ── other sessions ───────────────────────────────────────────────────────────────────────

    def _end(self, other: Connected) -> None:
        """Have another session closed. Who is not told notices when its lease is prolonged."""
        if other.node == self._node:
            self._replaced(other.session)
        elif len(self._telling) < TELLING_MAX:
            task = self._loop.create_task(self._tell(other))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _tell(self, other: Connected) -> None:
        for _ in range(TOLD_TRIES):
            if other.node not in self._peers():
                return
            try:
                await self._calls.call(other.node, REPLACED, _encode(other.session))
            except Unavailable as error:
                logger.info("a replaced session not told", extra={"error": str(error)})
            else:
                return

    def _replaced(self, session: SessionId) -> None:
        if session in self._entries:
            self._metrics.sessions_replaced += 1
            self._here.replace(session)

    async def _is_there(self, other: Connected) -> bool:
        """Whether the other session is there, as far as can be known."""
        if other.node == self._node:
            return self._has(other.session)
        if other.node not in self._peers():
            return False
        try:
            return bool(await self._calls.call(other.node, IS_THERE, _encode(other.session)))
        except Unavailable:
            return True

    def _has(self, session: SessionId) -> bool:
        until, _ = self._reserved.get(session, (0.0, False))
        return session in self._entries or until > self._loop.time()

    def _reserve(self, session: SessionId, claimed: Claimed) -> None:
        now = self._loop.time()
        while self._reserved and next(iter(self._reserved.values()))[0] <= now:
            self._reserved.popitem(last=False)
        self._reserved[session] = (now + RESERVED_S, claimed.letters)

    async def _asked(self, body: bytes) -> bytes:
        return b"yes" if self._has(_session(body)) else b""

    async def _told(self, body: bytes) -> bytes:
        self._replaced(_session(body))
        return b""
