"""Frames and broadcasts, and the tracker that puts them together again."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameserver.wire import to_client
from gameserver.wire.codec import Format, decode_server
from gameserver.wire.cut import tables_of
from gameserver.wire.delta import DeltaGap, ViewTracker
from gameserver.wire.frame import Broadcast, Frame
from gameserver.wire.shown import BASES_MAX
from tests.wire import values
from tests.wire.values import FORMATS, Flag, Move, OtherView, Ship, View, payload_of, unhurried


def message_of(frame: bytes, format: Format) -> Any:
    return decode_server(payload_of(frame, format), format)


def a_view(**changes: Any) -> View:
    ships = {name: Ship(1.5, 100, name) for name in "abcdefgh"}
    return View("play", 60, {"a": 1}, ships, {1: Flag(1, 1), 2: Flag(2, 2)}, **changes)


def a_frame(view: msgspec.Struct, *, epoch: int = 7, tick: int = 0) -> Frame:
    return Frame.of(epoch=epoch, tick=tick, server_ms=1000 + tick, acks=[tick, 3], view=view)


# ── any history ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("format", FORMATS)
@unhurried
@given(
    history=st.lists(st.tuples(values.views, st.booleans(), st.integers(0, 9)), max_size=8),
)
def test_a_tracker_sees_what_the_game_showed(
    format: Format, typed: bool, history: list[tuple[View, bool, int]]
) -> None:
    """Frames may be skipped and the match may move to a new epoch."""
    tracker = ViewTracker(View if typed else None, format=format)
    sent: Frame | None = None
    epoch = 1
    for tick, (view, skipped, move) in enumerate(history):
        epoch += move == 0
        frame = a_frame(view, epoch=epoch, tick=tick)
        if skipped:
            continue
        message = message_of(frame.encoded(format, sent), format)
        before = msgspec.msgpack.encode(tracker.view)
        previous = tracker.view
        shown = tracker.apply(message)
        assert shown == (view if typed else plain(view, format))
        assert shown is tracker.view
        assert msgspec.msgpack.encode(previous) == before
        assert (tracker.epoch, tracker.tick, tracker.acks) == (epoch, tick, [tick, 3])
        assert message.server_ms == 1000 + tick
        if sent is None or sent.epoch != epoch:
            assert isinstance(message, to_client.Snapshot)
        sent = frame


def plain(view: View, format: Format) -> Any:
    if format is Format.JSON:
        return msgspec.json.decode(msgspec.json.encode(view))
    return msgspec.msgpack.decode(msgspec.msgpack.encode(view))


@unhurried
@given(old=values.views, new=values.views)
def test_a_delta_is_never_larger_than_the_snapshot(old: View, new: View) -> None:
    frame = a_frame(new, tick=1)
    snapshot = frame.encoded(Format.MSGPACK, None)
    encoded = frame.encoded(Format.MSGPACK, a_frame(old))
    assert len(encoded) <= len(snapshot)
    assert isinstance(message_of(snapshot, Format.MSGPACK), to_client.Snapshot)
    in_json = message_of(frame.encoded(Format.JSON, a_frame(old)), Format.JSON)
    assert type(in_json) is type(message_of(encoded, Format.MSGPACK))


# ── what is in a delta ───────────────────────────────────────────────────────────────────────────


def test_a_delta_holds_what_changed_and_nothing_else() -> None:
    view = a_view()
    base = a_frame(view)
    view.clock = 59
    view.ships["a"].hp = 90
    del view.ships["b"]
    view.ships["new"] = Ship(0.0, 100)
    del view.flags[1]
    frame = a_frame(view, tick=1)
    shown = json.loads(payload_of(frame.encoded(Format.JSON, base), Format.JSON))
    assert shown == {
        "type": "delta",
        "epoch": 7,
        "tick": 1,
        "server_ms": 1001,
        "acks": [1, 3],
        "base": 0,
        "fields": {"clock": 59},
        "entities": {
            "ships": {
                "a": {"x": 1.5, "hp": 90, "name": "a"},
                "new": {"x": 0.0, "hp": 100, "name": None},
            }
        },
        "removed": {"ships": ["b"], "f": [1]},
    }


def test_an_unchanged_view_gives_an_empty_delta() -> None:
    view = a_view()
    message = message_of(
        a_frame(view, tick=1).encoded(Format.MSGPACK, a_frame(view)), Format.MSGPACK
    )
    assert message == to_client.Delta(7, 1, 1001, [1, 3], 0, {}, {}, {})


def test_a_table_that_was_emptied_stays_a_table() -> None:
    view = a_view()
    tracker = ViewTracker(View)
    base = a_frame(view)
    tracker.apply(message_of(base.encoded(Format.MSGPACK, None), Format.MSGPACK))
    view.ships.clear()
    frame = a_frame(view, tick=1)
    assert tracker.apply(message_of(frame.encoded(Format.MSGPACK, base), Format.MSGPACK)) == view


@pytest.mark.parametrize("format", FORMATS)
def test_a_frame_does_not_change_with_the_game(format: Format) -> None:
    view = a_view()
    acks = [0, 3]
    frame = Frame.of(epoch=7, tick=0, server_ms=1000, acks=acks, view=view)
    expected = a_frame(a_view()).encoded(format, None)
    view.ships["a"].hp = 1
    view.scores["a"] = 99
    view.phase = "over"
    acks[0] = 9
    assert frame.encoded(format, None) == expected


@pytest.mark.parametrize("format", FORMATS)
def test_a_view_that_is_encoded_already_makes_the_same_frame(format: Format) -> None:
    base = a_frame(a_view())
    view = a_view()
    view.ships["a"].hp = 1
    acks = [1, 3]
    whole = msgspec.msgpack.encode(view)
    frame = Frame(7, 1, 1001, acks, whole, tables_of(View))
    acks[0] = 9
    for known in (None, base):
        assert frame.encoded(format, known) == a_frame(view, tick=1).encoded(format, known)
    assert frame.packed() == a_frame(view, tick=1).packed()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "base",
    [
        pytest.param(None, id="none"),
        pytest.param(a_frame(a_view(), epoch=6), id="another epoch"),
        pytest.param(a_frame(OtherView("play")), id="another view"),
    ],
)
def test_without_a_fitting_base_it_is_a_snapshot(format: Format, base: Frame | None) -> None:
    encoded = a_frame(a_view(), tick=1).encoded(format, base)
    assert isinstance(message_of(encoded, format), to_client.Snapshot)


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_bytes_go_to_all_and_the_cache_is_bounded(format: Format) -> None:
    bases = [a_frame(a_view(), tick=tick) for tick in range(2 * BASES_MAX)]
    frame = a_frame(a_view(), tick=99)
    assert frame.encoded(format, None) is frame.encoded(format, None)
    first = [frame.encoded(format, base) for base in bases]
    again = [frame.encoded(format, base) for base in bases]
    assert first == again
    shared = sum(one is other for one, other in zip(first, again, strict=True))
    assert BASES_MAX - 1 <= shared <= BASES_MAX


def test_large_tables() -> None:
    view = View("play", 0, {}, {}, {key: Flag(key, key) for key in range(70_000)})
    tracker = ViewTracker(View)
    base = a_frame(view)
    assert tracker.apply(message_of(base.encoded(Format.MSGPACK, None), Format.MSGPACK)) == view
    view.flags = {key: Flag(key % 2, key) for key in range(69_000)}
    frame = a_frame(view, tick=1)
    assert tracker.apply(message_of(frame.encoded(Format.MSGPACK, base), Format.MSGPACK)) == view


def test_a_view_beyond_64_bits_is_refused_at_once() -> None:
    with pytest.raises(OverflowError):
        a_frame(a_view(mixed={"a": Ship(0.0, 2**64)}))


# ── the tracker ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("epoch", "base"), [(7, 1), (6, 0), (8, 0)])
def test_a_delta_against_another_tick_is_a_gap(epoch: int, base: int) -> None:
    tracker = ViewTracker()
    tracker.apply(message_of(a_frame(a_view()).encoded(Format.MSGPACK, None), Format.MSGPACK))
    view = tracker.view
    with pytest.raises(DeltaGap, match="is at hand"):
        tracker.apply(to_client.Delta(epoch, 2, 0, [], base, {}, {}, {}))
    assert tracker.view is view


def test_a_delta_before_any_snapshot_is_a_gap() -> None:
    with pytest.raises(DeltaGap):
        ViewTracker().apply(to_client.Delta(1, 2, 0, [], 1, {}, {}, {}))


def test_a_view_of_another_game_is_named_as_such() -> None:
    message = message_of(a_frame(a_view()).encoded(Format.MSGPACK, None), Format.MSGPACK)

    class Wrong(msgspec.Struct):
        phase: int

    with pytest.raises(msgspec.ValidationError, match="Expected `int`"):
        ViewTracker(Wrong).apply(message)


# ── broadcasts ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("format", FORMATS)
@unhurried
@given(message=values.plain_to_clients)
def test_a_broadcast_is_its_message(format: Format, message: to_client.ToClient) -> None:
    broadcast = Broadcast(message)  # type: ignore[arg-type]
    encoded = broadcast.encoded(format)
    assert message_of(encoded, format) == message
    assert broadcast.encoded(format) is encoded
    assert broadcast.seq == 0


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("data", [{"dx": 1, "dy": 0, "fire": True}, Move(1, 0, True)])
def test_an_events_data_is_in_the_receivers_format(format: Format, data: Any) -> None:
    broadcast = Broadcast.event(5, 40, "moved", "p1", data)
    message = message_of(broadcast.encoded(format), format)
    assert broadcast.seq == message.seq == 5
    assert (message.tick, message.kind, message.player) == (40, "moved", "p1")
    decode = msgspec.json.decode if format is Format.JSON else msgspec.msgpack.decode
    assert decode(message.data) == {"dx": 1, "dy": 0, "fire": True}
