"""What operators watch of a cluster: samples by one node, players of all, nodes that drain."""

from __future__ import annotations

import pytest

from gameserver.cluster.figures import FigureKeeper
from gameserver.cluster.people import ClusterPeople
from gameserver.cluster.vitals import Lately
from gameserver.errors import NodeSilent, StoreUnavailable
from gameserver.ids import MatchId, PlayerId
from gameserver.metrics import Metrics
from gameserver.operating import LAST_NODE, UNKNOWN_NODE, OperationRefused, Seated
from gameserver.ports import Identity, NodeInfo, Vitals
from gameserver.watching import SAMPLE_MS
from tests.cluster.town import Town
from tests.fakes.memory_calls import MemoryCalls
from tests.fakes.memory_watching import MemoryFigures
from tests.match.house import in_virtual_time


def node(name: str, *, sessions: int = 1, lateness: float = 1.0, age_ms: int = 0) -> NodeInfo:
    vitals = Vitals(lateness_p99_ms=lateness, outbox_events=2, outbox_age_ms=age_ms)
    return NodeInfo(
        name=name,
        state="ready",
        load=0.1 * sessions,
        sessions=sessions,
        matches=1,
        players=sessions,
        open=[],
        vitals=vitals,
    )


class SetClock:
    def __init__(self, now_ms: float) -> None:
        self.now_ms = now_ms

    def wall_ms(self) -> float:
        return self.now_ms


async def test_the_first_node_by_name_speaks_for_all() -> None:
    nodes = [node("b", sessions=3, lateness=9.0), node("a", age_ms=70)]
    store, clock = MemoryFigures(), SetClock(3 * SAMPLE_MS + 17)
    first = FigureKeeper(store, node="a", nodes=lambda: nodes, clock=clock)
    second = FigureKeeper(store, node="b", nodes=lambda: nodes, clock=clock)
    await second.look()
    assert store.samples == []
    await first.look()
    await first.look()
    [sample] = store.samples
    assert sample.at_ms == 3 * SAMPLE_MS
    assert (sample.nodes, sample.sessions, sample.matches, sample.players) == (2, 4, 2, 4)
    assert (sample.lateness_p99_ms, sample.load) == (9.0, 0.3)
    assert (sample.outbox_events, sample.outbox_age_ms) == (4, 70)
    nodes.pop()
    clock.now_ms += SAMPLE_MS
    await second.look()
    assert [one.nodes for one in store.samples] == [2, 1]
    store.failure = StoreUnavailable("away")
    with pytest.raises(StoreUnavailable):
        await second.look()


def test_lateness_is_that_of_the_last_seconds() -> None:
    histogram, now = Metrics().tick_lateness_ms, [0.0]
    lately = Lately(histogram, now_s=lambda: now[0])
    assert lately.quantile(0.99) == 0
    for _ in range(100):
        histogram.observe(40)
    assert lately.quantile(0.99) == 50
    for _ in range(3):
        now[0] += 5
        lately.quantile(0.99)
    assert lately.quantile(0.99) == 0
    histogram.observe(10_000)
    assert lately.quantile(0.99) == 1_000


def identity(player: str, name: str) -> Identity:
    return Identity(
        player_id=PlayerId(player), name=name, groups=(), expires_ms=1, token_use="access"
    )


def people(calls: MemoryCalls, *names: str, seated: tuple[str, ...] = ()) -> ClusterPeople:
    return ClusterPeople(
        node="here",
        calls=calls,
        peers=lambda: {"there"},
        sessions=lambda: [identity(f"id-{name.lower()}", name) for name in names],
        seats=lambda: [
            (MatchId("m1"), "arena", Seated(PlayerId(f"id-{name.lower()}"), name, 0, False))
            for name in seated
        ],
    )


class TwoNodes(MemoryCalls):
    """``there`` is silent, or answers by ``other``."""

    def __init__(self) -> None:
        super().__init__()
        self.other: ClusterPeople | None = None
        self.mine: ClusterPeople | None = None

    async def call(self, node: str, topic: str, body: bytes) -> bytes:
        asked = self.mine if node == "here" else self.other
        if asked is None:
            raise NodeSilent(f"{node} has not answered")
        return await asked._asked(body)


async def test_players_are_looked_for_on_all_nodes() -> None:
    calls = TwoNodes()
    calls.mine = mine = people(calls, "Ann", "Ben", "Anton")
    calls.other = people(calls, "Hanna", seated=("Ann",))
    calls.other._node = "there"
    found = await mine.find("AN", limit=10)
    assert [one.name for one in found.people] == ["Ann", "Anton", "Hanna"]
    ann = found.people[0]
    assert ann.sockets == ["here"]
    assert [(seat.match, seat.node, seat.connected) for seat in ann.seats] == [
        ("m1", "there", False)
    ]
    assert not found.more and found.silent == []
    few = await mine.find("an", limit=2)
    assert [one.name for one in few.people] == ["Ann", "Anton"] and few.more
    assert (await mine.get(PlayerId("id-ben"))).people[0].name == "Ben"
    calls.other = None
    found = await mine.find("an", limit=10)
    assert (len(found.people), found.silent) == (2, ["there"])


@in_virtual_time
async def test_a_node_is_told_to_drain_but_never_the_last() -> None:
    async with Town(2) as (one, two):
        await one.operations.drain("n2")
        assert two.closed == [("drain", "n2")]
        with pytest.raises(OperationRefused) as refused:
            await one.operations.drain("n7")
        assert refused.value.code == UNKNOWN_NODE
    async with Town(1) as (one,):
        with pytest.raises(OperationRefused) as refused:
            await one.operations.drain("n1")
        assert refused.value.code == LAST_NODE
