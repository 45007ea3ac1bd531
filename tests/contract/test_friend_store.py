"""What every store of friends answers: DynamoDB's, by moto, and memory's."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from gameserver.adapters.dynamodb import DynamoDb
from gameserver.adapters.dynamodb_friends import DynamoFriends
from gameserver.config import Config
from gameserver.devstack.moto import Moto
from gameserver.errors import TableUnavailable
from gameserver.friendship import NOTHING, PAIRS, FriendStore, Pair, Side, Tie
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from tests.contract.test_player_tables import NOW_MS, Endpoint, pretending
from tests.fakes.memory_friends import MemoryFriends

ASKED: Pair = (Side.ASKED, Side.ASKED_BY)
FRIENDS: Pair = (Side.FRIENDS, Side.FRIENDS)


@pytest.fixture(params=["memory", "moto"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[FriendStore]:
    if request.param == "memory":
        yield MemoryFriends()
        return
    moto: Moto = request.getfixturevalue("moto")
    config = Config(dynamodb_endpoint_url=moto.endpoint_url, aws_region=moto.region)
    async with DynamoDb(config, metrics=Metrics()) as db:
        yield DynamoFriends(db, table=moto.identity["friends_table"])


@pytest.fixture
def two() -> tuple[PlayerId, PlayerId]:
    """The table is shared: each test has players of its own."""
    name = uuid.uuid4().hex
    return PlayerId(f"a-{name}"), PlayerId(f"b-{name}")


async def test_both_sides_change_or_none(
    store: FriendStore, two: tuple[PlayerId, PlayerId]
) -> None:
    ann, ben = two
    assert await store.pair(ann, ben) == NOTHING
    assert await store.change(ann, ben, NOTHING, ASKED, at_ms=NOW_MS)
    assert await store.change(ann, ben, NOTHING, ASKED, at_ms=NOW_MS), "a lost answer"
    assert await store.pair(ann, ben) == ASKED
    assert await store.pair(ben, ann) == (Side.ASKED_BY, Side.ASKED)
    assert not await store.change(ben, ann, NOTHING, ASKED, at_ms=NOW_MS)
    # Only one side is as it was expected to be.
    wrong: Pair = (Side.ASKED, Side.FRIENDS)
    assert not await store.change(ann, ben, wrong, FRIENDS, at_ms=NOW_MS)
    assert await store.pair(ann, ben) == ASKED
    assert await store.change(ben, ann, (Side.ASKED_BY, Side.ASKED), FRIENDS, at_ms=NOW_MS + 1)
    tie = Tie(player_id=ann, other_id=ben, side=Side.FRIENDS, since_ms=NOW_MS + 1)
    assert await store.ties(ann) == [tie]
    assert await store.change(ann, ben, FRIENDS, NOTHING, at_ms=NOW_MS + 2)
    assert await store.ties(ann) == [] == await store.ties(ben)


@pytest.mark.parametrize("after", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
async def test_every_pair_can_be_reached_and_left(
    store: FriendStore, two: tuple[PlayerId, PlayerId], after: Pair
) -> None:
    ann, ben = two
    await store.change(ann, ben, NOTHING, FRIENDS, at_ms=NOW_MS)
    for before, then in ((FRIENDS, after), (after, FRIENDS)):
        assert await store.change(ann, ben, before, then, at_ms=NOW_MS)
        assert await store.pair(ann, ben) == then


async def test_a_side_that_stays_keeps_its_time(
    store: FriendStore, two: tuple[PlayerId, PlayerId]
) -> None:
    ann, ben = two
    before, after = (Side.BLOCKED, Side.BLOCKED_BY), (Side.BLOCKED, Side.IGNORED)
    await store.change(ann, ben, NOTHING, before, at_ms=NOW_MS)
    assert await store.change(ann, ben, before, after, at_ms=NOW_MS + 9)
    [own], [theirs] = await store.ties(ann), await store.ties(ben)
    assert (own.since_ms, theirs.since_ms) == (NOW_MS, NOW_MS + 9)
    assert not await store.change(ann, ben, before, after[::-1], at_ms=NOW_MS)


async def test_of_changes_at_the_same_time_one_is_made(
    store: FriendStore, two: tuple[PlayerId, PlayerId]
) -> None:
    ann, ben = two
    ways: list[Pair] = [
        ASKED,
        FRIENDS,
        (Side.BLOCKED, Side.BLOCKED_BY),
        (Side.ASKED_BY, Side.ASKED),
    ]
    made = await asyncio.gather(
        *(store.change(ann, ben, NOTHING, each, at_ms=NOW_MS) for each in ways)
    )
    assert made.count(True) == 1
    assert await store.pair(ann, ben) == ways[made.index(True)]


async def test_ties_are_listed_by_the_others_id(
    store: FriendStore, two: tuple[PlayerId, PlayerId]
) -> None:
    ann, _ = two
    others = [PlayerId(f"{ann}-{number:02}") for number in range(12)]
    for other in reversed(others):
        await store.change(ann, other, NOTHING, FRIENDS, at_ms=NOW_MS)
    assert [tie.other_id for tie in await store.ties(ann)] == others


@pytest.mark.parametrize(
    "answer",
    [(400, "TransactionCanceledException"), (400, "AccessDeniedException"), (503, "Busy")],
    ids=["cancelled for no reason", "denied", "busy"],
)
async def test_what_is_no_conflict_is_unavailable(answer: tuple[int, str]) -> None:
    async with pretending(Endpoint(answer), dynamodb_timeout_ms=30_000) as (db, metrics):
        store = DynamoFriends(db, table="friends")
        with pytest.raises(TableUnavailable):
            await store.change(PlayerId("a"), PlayerId("b"), NOTHING, ASKED, at_ms=NOW_MS)
        assert metrics.table_errors == 1
