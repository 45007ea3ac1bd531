"""Notifications reach a player on any node, or wait."""

from __future__ import annotations

import asyncio

import pytest

from gameserver.ids import PlayerId
from gameserver.notification import DATA_BYTES_MAX, KEEP_MS_MAX, Notification
from gameserver.players import notifier
from gameserver.whereabouts import LETTERS_MAX, SessionPolicy
from tests.match.house import in_virtual_time
from tests.players.cluster import PER_MINUTE, Node, town

ANN, BEN = PlayerId("ann"), PlayerId("ben")


def gift(number: int = 0, *, keep_ms: int = 0) -> Notification:
    return Notification(kind="gift", sender=BEN, data={"number": number}, keep_ms=keep_ms)


def numbers(node: Node) -> list[object]:
    return [letter.data["number"] for _, letter in node.heard]


@in_virtual_time
async def test_a_connected_player_hears_it_on_whichever_node() -> None:
    async with town() as here:
        one, two = here.add(), here.add()
        await two.connect("ann")
        await one.connect("ben")
        await asyncio.sleep(0.1)
        for number, node in enumerate((one, two)):
            node.notifier.notify(ANN, gift(number, keep_ms=1_000))
        await asyncio.sleep(0.1)
        assert sorted(map(str, numbers(two))) == ["0", "1"]
        assert one.heard == []
        player, letter = two.heard[0]
        assert (player, letter.kind, letter.sender) == ("ann", "gift", "ben")
        assert len({letter.id for _, letter in two.heard}) == 2
        assert await here.store.collect([ANN]) == [[]], "nothing is kept beside"


@in_virtual_time
async def test_who_is_not_connected_hears_what_is_kept_at_the_next_connect() -> None:
    async with town() as here:
        one, two = here.add(), here.add()
        for number in range(3):
            one.notifier.notify(ANN, gift(number, keep_ms=(0, 60_000, 1_000)[number]))
        await asyncio.sleep(2)
        assert one.metrics.notifications_dropped == 1
        await two.connect("ann")
        await asyncio.sleep(0.1)
        assert numbers(two) == [1]


@pytest.mark.parametrize("policy", SessionPolicy)
@in_virtual_time
async def test_none_falls_between_telling_and_connecting(policy: SessionPolicy) -> None:
    async with town(policy) as here:
        one, two = here.add(), here.add()
        for number in range(PER_MINUTE):
            one.notifier.notify(ANN, gift(number, keep_ms=60_000))
            if number == 2:
                await two.connect("ann")
            await asyncio.sleep(0)
        await asyncio.sleep(0.2)
        assert sorted(map(str, numbers(two))) == [str(number) for number in range(PER_MINUTE)]


@in_virtual_time
async def test_a_node_that_is_gone_or_silent_costs_a_wait_at_most() -> None:
    async with town() as here:
        one, two = here.add(), here.add()
        await two.connect("ann")
        await asyncio.sleep(0.1)
        two.deaf = True
        one.notifier.notify(ANN, gift(1, keep_ms=3_600_000))
        one.notifier.notify(ANN, gift(2))
        await asyncio.sleep(5)
        assert two.heard == [] and one.metrics.notifications_dropped == 1
        # It is there after all: what waits comes when its lease is prolonged.
        await asyncio.sleep(30)
        assert numbers(two) == [1]
        await here.kill(two)
        one.notifier.notify(ANN, gift(3, keep_ms=3_600_000))
        await asyncio.sleep(10)
        await one.connect("ann")
        await asyncio.sleep(0.1)
        assert numbers(one) == [3]


@in_virtual_time
async def test_all_connections_hear_it_where_there_may_be_many() -> None:
    async with town(SessionPolicy.MANY) as here:
        one, two, three = here.add(), here.add(), here.add()
        await one.connect("ann")
        await two.connect("ann")
        await asyncio.sleep(0.1)
        three.notifier.notify(ANN, gift(1))
        await asyncio.sleep(0.1)
        assert numbers(one) == numbers(two) == [1]
        assert three.heard == []


@in_virtual_time
async def test_bounds() -> None:
    async with town() as here:
        one = here.add()
        await one.connect("ann")
        await asyncio.sleep(0.1)
        for number in range(PER_MINUTE + 3):
            one.notifier.notify(ANN, gift(number, keep_ms=60_000))
        await asyncio.sleep(0.1)
        assert len(one.heard) == PER_MINUTE
        assert one.metrics.notifications_dropped == 3
        await asyncio.sleep(notifier.MINUTE_S)
        one.notifier.notify(ANN, gift(9))
        await asyncio.sleep(0.1)
        assert numbers(one)[-1] == 9
        for number in range(LETTERS_MAX + 5):
            one.notifier.notify(BEN, gift(number, keep_ms=60_000))
        await asyncio.sleep(0.1)
        [waiting] = await here.store.collect([BEN])
        assert len(waiting) == LETTERS_MAX


@in_virtual_time
async def test_an_outage_loses_them_and_counts() -> None:
    async with town() as here:
        one = here.add()
        with here.outage():
            one.notifier.notify(ANN, gift(keep_ms=60_000))
            await asyncio.sleep(0.1)
        assert one.metrics.notifications_dropped == 1
        for _ in range(notifier.UNDER_WAY_MAX + 2):
            one.notifier.notify(ANN, gift())
        assert one.metrics.notifications_dropped == 3


@pytest.mark.parametrize(
    "given",
    [
        {"kind": ""},
        {"kind": "Big"},
        {"kind": "x" * 33},
        {"kind": "x", "keep_ms": -1},
        {"kind": "x", "keep_ms": KEEP_MS_MAX + 1},
        {"kind": "x", "data": {"text": "x" * DATA_BYTES_MAX}},
    ],
)
def test_what_is_no_notification(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="notification"):
        Notification(**given)  # type: ignore[arg-type]
