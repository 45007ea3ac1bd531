"""Friends and notifications over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from gameserver.cache.shared import SharedCache
from gameserver.config import Config
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from gameserver.players.finder import PlayerFinder
from gameserver.players.friends import Bounds, Friends
from gameserver.ports import Identity
from gameserver.whereabouts import Claim, Connected
from tests.adapters.http_world import (
    BEARER,
    LONG_MS,
    Client,
    Operators,
    World,
    services_of,
    serving,
)
from tests.fakes.clock import EPOCH_MS, LoopClock, SeededEntropy
from tests.fakes.memory_cache import MemoryCacheHub
from tests.fakes.memory_connected import MemoryConnected
from tests.fakes.memory_friends import MemoryFriends


class Players(World):
    """The bearer is whom ``caller`` names."""

    caller = "ann"

    async def verify(self, token: str) -> Identity:
        await super().verify(token)
        return Identity(
            player_id=PlayerId(self.caller),
            name=self.caller,
            groups=(),
            expires_ms=LONG_MS,
            token_use="access",
        )


def friends_of(world: World, connected: MemoryConnected, *, blocks: int = 100) -> Friends:
    """Friends in memory; notifications go to the world's notifier."""
    cache = SharedCache(
        MemoryCacheHub().store(), Config(), entropy=SeededEntropy(1), metrics=Metrics()
    )
    return Friends(
        MemoryFriends(),
        PlayerFinder(connected, services_of(world).matchmaking),
        world.notifier,
        cache,
        profiles=None,
        bounds=Bounds(friends=100, requests=100, blocks=blocks),
        clock=LoopClock(lambda: 0),
        blocks_ttl_ms=60_000,
    )


class Town:
    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.world = Players()
        self.connected = MemoryConnected(lambda: loop.time() * 1000)
        self.world.friends = friends_of(self.world, self.connected, blocks=1)
        self.ask: Client

    async def __call__(
        self, caller: str, method: str, path: str, *, expect: int = 200, **options: object
    ) -> object:
        self.world.caller = caller
        headers = {**BEARER, **options.pop("headers", {})}  # type: ignore[dict-item]
        answer, _ = await self.ask(method, path, expect=expect, headers=headers, **options)
        return answer

    async def befriend(self, one: str, other: str) -> None:
        await self(one, "POST", "/v1/friends", json={"player_id": other}, expect=201)
        path = f"/v1/friends/{one}/answer"
        assert await self(other, "POST", path, json={"accept": True}) == {
            "player_id": one,
            "state": "friends",
        }

    async def connect(self, player: str, *, game: str = "", match: str = "") -> None:
        connected = Connected(f"s-{player}", "", 1, "n1", game, match)  # type: ignore[arg-type]
        claim = Claim(player_id=PlayerId(player), connected=connected)
        await self.connected.claim([claim], ttl_ms=60_000)


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    made = Town()
    async with AsyncExitStack() as stack:
        made.ask = await stack.enter_async_context(serving(made.world))
        yield made


async def test_friends_see_where_their_friends_are(town: Town) -> None:
    for other in ("ben", "cat", "dan", "eve"):
        await town.befriend("ann", other)
    await town.connect("ben")
    await town.connect("cat", game="arena", match="m1")
    await town.connect("dan")
    body = {"game": "arena", "mode": "duel"}
    await town("dan", "POST", "/v1/matchmaking/tickets", json=body, expect=201)
    page = await town("ann", "GET", "/v1/friends")
    places = {each["player_id"]: each["whereabouts"] for each in page["players"]}  # type: ignore[index]
    nowhere = {"game": None, "match": None}
    assert places == {
        "ben": {"where": "online", **nowhere},
        "cat": {"where": "match", "game": "arena", "match": "m1"},
        "dan": {"where": "queued", "game": "arena", "match": None},
        "eve": {"where": "offline", **nowhere},
    }
    assert [each["since_ms"] for each in page["players"]] == [EPOCH_MS] * 4  # type: ignore[index]


async def test_who_is_no_friend_sees_nothing(town: Town) -> None:
    await town.connect("ben")
    await town("ann", "POST", "/v1/friends", json={"player_id": "ben"}, expect=201)
    for caller, show in (("ann", "asked"), ("ben", "asked_by")):
        page = await town(caller, "GET", f"/v1/friends?show={show}")
        [other] = page["players"]  # type: ignore[index]
        assert other["whereabouts"] is None


