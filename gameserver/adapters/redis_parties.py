"""Parties in Redis or Valkey. All of them have one hash tag, so one slot, and every change is one
script: a player and a party never disagree, at the price that one server has them all.

    <prefix>:{party}:g:<party>     hash    stamp, and the party
    <prefix>:{party}:p:<player>    string  the player's party; gone: the player is away
    <prefix>:{party}:i:<player>    zset    parties that invite the player ──► until when

All of it has a TTL of ``away_ms``, which a sign of life renews, invites their own.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from gameserver.adapters.redis_calls import RedisCalls
from gameserver.adapters.redis_client import Client
from gameserver.adapters.redis_script import Script
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from gameserver.parties import INVITES_MAX, Found, Party, PartyId, Wrote

logger = logging.getLogger(__name__)

SEEN_AT_ONCE = 500

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Party).decode
_WROTE = {1: Wrote.WRITTEN, 2: Wrote.STALE, 3: Wrote.TAKEN, 4: Wrote.CROWDED}


def note_key(prefix: str, player: PlayerId) -> str:
    """Under which the player's party is noted."""
    return f"{prefix}:{{party}}:p:{player}"


def invites_key(prefix: str, player: PlayerId) -> str:
    """Under which the player's invites are listed."""
    return f"{prefix}:{{party}}:i:{player}"


class RedisParties:
    """Implements ``parties.PartyStore``. ``away_ms``: without a sign of life for so long a player
    is no member any more."""

    def __init__(self, client: Client, *, prefix: str, away_ms: int, metrics: Metrics) -> None:
        self._client = cast(Any, client)
        self._prefix = prefix
        self._away_ms = away_ms
        self._call = RedisCalls(metrics, "Redis")
        self._write = Script("party_write")
        self._seen = Script("party_seen")

    async def party_of(self, player: PlayerId) -> PartyId | None:
        """See ``PartyStore``."""
        with self._call():
            noted = await self._client.get(self._note(player))
        return None if noted is None else PartyId(noted.decode())

    async def find(self, party: PartyId) -> Found | None:
        """See ``PartyStore``. One of another version counts as none."""
        with self._call():
            stored = await self._client.hget(self._key(party), "party")
            if stored is None:
                return None
            try:
                found = _decode(stored)
            except msgspec.DecodeError as error:
                logger.warning("a party cannot be read", extra={"error": str(error)})
                return None
            notes = await self._client.mget([self._note(one) for one in found.members])
        away = (one for one, note in zip(found.members, notes, strict=True) if not _is(note, party))
        return Found(found, frozenset(away))

    async def write(self, before: Party | None, after: Party | None, *, now_ms: int) -> Wrote:
        """See ``PartyStore``."""
        party = after or before
        if party is None:
            return Wrote.WRITTEN
        was, then = _players(before), _players(after)
        invites_before, invites = _invites(before), _invites(after)
        coming = [one for one in then if one not in was]
        leaving = [one for one in was if one not in then]
        asked = [one for one, until in invites.items() if invites_before.get(one) != until]
        unasked = [one for one in invites_before if one not in invites]
        keys = [
            self._key(party.id),
            *map(self._note, (*coming, *leaving)),
            *(invites_key(self._prefix, one) for one in (*asked, *unasked)),
        ]
        arguments: list[bytes | str | int] = [
            "" if before is None else before.stamp,
            "" if after is None else after.stamp,
            b"" if after is None else _encode(after),
            party.id,
            self._away_ms,
            now_ms,
            INVITES_MAX,
            *map(len, (coming, leaving, asked, unasked)),
            *(invites[one] for one in asked),
        ]
        with self._call():
            return _WROTE[await self._write.call(self._client, keys, arguments)]

    async def invited_to(self, player: PlayerId, *, now_ms: int) -> list[PartyId]:
        """See ``PartyStore``."""
        key = invites_key(self._prefix, player)
        with self._call():
            names = await self._client.zrangebyscore(key, f"({now_ms}", "+inf")
        return [PartyId(name.decode()) for name in names]

    async def seen(self, players: Sequence[PlayerId]) -> None:
        """See ``PartyStore``."""
        for at in range(0, len(players), SEEN_AT_ONCE):
            notes = [self._note(one) for one in players[at : at + SEEN_AT_ONCE]]
            with self._call():
                noted = await self._client.mget(notes)
                keys = [note for note, party in zip(notes, noted, strict=True) if party]
                keys += {self._key(PartyId(party.decode())) for party in noted if party}
                if keys:
                    await self._seen.call(self._client, keys, [self._away_ms])

    async def drop(self, key: str) -> None:
        """Delete a key of one player. For an erasure."""
        with self._call():
            await self._client.delete(key)

    def _key(self, party: PartyId) -> str:
        return f"{self._prefix}:{{party}}:g:{party}"

    def _note(self, player: PlayerId) -> str:
        return note_key(self._prefix, player)


def _is(note: bytes | None, party: PartyId) -> bool:
    return note is not None and note.decode() == party


def _players(party: Party | None) -> tuple[PlayerId, ...]:
    return () if party is None else party.members


def _invites(party: Party | None) -> dict[PlayerId, int]:
    return {} if party is None else party.invites
