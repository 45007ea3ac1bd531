"""One-time tickets in Redis: for browsers that can set neither header nor subprotocol.

    issue    SET <prefix>:ticket:<sha256 of the ticket> <identity as JSON> NX PX <ttl>
    redeem   GETDEL of the same key: of several who try at once, one gets it

The key holds a digest, so that who reads Redis' keys (a slow log, a monitor) has no ticket. The
identity holds a name, so it is sealed, for this key of Redis alone.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING, cast

import msgspec

from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.redis_client import FAILURES
from gameserver.errors import StoreUnavailable, TokenRefused
from gameserver.metrics import Metrics
from gameserver.ports import Clock, Identity
from gameserver.wire.envelope import BadEnvelope

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

TICKET_BYTES = 16
_TICKET = re.compile(r"[A-Za-z0-9_-]{22}")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Identity).decode


class RedisTickets:
    """The ``Tickets`` port over Redis or Valkey 6.2 and newer; without ``keys`` nothing is
    sealed."""

    def __init__(
        self,
        redis: Redis | RedisCluster,
        *,
        prefix: str,
        ttl_ms: int,
        clock: Clock,
        metrics: Metrics,
        keys: DataKeys | None = None,
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._ttl_ms = ttl_ms
        self._clock = clock
        self._metrics = metrics
        self._keys = keys

    async def issue(self, identity: Identity) -> str:
        """128 random bits as 22 URL-safe characters. Raises ``StoreUnavailable``."""
        ticket = secrets.token_urlsafe(TICKET_BYTES)
        key, data = self._key(ticket), _encode(identity)
        if self._keys is not None:
            data = self._keys.seal_blob(data, ("ticket", key))
        try:
            stored = await self._redis.set(key, data, nx=True, px=self._ttl_ms)
        except FAILURES as error:
            raise self._unavailable() from error
        if not stored:
            # Two equal draws of 128 bits do not happen; a key already there means a broken
            # generator, and handing the ticket out could give one player another's identity.
            raise self._unavailable()
        return ticket

    async def redeem(self, ticket: str) -> Identity:
        """Whom the ticket was issued for. Raises ``TokenRefused`` (``bad_ticket``, or ``expired``
        where the token behind it has ended meanwhile), or ``StoreUnavailable``."""
        if not _TICKET.fullmatch(ticket):
            raise self._refused("bad_ticket", "this is not a ticket")
        key = self._key(ticket)
        try:
            stored = await self._redis.getdel(key)
        except FAILURES as error:
            raise self._unavailable() from error
        if stored is None:
            raise self._refused(
                "bad_ticket", "the ticket was used or is too old: ask for a new one"
            )
        try:
            if self._keys is not None:
                stored = await self._keys.open_blob(cast(bytes, stored), ("ticket", key))
            identity = _decode(stored)
        except (msgspec.DecodeError, BadEnvelope):
            raise self._refused("bad_ticket", "the ticket is from another version") from None
        if identity.expires_ms <= self._clock.wall_ms():
            raise self._refused("expired", "the token behind the ticket has expired")
        return identity

    def _key(self, ticket: str) -> str:
        return f"{self._prefix}:ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"

    def _refused(self, code: str, message: str) -> TokenRefused:
        self._metrics.tokens_refused += 1
        return TokenRefused(code, message)

    def _unavailable(self) -> StoreUnavailable:
        self._metrics.store_errors += 1
        return StoreUnavailable("tickets cannot be stored or read now")
