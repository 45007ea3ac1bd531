"""Which events are followed to the queue, and what their messages tell of it."""

from __future__ import annotations

import asyncio
import json

import msgspec

from gameserver import spans
from gameserver.cluster import messages
from gameserver.ids import PlayerId
from gameserver.match.traced import MatchTraces
from gameserver.ports import Identity
from gameserver.wire import from_client
from tests.cluster.town import Town
from tests.fakes.memory_spans import MemorySpans
from tests.match.games import Do
from tests.match.house import House, in_virtual_time

TRACE = f"00-{7:032x}-{9:016x}-01"


@in_virtual_time
async def test_events_of_a_match_with_a_traced_player_are_followed() -> None:
    kept = MemorySpans()
    async with House(traces=MatchTraces(kept)) as house:
        with spans.following(TRACE):
            seated, _ = await house.join("a")
        other, _ = await house.join("b", "calm")
        seated.handle.input(1, Do("emit"))
        await asyncio.sleep(2)
        match = seated.joined.match
        assert other.joined.match != match
    events = kept.named("event")
    assert {event.attributes["event"] for event in events} == {f"{match}/{n}" for n in (1, 2, 3)}
    assert {event.parent for event in events} == {TRACE}
    relays = kept.named("relay")
    assert [span.parent for span in relays] == [event.traceparent for event in events]
    assert len(kept.named("commit")) == 3 and all(span.ended for span in kept.made)
    for event, commit in zip(events, kept.named("commit"), strict=True):
        assert event.at is not None and commit.at is not None and event.at <= commit.at
    told: dict[str, str] = {}
    for attribute in house.queue.traces:
        told |= json.loads(attribute)
    assert told == {str(span.attributes["event"]): span.traceparent for span in relays}


@in_virtual_time
async def test_without_a_traced_player_nothing_is_told() -> None:
    kept = MemorySpans()
    async with House(traces=MatchTraces(kept)) as house:
        await house.join("a")
        await asyncio.sleep(2)
        assert house.queue.bodies
    assert not kept.made and not house.queue.traces


@in_virtual_time
async def test_what_the_queue_does_not_take_is_told_again_with_the_next_try() -> None:
    kept = MemorySpans()
    async with House(traces=MatchTraces(kept)) as house:
        house.queue.down = True
        with spans.following(TRACE):
            await house.join("a")
        await asyncio.sleep(1)
        failed = kept.named("relay")
        assert failed and {span.error for span in failed} == {"QueueUnavailable"}
        house.queue.down = False
        await asyncio.sleep(5)
        assert house.queue.traces
        assert [span.error for span in kept.named("relay")][-2:] == ["", ""]
        assert all(span.ended for span in kept.made)


@in_virtual_time
async def test_no_message_tells_of_more_events_than_it_has_room_for() -> None:
    kept = MemorySpans()
    async with House(traces=MatchTraces(kept), inputs_per_tick_max=100) as house:
        with spans.following(TRACE):
            seated, _ = await house.join("a")
        for number in range(1, 100):
            seated.handle.input(number, Do("emit"))
        await asyncio.sleep(2)
    assert house.queue.traces
    for attribute in house.queue.traces:
        assert len(json.loads(attribute)) <= spans.EVENTS_MAX
        assert len(attribute) < 4_096


@in_virtual_time
async def test_a_trace_goes_along_to_the_node_that_has_the_match() -> None:
    kept = MemorySpans()
    async with Town(2, traces=MatchTraces(kept)) as (one, two):
        await one.join("a")
        await asyncio.sleep(1)
        with spans.following(TRACE):
            seated, _ = await two.join("b")
        assert two.matches == 0
        seated.handle.input(1, Do("emit"))
        await asyncio.sleep(2)
    joined = [span for span in kept.named("event") if span.attributes["kind"] == "player_joined"]
    assert [span.parent for span in joined] == [TRACE]


def test_a_question_for_a_seat_is_read_without_a_trace_and_by_who_knows_of_none() -> None:
    identity = Identity(
        player_id=PlayerId("a"), name="A", groups=(), expires_ms=0, token_use="access"
    )
    wanted = messages.SeatWanted.of(from_client.Join(game="count"))
    asked = messages.encode(messages.AskJoin(1, wanted, identity, TRACE))
    before = msgspec.msgpack.encode(msgspec.msgpack.decode(asked)[:-1])
    assert messages.decode(before).trace == ""

    class AskJoinBefore(msgspec.Struct, array_like=True, tag=1, frozen=True):
        link: int
        request: messages.SeatWanted
        identity: Identity

    assert msgspec.msgpack.decode(asked, type=AskJoinBefore).link == 1
