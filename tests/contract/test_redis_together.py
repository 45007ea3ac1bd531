"""Calls that go together: each gets its own answer, over one server and over a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from hashlib import sha1
from typing import Any

import pytest
from redis.exceptions import DataError, ResponseError

from gameserver.adapters import redis_client
from gameserver.adapters.redis_client import FAILURES
from gameserver.adapters.redis_connection import SoundConnection
from gameserver.adapters.redis_script import Script
from gameserver.adapters.redis_together import Together
from gameserver.config import Config
from gameserver.devstack.process import free_port
from tests.contract.test_match_store import PATIENT_MS, redis_url


@pytest.fixture(params=["valkey", "redis_cluster"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[redis_client.Client]:
    config = Config(
        redis_url=redis_url(request),
        redis_timeout_ms=PATIENT_MS,
        redis_cluster=request.param == "redis_cluster",
    )
    client = redis_client.connect(config, name="together", connections_max=2)
    await redis_client.begin(client)
    yield client
    await client.aclose()


async def test_each_call_has_its_own_answer_or_error(
    client: redis_client.Client, redis_prefix: str
) -> None:
    together, key = Together(client), f"{redis_prefix}:h"
    _, stored = await together.in_order(("HSET", key, "a", b"\x00"), ("HGETALL", key))
    assert stored == {b"a": b"\x00"}
    answers = await asyncio.gather(
        together.call("GET", f"{redis_prefix}:none"),
        together.call("GET", key),
        together.call("HGET", key, "a"),
        return_exceptions=True,
    )
    assert answers[0] is None and answers[2] == b"\x00"
    assert isinstance(answers[1], ResponseError), "it is no string"


async def test_a_script_that_the_server_lacks_is_sent(
    client: redis_client.Client, redis_prefix: str
) -> None:
    together, script = Together(client), Script("mm_offer")
    key = f"{redis_prefix}:v"
    script._text += f"\n-- {redis_prefix}"  # One that no server has seen.
    script._sha = sha1(script._text.encode(), usedforsecurity=False).hexdigest()
    both = (script.call(together, [key], [one, b"v", 1_000, 9]) for one in ("a", "b"))
    assert await asyncio.gather(*both) == [1, 1]


async def test_who_gives_up_takes_no_other_along(
    client: redis_client.Client, redis_prefix: str
) -> None:
    together = Together(client)
    gone = together.call("GET", f"{redis_prefix}:a")
    kept = together.call("SET", f"{redis_prefix}:b", "1")
    gone.cancel()
    assert await kept


async def test_calls_of_one_turn_share_a_round_trip(
    valkey_url: str, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config(redis_url=valkey_url, redis_timeout_ms=PATIENT_MS)
    client = redis_client.connect(config, name="together", connections_max=2)
    together, taken = Together(client), []
    ask_all = SoundConnection.ask_all

    async def counted(
        connection: SoundConnection, commands: Sequence[Sequence[object]]
    ) -> list[object]:
        taken.append(len(commands))
        return await ask_all(connection, commands)

    monkeypatch.setattr(SoundConnection, "ask_all", counted)

    async def ask(name: str) -> object:
        return await together.call("GET", f"{redis_prefix}:{name}")

    assert await asyncio.gather(*(ask(name) for name in "abcdef")) == [None] * 6
    assert taken == [6], "also those of tasks that the first one's turn has begun"
    await ask("g")
    assert taken == [6, 1]
    await client.aclose()


async def test_redis_away_fails_all_of_them() -> None:
    config = Config(redis_url=f"redis://127.0.0.1:{free_port()}/0", redis_timeout_ms=200)
    client = redis_client.connect(config, name="together", connections_max=2)
    together = Together(client)
    answers = await asyncio.gather(
        together.call("GET", "a"), together.call("GET", "b"), return_exceptions=True
    )
    assert all(isinstance(one, FAILURES) for one in answers)
    await client.aclose()


async def test_a_value_that_redis_does_not_know_is_an_error_of_all_and_no_cancellation(
    client: redis_client.Client, redis_prefix: str
) -> None:
    together = Together(client)
    wrong: Any = object()
    answers = await asyncio.gather(
        together.call("SET", f"{redis_prefix}:a", wrong),
        together.call("GET", f"{redis_prefix}:b"),
        return_exceptions=True,
    )
    assert isinstance(answers[0], DataError)
    assert answers[1] is None or isinstance(answers[1], DataError)
    assert await together.call("GET", f"{redis_prefix}:b") is None
