"""All that Redis holds of one player under keys of their own: listed, exported, or erased.

    <prefix>:seat:<player>              the match they sit in
    <prefix>:cache:profile.1:<player>   the cached profile, its sensitive fields sealed
    <prefix>:{p:<player>}:t, :x         their matchmaking ticket, and a penalty, by id
    <prefix>:ticket:<digest>            tickets not redeemed yet, which end within seconds

Tickets are found by a scan, because their keys name nobody: the user of this needs ``+scan`` beside
the server's rights. What a running match knows of its players goes with the match, and a queue's
tickets two minutes after their end; they are not here.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, cast

import msgspec

from gameserver.adapters.redis_cache import key_prefix
from gameserver.adapters.redis_client import FAILURES, Client
from gameserver.errors import StoreUnavailable
from gameserver.ids import PlayerId
from gameserver.players.port import CACHE_KIND
from gameserver.ports import Identity

_SCAN_COUNT = 1_000
_decode_identity = msgspec.json.Decoder(Identity).decode


async def redis_player_data(client: Client, prefix: str, player_id: PlayerId) -> dict[str, bytes]:
    """The keys that are there, and what they hold. Raises ``StoreUnavailable``."""
    named = (
        f"{prefix}:seat:{player_id}",
        f"{key_prefix(prefix)}{CACHE_KIND}:{player_id}",
        f"{prefix}:{{p:{player_id}}}:t",
        f"{prefix}:{{p:{player_id}}}:x",
    )
    found: dict[str, bytes] = {}
    with _calls():
        for key in named:
            value = cast(bytes | None, await client.get(key))
            if value is not None:
                found[key] = value
        tickets = _tickets(client, prefix)
        found |= {key: value async for key, value in tickets if _is_of(value, player_id)}
    return found


async def export_redis_player(
    client: Client, prefix: str, player_id: PlayerId
) -> list[dict[str, str]]:
    """The same, ready for JSON: ``[{"key", "value"}]``; what is no text is base64. Raises
    ``StoreUnavailable``."""
    found = await redis_player_data(client, prefix, player_id)
    return [{"key": key, "value": _text(value)} for key, value in found.items()]


async def erase_redis_player(client: Client, prefix: str, player_id: PlayerId) -> int:
    """Delete the keys; how many there were. Nodes drop their near copies with them. May be
    repeated. Erase DynamoDB first, or the profile is cached again. Raises ``StoreUnavailable``."""
    found = await redis_player_data(client, prefix, player_id)
    with _calls():
        for key in found:
            await cast(Any, client.delete(key))
    return len(found)


async def _tickets(client: Client, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
    scan = cast(Any, client).scan_iter(match=f"{prefix}:ticket:*", count=_SCAN_COUNT)
    async for key in scan:
        value = cast(bytes | None, await client.get(key))
        if value is not None:
            yield key.decode(), value


def _is_of(ticket: bytes, player_id: PlayerId) -> bool:
    try:
        return _decode_identity(ticket).player_id == player_id
    except msgspec.DecodeError:
        return False  # Of another version; it ends by itself.


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
