"""What every store of profiles and session records answers: DynamoDB's, by moto, and memory's."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web

from gameserver.adapters import dynamodb
from gameserver.adapters.dynamodb import DynamoDb
from gameserver.adapters.dynamodb_profiles import DynamoProfiles
from gameserver.adapters.dynamodb_sessions import DynamoSessions
from gameserver.config import Config
from gameserver.devstack.moto import Moto
from gameserver.errors import TableUnavailable
from gameserver.ids import PlayerId, SessionId
from gameserver.metrics import Metrics
from gameserver.players.port import ProfileStore, SessionRecord, SessionStore, StoredProfile
from tests.contract.silence import silent_server
from tests.fakes.memory_tables import MemoryProfiles, MemorySessions

NOW_MS = 1_800_000_000_000
NOW_S = NOW_MS // 1000


class Wall:
    def wall_ms(self) -> int:
        return NOW_MS


@pytest.fixture
def player() -> PlayerId:
    """Tables are shared: each test has a player of its own."""
    return PlayerId("p-" + uuid.uuid4().hex)


@pytest.fixture(params=["memory", "moto"])
async def profiles(request: pytest.FixtureRequest) -> AsyncIterator[ProfileStore]:
    if request.param == "memory":
        yield MemoryProfiles()
        return
    moto: Moto = request.getfixturevalue("moto")
    config = Config(dynamodb_endpoint_url=moto.endpoint_url, aws_region=moto.region)
    async with DynamoDb(config, metrics=Metrics()) as db:
        yield DynamoProfiles(db, table=moto.identity["profiles_table"])


@pytest.fixture(params=["memory", "moto"])
async def sessions(request: pytest.FixtureRequest) -> AsyncIterator[SessionStore]:
    if request.param == "memory":
        yield MemorySessions(Wall().wall_ms)
        return
    moto: Moto = request.getfixturevalue("moto")
    config = Config(dynamodb_endpoint_url=moto.endpoint_url, aws_region=moto.region)
    async with DynamoDb(config, metrics=Metrics()) as db:
        yield DynamoSessions(db, table=moto.identity["sessions_table"], clock=Wall())


def profile(player: PlayerId, version: int = 1, **fields: Any) -> StoredProfile:
    given: dict[str, Any] = {
        "player_id": player,
        "display_name": b"\x00sealed\xff",
        "email": None,
        "avatar": "",
        "settings": "{}",
        "version": version,
        "created_ms": NOW_MS,
        "updated_ms": NOW_MS + version,
    }
    return StoredProfile(**given | fields)


async def test_a_profile_is_created_once(profiles: ProfileStore, player: PlayerId) -> None:
    assert await profiles.get(player) is None
    first = profile(player, email=b"\x01mail", avatar="fox", settings='{"sound":0.5}')
    assert await profiles.create(first)
    assert await profiles.get(player) == first
    assert await profiles.create(first), "a lost answer's second try"
    assert not await profiles.create(profile(player, avatar="owl"))
    assert await profiles.get(player) == first


async def test_a_version_is_replaced_by_the_next_one_alone(
    profiles: ProfileStore, player: PlayerId
) -> None:
    assert not await profiles.replace(profile(player, 1)), "there is none"
    await profiles.create(profile(player, 1, email=b"m"))
    second = profile(player, 2, avatar="owl")
    assert await profiles.replace(second)
    assert await profiles.replace(second), "a lost answer's second try"
    assert not await profiles.replace(profile(player, 2, avatar="fox"))
    assert not await profiles.replace(profile(player, 4))
    assert await profiles.get(player) == second


async def test_of_writers_at_the_same_time_one_wins(
    profiles: ProfileStore, player: PlayerId
) -> None:
    await profiles.create(profile(player))
    tries = [profile(player, 2, avatar=f"a{number}") for number in range(8)]
    won = await asyncio.gather(*(profiles.replace(each) for each in tries))
    assert won.count(True) == 1
    assert await profiles.get(player) == tries[won.index(True)]


def record(player: PlayerId, session: str = "s1", **fields: Any) -> SessionRecord:
    given: dict[str, Any] = {
        "player_id": player,
        "session_id": SessionId(session),
        "node": "n1",
        "connected_ms": NOW_MS,
        "expires_at": NOW_S + 3_600,
    }
    return SessionRecord(**given | fields)


async def test_sessions_are_listed_until_they_expire(
    sessions: SessionStore, player: PlayerId
) -> None:
    assert await sessions.of_player(player) == []
    older = record(player, "s1", connected_ms=NOW_MS - 5)
    newer = record(player, "s2", node="n2")
    for each in (older, newer, record(player, "s3", expires_at=NOW_S)):
        assert await sessions.put(each)
    assert await sessions.of_player(player) == [newer, older], "the third one does not count"


async def test_an_older_word_does_not_replace_a_newer(
    sessions: SessionStore, player: PlayerId
) -> None:
    opened = record(player)
    refreshed = msgspec.structs.replace(opened, expires_at=NOW_S + 7_200)
    assert await sessions.put(refreshed)
    assert await sessions.put(refreshed)
    assert not await sessions.put(opened), "it came late"
    assert not await sessions.put(record(player, connected_ms=NOW_MS - 1, expires_at=NOW_S + 9_999))
    assert await sessions.of_player(player) == [refreshed]
    again = record(player, connected_ms=NOW_MS + 1, node="n2", expires_at=NOW_S + 60)
    assert await sessions.put(again)
    assert await sessions.of_player(player) == [again]


async def test_only_the_own_record_is_removed(sessions: SessionStore, player: PlayerId) -> None:
    assert await sessions.remove(record(player)), "there is none"
    await sessions.put(record(player))
    assert not await sessions.remove(record(player, node="n2"))
    assert not await sessions.remove(record(player, connected_ms=NOW_MS + 1))
    assert len(await sessions.of_player(player)) == 1
    # How long it would last does not matter: a refresh may not have been written.
    assert await sessions.remove(record(player, expires_at=NOW_S + 1))
    assert await sessions.of_player(player) == []


async def test_a_list_has_a_bound(sessions: SessionStore, player: PlayerId) -> None:
    for number in range(120):
        await sessions.put(record(player, f"s{number:03}", connected_ms=NOW_MS + number))
    listed = await sessions.of_player(player)
    assert len(listed) == 100
    assert listed[0].session_id == "s119"


async def test_the_table_deletes_what_has_expired(moto: Moto) -> None:
    config = Config(dynamodb_endpoint_url=moto.endpoint_url, aws_region=moto.region)
    async with DynamoDb(config, metrics=Metrics()) as db:
        told = await db._client.describe_time_to_live(TableName=moto.identity["sessions_table"])
    described = told["TimeToLiveDescription"]
    assert described["TimeToLiveStatus"] == "ENABLED"
    assert described["AttributeName"] == "expires_at"


# ── failures ─────────────────────────────────────────────────────────────────────────────────────


class Endpoint:
    """Answers as told, and counts."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.answers = list(answers)
        self.calls = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.calls += 1
        status, code = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        body = b"{}" if status == 200 else msgspec.json.encode({"__type": f"x#{code}"})
        return web.Response(body=body, status=status, content_type="application/x-amz-json-1.0")


