"""Calls with an Idempotency-Key."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from gameserver.adapters.http_idempotency import ANSWER_BYTES_MAX, Idempotency
from gameserver.adapters.http_problem import Kind, Problem
from gameserver.adapters.http_routes import Call, Endpoint, Nothing, Rate, Reply
from gameserver.adapters.http_services import Services
from gameserver.errors import StoreUnavailable
from tests.adapters.http_declared import Done, declared
from tests.adapters.http_world import BEARER, Client, World, serving

KEY = '"8e03978e-40d5-43e8-bc93-6894a57f9324"'
FULL = Kind("full", 409, "Full.")


class Thing(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be made."""

    name: str


@dataclass
class Maker:
    """Makes things, and counts them."""

    made: list[str] = field(default_factory=list)
    failure: Exception | None = None
    go: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    size: int = 0

    def endpoint(self) -> Endpoint:
        self.go.set()

        async def make(services: Services, call: Call[Nothing, Thing]) -> Reply:
            self.begun.set()
            await self.go.wait()
            if self.failure:
                raise self.failure
            self.made.append(call.body.name)
            of = f"{call.body.name} {len(self.made)}" + " " * self.size
            return Reply(value=Done(of=of), headers={"Location": "/v1/things/1"})

        return declared(
            method="POST",
            path="/v1/things",
            rate=Rate.WRITE,
            handler=make,
            body=Thing,
            answers={201: Done},
            problems=(FULL,),
            idempotent=True,
        )


def thing(name: str = "a", key: str | None = KEY) -> dict[str, Any]:
    headers = BEARER if key is None else BEARER | {"Idempotency-Key": key}
    return {"json": {"name": name}, "headers": headers}


async def make(ask: Client, expect: int = 201, **options: Any) -> tuple[Any, Any]:
    return await ask("POST", "/v1/things", expect=expect, **thing(**options))


async def test_the_same_call_again_gets_the_same_answer() -> None:
    maker = Maker()
    async with serving(World(), endpoints=[maker.endpoint()]) as ask:
        first, told = await make(ask)
        again, replayed = await make(ask)
        assert (first, again) == ({"of": "a 1"}, {"of": "a 1"})
        assert "Idempotency-Replayed" not in told
        assert replayed["Idempotency-Replayed"] == "true"
        assert told["Location"] == replayed["Location"]
        assert (await make(ask, key=KEY.strip('"')))[0] == first, "the quotes do not count"
        assert (await make(ask, key="other"))[0] == {"of": "a 2"}
        assert (await make(ask, key=None))[0] == {"of": "a 3"}


async def test_another_request_with_the_key_is_refused() -> None:
    maker = Maker()
    async with serving(World(), endpoints=[maker.endpoint()]) as ask:
        await make(ask)
        problem, _ = await make(ask, expect=422, name="b")
        assert problem["code"] == "idempotency_key_reused"
    assert maker.made == ["a"]


async def test_while_the_first_is_under_way() -> None:
    maker = Maker()
    async with serving(World(), endpoints=[maker.endpoint()]) as ask:
        maker.go.clear()
        first = asyncio.create_task(make(ask))
        await maker.begun.wait()
        problem, headers = await make(ask, expect=409)
        assert (problem["code"], headers["Retry-After"]) == ("request_in_progress", "1")
        maker.go.set()
        assert (await first)[0] == (await make(ask))[0]
    assert maker.made == ["a"]


@pytest.mark.parametrize(
    ("failure", "status"),
    [(Problem(FULL), 409), (StoreUnavailable("down"), 503), (RuntimeError("a defect"), 500)],
)
async def test_what_failed_is_tried_again(failure: Exception, status: int) -> None:
    maker = Maker(failure=failure)
    async with serving(World(), endpoints=[maker.endpoint()]) as ask:
        await make(ask, expect=status)
        maker.failure = None
        assert (await make(ask))[0] == {"of": "a 1"}


async def test_a_call_that_took_too_long_is_tried_again() -> None:
    maker = Maker()
    async with serving(World(), endpoints=[maker.endpoint()], http_timeout_ms=100) as ask:
        maker.go.clear()
        await make(ask, expect=503)
        maker.go.set()
        await make(ask)


@pytest.mark.parametrize("key", ["", "a b", "x" * 65, '"a', "ä", '""'])
async def test_a_bad_key(key: str) -> None:
    maker = Maker()
    async with serving(World(), endpoints=[maker.endpoint()]) as ask:
        problem, _ = await make(ask, expect=400, key=key)
        assert problem["code"] == "bad_idempotency_key"
    assert maker.made == []


async def test_without_the_store_nothing_is_made() -> None:
    maker, world = Maker(), World()
    world.answers.failure = StoreUnavailable("down")
    async with serving(world, endpoints=[maker.endpoint()]) as ask:
        await make(ask, expect=503)
        assert maker.made == []
        await make(ask, key=None)


async def test_keys_are_a_players_own() -> None:
    world = World()

    async def once(scope: str) -> bool:
        idempotency = Idempotency(world.answers, ttl_ms=1_000, claim_ms=1_000)

        async def carry_out() -> Any:
            raise Problem(FULL)

        with pytest.raises(Problem) as refused:
            await idempotency.once(given="k", scope=scope, request=b"r", carry_out=carry_out)
        return refused.value.kind is FULL

    assert await once("ann") and await once("ben")


async def test_a_long_answer_is_not_kept_but_nothing_is_made_twice() -> None:
    maker = Maker(size=ANSWER_BYTES_MAX)
    async with serving(World(), endpoints=[maker.endpoint()]) as ask:
        await make(ask)
        problem, _ = await make(ask, expect=409)
        assert problem["code"] == "answer_not_kept"
    assert maker.made == ["a"]
