"""Matches that players create on any node, and the way into private ones.

create        code claimed ─► Open to this node or a calmer one ─► durable
code given    guesses counted ─► code found ─► password ─► Invite to the match's node
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from gameserver.cluster.calls import Calls
from gameserver.cluster.peers import Peers
from gameserver.errors import JoinRefused, NodeSilent, StoreUnavailable
from gameserver.hosting import (
    BAD_CODE,
    TOO_MANY_GUESSES,
    CodeEntry,
    CodeStore,
    Created,
    HostRefused,
    Passwords,
    Terms,
    Wanted,
    check_terms,
    code_of,
    read_code,
)
from gameserver.ids import MatchId, PlayerId
from gameserver.listing import Visibility
from gameserver.ports import Clock, Entropy, Identity, LocalMatches, MatchStore
from gameserver.rounds import Rounds, about
from gameserver.wire.to_client import ErrorCode

logger = logging.getLogger(__name__)

TOPIC = "host"
CODE_TTL_MS = 60_000
CODE_KEPT_EVERY_S = 20.0
CLAIMS_MAX = 8
SEAT_KEPT_MS = 60_000
"""How long a player who gave the code may take to come."""
GUESS_WINDOW_MS = 600_000
GUESSES_OF_PLAYER = 10
GUESSES_OF_NETWORK = 50
"""Wrong ones within the window. Networks rather than addresses, which are stored nowhere; many
players may share one."""
NO_PASSWORD = "scrypt$14$8$1$AAAAAAAAAAAAAAAAAAAAAA==$" + "A" * 43 + "="
"""Fits nothing: a code that does not exist takes as long as one with a password."""


class HostDesk(Protocol):
    """The matches of this node; raises ``JoinRefused`` and ``StoreUnavailable``."""

    async def open(self, match_id: MatchId, game: str, mode: str, terms: Terms) -> None: ...
    async def invite(self, match_id: MatchId, player: PlayerId, keep_ms: int) -> None: ...
    async def bring(self, match_id: MatchId, players: Sequence[PlayerId], keep_ms: int) -> None: ...
    def is_guest(self, match_id: MatchId, player: PlayerId) -> bool: ...
    def codes(self) -> list[tuple[MatchId, Terms]]: ...


class Open(msgspec.Struct, array_like=True, tag=1, frozen=True):
    match: MatchId
    game: str
    mode: str
    terms: Terms


class Invite(msgspec.Struct, array_like=True, tag=2, frozen=True):
    match: MatchId
    player: PlayerId
    keep_ms: int


class AskGuest(msgspec.Struct, array_like=True, tag=3, frozen=True):
    match: MatchId
    player: PlayerId


class Bring(msgspec.Struct, array_like=True, tag=4, frozen=True):
    match: MatchId
    players: tuple[PlayerId, ...]
    keep_ms: int


Order = Open | Invite | AskGuest | Bring


class Outcome(msgspec.Struct, array_like=True, frozen=True):
    """``code``: why it was refused, or empty."""

    code: str = ""
    message: str = ""
    yes: bool = True


_encode = msgspec.msgpack.Encoder().encode
_decode_order = msgspec.msgpack.Decoder(Order).decode
_decode_outcome = msgspec.msgpack.Decoder(Outcome).decode


class ClusterHost:
    """Implements ``hosting.Hosting``. ``load``: the share of a core that this node uses;
    ``changed``: there is a match more."""

    def __init__(
        self,
        *,
        node: str,
        desk: HostDesk,
        local: LocalMatches,
        store: MatchStore,
        peers: Peers,
        calls: Calls,
        codes: CodeStore,
        passwords: Passwords,
        clock: Clock,
        entropy: Entropy,
        load: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self._node = node
        self._desk = desk
        self._local = local
        self._store = store
        self._peers = peers
        self._calls = calls
        self._codes = codes
        self._passwords = passwords
        self._clock = clock
        self._entropy = entropy
        self._load = load
        self._changed = changed
        self._kept: dict[str, MatchId] = {}
        self._rounds = Rounds(
            self.keep_codes,
            wait_s=about(CODE_KEPT_EVERY_S, entropy),
            logger=logger,
            failed="codes not kept",
        )
        calls.serve(TOPIC, self._ordered)

    # ── Hosting ──────────────────────────────────────────────────────────────────────────────

    async def create(self, wanted: Wanted, identity: Identity) -> Created:
        """See ``Hosting``."""
        game = self._local.games.get(wanted.game)
        if game is None:
            raise HostRefused(ErrorCode.UNKNOWN_GAME, f"there is no game {wanted.game!r}")
        if self._local.maintenance is not None:
            raise HostRefused(ErrorCode.MAINTENANCE, self._local.maintenance.message)
        mode, _, players_max = check_terms(wanted, game)
        match_id = self._entropy.match_id()
        code = password = ""
        if wanted.visibility is Visibility.PRIVATE:
            if wanted.password:
                password = await self._passwords.hashed(wanted.password)
            code = await self._claim(CodeEntry(match_id, password))
        terms = Terms(
            by=identity.player_id,
            title=wanted.title,
            visibility=wanted.visibility,
            players_max=wanted.players_max,
            options=dict(wanted.options),
            # Match time begins with the match, and runs no faster than the wall's.
            guests=dict.fromkeys([identity.player_id, *wanted.reserve], wanted.reserve_ms),
            code=code,
            password=password,
        )
        until_ms = self._clock.wall_ms() + wanted.reserve_ms
        try:
            await self._open(Open(match_id, wanted.game, mode, terms))
        except HostRefused:
            if code:
                await self._codes.release(code, match_id)
            raise
        self._changed()
        return Created(
            match=match_id,
            mode=mode,
            players_max=players_max,
            code=code,
            reserved_until_ms=until_ms,
        )

    async def join_by_code(
        self, code: str, password: str, identity: Identity, *, network: str = ""
    ) -> tuple[MatchId, int]:
        """See ``Hosting``."""
        entry = await self._guessed(code, password, identity.player_id, network)
        until_ms = self._clock.wall_ms() + SEAT_KEPT_MS
        owner = await self._owner(entry.match)
        await self._ask(owner, Invite(entry.match, identity.player_id, SEAT_KEPT_MS))
        return entry.match, until_ms

    async def bring(self, match_id: MatchId, players: Sequence[PlayerId]) -> int:
        """See ``Hosting``."""
        until_ms = self._clock.wall_ms() + SEAT_KEPT_MS
        owner = await self._owner(match_id)
        await self._ask(owner, Bring(match_id, tuple(players), SEAT_KEPT_MS))
        return until_ms

    async def is_guest(self, match_id: MatchId, player_id: PlayerId) -> bool:
        """See ``Hosting``."""
        owner = await self._owner(match_id)
        return (await self._ask(owner, AskGuest(match_id, player_id))).yes

    async def seat_by_code(self, code: str, password: str, identity: Identity) -> MatchId:
        """For a session's ``Join``. Raises ``JoinRefused``, ``Unavailable``."""
        try:
            return (await self.join_by_code(code, password, identity))[0]
        except HostRefused as refused:
            raise JoinRefused(refused.code, refused.message) from None

    # ── codes ────────────────────────────────────────────────────────────────────────────────

    async def _claim(self, entry: CodeEntry) -> str:
        for _ in range(CLAIMS_MAX):
            code = code_of(self._entropy.seed())
            if await self._codes.claim(code, entry, ttl_ms=CODE_TTL_MS):
                return code
        raise StoreUnavailable("no code is free")

    async def _guessed(
        self, text: str, password: str, player_id: PlayerId, network: str
    ) -> CodeEntry:
        """What a code stands for. A guess is counted before it is looked at, so that many at once
        are no way around the limit."""
        keys = [(f"p:{player_id}", GUESSES_OF_PLAYER)]
        if network:
            keys.append((f"n:{network}", GUESSES_OF_NETWORK))
        for key, most in keys:
            if await self._codes.spend(key, window_ms=GUESS_WINDOW_MS) > most:
                raise HostRefused(TOO_MANY_GUESSES, "too many wrong codes; wait ten minutes")
        code = read_code(text)
        entry = await self._codes.find(code) if code else None
        fits = entry is not None and not entry.password
        if entry is None or entry.password:
            stored = NO_PASSWORD if entry is None else entry.password
            fits = await self._passwords.fits(password, stored) and entry is not None
        if entry is None or not fits:
            raise HostRefused(BAD_CODE, "the code or the password is wrong")
        for key, _ in keys:
            await self._codes.refund(key)
        return entry

    async def start(self) -> None:
        """Keep the codes of this node's matches alive from now on. Idempotent."""
        self._rounds.start()

    async def stop(self) -> None:
        """Keep them no more. Idempotent."""
        await self._rounds.stop()

    async def keep_codes(self) -> None:
        """Once: those of matches that are over are given back. Raises ``StoreUnavailable``."""
        here = {terms.code: (match, terms) for match, terms in self._desk.codes()}
        for code, (match, terms) in here.items():
            entry = CodeEntry(match, terms.password)
            await self._codes.keep(code, entry, ttl_ms=CODE_TTL_MS)
        for code, match in self._kept.items():
            # One that has moved to another node is kept by that one.
            if code not in here and await self._store.holder(match) is None:
                await self._codes.release(code, match)
        self._kept = {code: match for code, (match, _) in here.items()}

    # ── other nodes ──────────────────────────────────────────────────────────────────────────

    def _place(self) -> str:
        """This node, or one that is calmer by far."""
        if self._local.draining:
            return self._peers.calmest() or self._node
        return self._peers.calmer(self._load()) or self._node

    async def _open(self, order: Open) -> None:
        place = self._place()
        try:
            await self._ask(place, order)
        except NodeSilent:
            # It may have died just now. If it has opened the match nevertheless, it has the lease.
            if place == self._node or self._local.draining:
                raise
            if await self._store.holder(order.match) is None:
                await self._ask(self._node, order)

    async def _owner(self, match_id: MatchId) -> str:
        if self._local.runs(match_id):
            return self._node
        holder = await self._store.holder(match_id)
        if holder is None:
            raise HostRefused(ErrorCode.UNKNOWN_MATCH, "the match is over")
        if not holder:
            raise NodeSilent(f"match {match_id} is on its way to another node; try again")
        return holder

    async def _ask(self, node: str, order: Order) -> Outcome:
        outcome = _decode_outcome(await self._calls.call(node, TOPIC, _encode(order)))
        if outcome.code:
            raise HostRefused(outcome.code, outcome.message)
        return outcome

    async def _ordered(self, body: bytes) -> bytes:
        order = _decode_order(body)
        try:
            match order:
                case Open():
                    await self._desk.open(order.match, order.game, order.mode, order.terms)
                case Invite():
                    await self._desk.invite(order.match, order.player, order.keep_ms)
                case Bring():
                    await self._desk.bring(order.match, order.players, order.keep_ms)
                case AskGuest():
                    return _encode(Outcome(yes=self._desk.is_guest(order.match, order.player)))
        except JoinRefused as refused:
            return _encode(Outcome(refused.code, refused.message))
        return _encode(Outcome())