@asynccontextmanager
async def pretending(
    endpoint: Endpoint, **settings: Any
) -> AsyncIterator[tuple[DynamoDb, Metrics]]:
    runner = web.ServerRunner(web.Server(endpoint.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url, metrics = f"http://127.0.0.1:{runner.addresses[0][1]}", Metrics()
    try:
        async with DynamoDb(Config(dynamodb_endpoint_url=url, **settings), metrics=metrics) as db:
            yield db, metrics
    finally:
        await runner.cleanup()


THROTTLED = (400, "ProvisionedThroughputExceededException")


async def test_what_is_throttled_is_tried_again(player: PlayerId) -> None:
    endpoint = Endpoint(THROTTLED, (500, "InternalServerError"), (200, ""))
    async with pretending(endpoint, dynamodb_timeout_ms=30_000) as (db, _):
        assert await DynamoProfiles(db, table="profiles").create(profile(player))
    assert endpoint.calls == 3


@pytest.mark.parametrize("answer", [THROTTLED, (400, "AccessDeniedException"), (503, "Busy")])
async def test_in_the_end_it_is_unavailable(player: PlayerId, answer: tuple[int, str]) -> None:
    endpoint = Endpoint(answer)
    async with pretending(endpoint, dynamodb_timeout_ms=30_000) as (db, metrics):
        with pytest.raises(TableUnavailable):
            await DynamoProfiles(db, table="profiles").get(player)
    assert endpoint.calls <= dynamodb.TRIES
    assert metrics.table_errors == 1


async def test_a_call_has_a_time_limit(player: PlayerId) -> None:
    async with AsyncExitStack() as stack:
        url = f"http://127.0.0.1:{await stack.enter_async_context(silent_server())}"
        config = Config(dynamodb_endpoint_url=url, dynamodb_timeout_ms=200)
        db = await stack.enter_async_context(DynamoDb(config, metrics=Metrics()))
        store = DynamoSessions(db, table="sessions", clock=Wall())
        for call in (
            store.put(record(player)),
            store.remove(record(player)),
            store.of_player(player),
        ):
            with pytest.raises(TableUnavailable):
                await call
