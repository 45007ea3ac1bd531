"""What parties in Redis hold of one player: listed, or taken out."""

from __future__ import annotations

import msgspec

from gameserver.adapters.redis_client import Client
from gameserver.adapters.redis_parties import RedisParties, invites_key, note_key
from gameserver.errors import StoreUnavailable
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from gameserver.parties import Party, PartyId, Wrote

_TRIES = 20


async def party_data(client: Client, prefix: str, player: PlayerId) -> dict[str, bytes]:
    """The keys that are there, and what they hold; of invites the parties. Raises
    ``StoreUnavailable``."""
    store = _store(client, prefix)
    found: dict[str, bytes] = {}
    if (party := await store.party_of(player)) is not None:
        found[note_key(prefix, player)] = party.encode()
    if invites := await store.invited_to(player, now_ms=0):
        found[invites_key(prefix, player)] = " ".join(invites).encode()
    return found


async def erase_from_parties(client: Client, prefix: str, player: PlayerId) -> None:
    """Take the player out of their party, and out of those that invite them. May be repeated.
    Raises ``StoreUnavailable``."""
    store = _store(client, prefix)
    if (party := await store.party_of(player)) is not None:
        await _take_out(store, party, player)
    for party in await store.invited_to(player, now_ms=0):
        await _take_out(store, party, player)
    for key in (note_key(prefix, player), invites_key(prefix, player)):
        await store.drop(key)


async def _take_out(store: RedisParties, name: PartyId, player: PlayerId) -> None:
    for number in range(_TRIES):
        found = await store.find(name)
        if found is None:
            return
        before = found.party
        after: Party | None = before.uninvited(player).without((player,))
        if after == before:
            return
        if after is not None:
            after = msgspec.structs.replace(after, stamp=f"{before.stamp}-{number}")
        if await store.write(before, after, now_ms=0) is Wrote.WRITTEN:
            return
    raise StoreUnavailable(f"party {name} changes all the time")


def _store(client: Client, prefix: str) -> RedisParties:
    # Whatever life a party has is left as it is.
    return RedisParties(client, prefix=prefix, away_ms=1, metrics=Metrics())
