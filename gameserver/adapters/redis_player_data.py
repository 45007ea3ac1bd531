"""All that Redis holds of one player under keys of their own: listed, exported, or erased.

    <prefix>:seat:<player>              the match they sit in
    <prefix>:cache:profile.1:<player>   the cached profile, its sensitive fields sealed
    <prefix>:cache:blocks.1:<player>    the cached list of whom they have blocked
    <prefix>:cache:rating.1:<player>    the cached ratings
    <prefix>:{p:<player>}:t, :x         their matchmaking ticket, and a penalty, by id
    <prefix>:guess:p:<player>           how many wrong codes of matches they gave, for ten minutes
    <prefix>:{c<n>}:s:<player>          the session that is theirs, while it lasts
    <prefix>:{c<n>}:l:<player>          notifications that wait for them, sealed
    <prefix>:{party}:p:<player>, :i:    their party, and parties that invite them

The keys are named rather than searched for: a scan would walk through all matches. Tickets to
connect with name nobody, and end within seconds. What a running match knows of its players goes
with the match, and a queue's tickets two minutes after their end; they are not here.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from gameserver.adapters.redis_cache import key_prefix
from gameserver.adapters.redis_client import FAILURES, Client
from gameserver.adapters.redis_connected import connected_key, letters_key
from gameserver.adapters.redis_party_data import erase_from_parties, party_data
from gameserver.errors import StoreUnavailable
from gameserver.ids import PlayerId
from gameserver.players.port import BLOCKS_KIND, CACHE_KIND, RATINGS_KIND


def seat_key(prefix: str, player_id: PlayerId) -> str:
    """Under which the match is noted that the player sits in."""
    return f"{prefix}:seat:{player_id}"


async def redis_player_data(client: Client, prefix: str, player_id: PlayerId) -> dict[str, bytes]:
    """The keys that are there, and what they hold. Raises ``StoreUnavailable``."""
    named = (
        seat_key(prefix, player_id),
        f"{key_prefix(prefix)}{CACHE_KIND}:{player_id}",
        f"{key_prefix(prefix)}{RATINGS_KIND}:{player_id}",
        f"{prefix}:{{p:{player_id}}}:t",
        f"{prefix}:{{p:{player_id}}}:x",
        f"{prefix}:guess:p:{player_id}",
        f"{key_prefix(prefix)}{BLOCKS_KIND}:{player_id}",
        connected_key(prefix, player_id),
        letters_key(prefix, player_id),
    )
    found: dict[str, bytes] = {}
    with _calls():
        for key in named:
            value = cast(bytes | None, await client.get(key))
            if value is not None:
                found[key] = value
    return found | await party_data(client, prefix, player_id)


async def export_redis_player(
    client: Client, prefix: str, player_id: PlayerId
) -> list[dict[str, str]]:
    """The same, ready for JSON: ``[{"key", "value"}]``; what is no text is base64. Raises
    ``StoreUnavailable``."""
    found = await redis_player_data(client, prefix, player_id)
    return [{"key": key, "value": _text(value)} for key, value in found.items()]


async def erase_redis_player(
    client: Client, prefix: str, player_id: PlayerId, *, seated: bool = False
) -> int:
    """Delete the keys; how many there were. ``seated``: the seat stays, for it is in use. Nodes
    drop their near copies with them. May be repeated. Erase DynamoDB first, or the profile is
    cached again. Raises ``StoreUnavailable``."""
    found = await redis_player_data(client, prefix, player_id)
    if seated:
        found.pop(seat_key(prefix, player_id), None)
    await erase_from_parties(client, prefix, player_id)
    with _calls():
        for key in found:
            await cast(Any, client.delete(key))
    return len(found)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


@contextmanager
def _calls() -> Iterator[None]:
    try:
        yield
    except FAILURES as error:
        raise StoreUnavailable(f"Redis: {type(error).__name__}: {error}") from error