async def test_pages(town: Town) -> None:
    for number in range(7):
        await town.befriend("ann", f"p{number}")
    seen, cursor = [], ""
    while cursor is not None:
        page = await town("ann", "GET", f"/v1/friends?limit=3&cursor={cursor}")
        assert page["total"] == 7  # type: ignore[index]
        seen += [each["player_id"] for each in page["players"]]  # type: ignore[index]
        cursor = page["next"]  # type: ignore[index]
    assert seen == [f"p{number}" for number in range(7)]
    problem = await town("ann", "GET", "/v1/friends?limit=51", expect=400)
    assert problem["code"] == "bad_query"  # type: ignore[index]


async def test_a_block(town: Town) -> None:
    await town.befriend("ann", "eve")
    await town("ann", "PUT", "/v1/blocks/eve", expect=204)
    await town("ann", "PUT", "/v1/blocks/eve", expect=204)
    page = await town("ann", "GET", "/v1/friends?show=blocked")
    assert [each["player_id"] for each in page["players"]] == ["eve"]  # type: ignore[index]
    answer = await town("eve", "POST", "/v1/friends", json={"player_id": "ann"}, expect=201)
    assert answer == {"player_id": "ann", "state": "asked"}
    assert (await town("ann", "GET", "/v1/friends?show=asked_by"))["players"] == []  # type: ignore[index]
    full = await town("ann", "PUT", "/v1/blocks/ben", expect=409)
    assert full["code"] == "list_full"  # type: ignore[index]
    await town("ann", "DELETE", "/v1/blocks/eve", expect=204)
    await town("ann", "DELETE", "/v1/friends/eve", expect=204)


REFUSED: dict[str, tuple[str, str, dict[str, object] | None, int, str]] = {
    "oneself": ("POST", "/v1/friends", {"player_id": "ann"}, 422, "oneself"),
    "not asked": ("POST", "/v1/friends/ben/answer", {"accept": True}, 409, "no_request"),
    "blocked": ("POST", "/v1/friends", {"player_id": "eve"}, 409, "you_block_them"),
    "no id": ("POST", "/v1/friends", {"player_id": "a b"}, 400, "bad_body"),
    "long id": ("DELETE", "/v1/friends/" + "x" * 129, None, 404, "not_found"),
    "no list": ("GET", "/v1/friends?show=blocked_by", None, 400, "bad_query"),
    "bad cursor": ("GET", "/v1/friends?cursor=x", None, 422, "bad_cursor"),
}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"), REFUSED.values(), ids=REFUSED.keys()
)
async def test_refused(
    town: Town, method: str, path: str, body: object, status: int, code: str
) -> None:
    await town("ann", "PUT", "/v1/blocks/eve", expect=204)
    options = {} if body is None else {"json": body}
    problem = await town("ann", method, path, expect=status, **options)
    assert problem["code"] == code  # type: ignore[index]


async def test_a_request_with_a_key_is_made_once(town: Town) -> None:
    options = {"json": {"player_id": "ben"}, "headers": {"Idempotency-Key": "k1"}}
    first = await town("ann", "POST", "/v1/friends", expect=201, **options)
    await town("ann", "DELETE", "/v1/friends/ben", expect=204)
    assert await town("ann", "POST", "/v1/friends", expect=201, **options) == first
    assert (await town("ann", "GET", "/v1/friends?show=asked"))["players"] == []  # type: ignore[index]


async def test_a_server_without_friends() -> None:
    async with serving(World()) as ask:
        for method, path in (
            ("GET", "/v1/friends"),
            ("DELETE", "/v1/friends/ben"),
            ("PUT", "/v1/blocks/ben"),
        ):
            problem, _ = await ask(method, path, headers=BEARER, expect=404)
            assert problem["code"] == "no_friends"


async def test_an_operator_notifies_a_player() -> None:
    world = Operators()
    path = "/v1/admin/players/ann/notifications"
    body = {"kind": "gift", "data": {"gold": 5.0, "from": "us", "x": None}, "keep_ms": 1_000}
    async with serving(world) as ask:
        for _ in range(2):
            headers = {**BEARER, "Idempotency-Key": "k"}
            await ask("POST", path, headers=headers, json=body, expect=202)
        big = {"kind": "gift", "data": {str(number): "x" * 900 for number in range(2)}}
        problem, _ = await ask("POST", path, headers=BEARER, json=big, expect=422)
        assert problem["code"] == "bad_notification"
    [(player, told)] = world.notifier.told
    assert (player, told.kind, told.sender, told.keep_ms) == ("ann", "gift", "", 1_000)
    assert told.data == body["data"]
