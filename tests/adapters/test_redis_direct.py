"""Calls over a connection at hand, which take no other way through redis-py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gameserver.adapters import redis_client
from gameserver.adapters.redis_connection import Pool, SoundConnection
from gameserver.config import Config
from tests.contract.test_match_store import PATIENT_MS


@pytest.fixture
async def client(valkey_url: str) -> AsyncIterator[Any]:
    config = Config(redis_url=valkey_url, redis_timeout_ms=PATIENT_MS)
    made = redis_client.connect(config, name="t", connections_max=1)
    yield made
    await made.aclose()


@pytest.fixture
async def pool(client: Any) -> Pool:
    """With one connection, open and idle."""
    await client.ping()
    return cast(Pool, client.connection_pool)


def idle(pool: Pool) -> SoundConnection:
    [connection] = pool._available_connections
    return cast(SoundConnection, connection)


async def test_a_connection_at_hand_is_asked_directly(
    client: Any, pool: Pool, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any) -> None:
        raise AssertionError("by the long way")

    monkeypatch.setattr(pool, "get_connection", never)
    before = idle(pool)
    assert await client.set(redis_prefix, "ä") is True
    assert await client.get(redis_prefix) == "ä".encode()
    assert await client.hgetall(redis_prefix + "none") == {}
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await client.lpop(redis_prefix)
    assert await client.client_setname("x") is True
    assert idle(pool) is before


async def test_who_waits_for_a_connection_gets_it(client: Any, pool: Pool) -> None:
    async with asyncio.timeout(60):
        assert await asyncio.gather(*(client.echo(f"{n}") for n in range(50))) == [
            f"{n}".encode() for n in range(50)
        ]


async def test_an_answer_that_does_not_come_in_time_closes_the_connection(
    client: Any, pool: Pool, redis_prefix: str
) -> None:
    connection = idle(pool)
    connection.socket_timeout = 0.05
    for _ in range(2):  # The second time by a connection made anew.
        with pytest.raises(RedisTimeoutError):
            await client.execute_command("BLPOP", redis_prefix, 0)
        assert not connection.is_connected
        connection.socket_timeout = PATIENT_MS / 1000
        assert await client.echo("b") == b"b"
        connection.socket_timeout = 0.05


async def test_calls_in_time_are_not_ended_by_the_timer_of_an_earlier_one(
    client: Any, pool: Pool
) -> None:
    connection = idle(pool)
    await client.echo("a")
    looked = 0
    for _ in range(3):
        # As if the first call's time were over, whose timer watches this one as well.
        asked = asyncio.ensure_future(client.echo("b"))
        await asyncio.sleep(0)
        if connection._watch is not None:
            connection._watch.cancel()
        connection._look(asyncio.get_running_loop())
        looked += connection._watch is not None
        assert await asked == b"b"
    assert looked == 3, "it goes on watching while a call is under way"
    assert connection._watch is not None
    connection._watch.cancel()
    connection._look(asyncio.get_running_loop())
    assert connection._watch is None, "and stops when none is"
    assert await client.echo("c") == b"c"


async def test_what_nobody_has_read_is_nobodys_answer(client: Any, pool: Pool) -> None:
    connection = idle(pool)
    await connection.send_command("ECHO", "stale")
    reader: Any = connection._reader
    async with asyncio.timeout(60):
        while not reader._buffer:  # noqa: ASYNC110 (another process writes it)
            await asyncio.sleep(0.001)
    assert not connection.ready
    assert await client.echo("fresh") == b"fresh"


async def test_a_connection_that_the_server_has_ended_is_made_anew(
    client: Any, pool: Pool, valkey_url: str
) -> None:
    connection = idle(pool)
    other: Any = redis_client.connect(Config(redis_url=valkey_url), name="o", connections_max=1)
    await other.client_kill_filter(_id=await client.client_id())
    await other.aclose()
    reader: Any = connection._reader
    async with asyncio.timeout(60):
        while not reader.at_eof():  # noqa: ASYNC110 (another process ends it)
            await asyncio.sleep(0.001)
    assert not connection.ready
    assert await client.echo("a") == b"a"


async def test_a_connection_that_ends_under_a_call_fails_it(
    client: Any, pool: Pool, valkey_url: str, redis_prefix: str
) -> None:
    number = await client.client_id()
    asked = asyncio.ensure_future(client.execute_command("BLPOP", redis_prefix, 0))
    await asyncio.sleep(0)
    other: Any = redis_client.connect(Config(redis_url=valkey_url), name="o", connections_max=1)
    await other.client_kill_filter(_id=number)
    await other.aclose()
    with pytest.raises(RedisConnectionError):
        await asked
    assert await client.echo("a") == b"a"


def test_commands_are_packed_as_the_server_takes_them() -> None:
    pack = Pool().make_connection().pack_command
    assert pack("CLIENT SETNAME", "ä") == [
        b"*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$2\r\n\xc3\xa4\r\n"
    ]
    assert pack("X", b"\x00\r\n", 12, 1.5) == [
        b"*4\r\n$1\r\nX\r\n$3\r\n\x00\r\n\r\n$2\r\n12\r\n$3\r\n1.5\r\n"
    ]
    for value in (None, True, ["a"], bytearray(b"x")):
        with pytest.raises(DataError):
            pack("X", value)
