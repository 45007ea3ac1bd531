"""The compiled cut against the plain one, and both against what is right."""

from __future__ import annotations

from array import array
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameserver.wire import cut
from gameserver.wire.cut import Cut, PlainCut, tables_of
from gameserver.wire.shown import BASES_MAX, PlainShown, Shown
from gameserver.wire.ws_frame import frame_size, server_payload
from tests.conftest import needs_compiled

encode = msgspec.msgpack.Encoder().encode
Maps = tuple[dict[str, Any], dict[str, dict[int | str, Any]], dict[str, list[int | str]]]


class Entity(msgspec.Struct, array_like=True):
    a: int
    b: Any = None


class View(msgspec.Struct):
    clock: int
    note: Any
    one: dict[int, Entity]
    two: dict[str, Entity]


def three(encoded: bytes) -> Maps:
    """The three maps that stand one after the other: as the last values of an array."""
    return msgspec.msgpack.decode(b"\x93" + encoded, type=Maps, strict=False)  # type: ignore[no-any-return]


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=40),
    st.binary(max_size=40),
    st.sampled_from(["s" * 31, "s" * 32, "s" * 255, "s" * 256, "s" * 70_000, b"b" * 256]),
    st.lists(st.integers(), max_size=20).map(lambda each: [one % 2**40 for one in each]),
    st.dictionaries(st.text(max_size=3), st.integers(0, 300), max_size=20),
)
entities = st.builds(Entity, st.integers(-(2**40), 2**40), values)
views = st.builds(
    View,
    st.integers(0, 3),
    values,
    st.dictionaries(st.integers(-(2**33), 2**33), entities, max_size=24),
    st.dictionaries(st.text(max_size=40), entities, max_size=24),
)


def applied(base: View, encoded: bytes) -> dict[str, Any]:
    fields, changed, removed = three(encoded)
    view: dict[str, Any] = msgspec.msgpack.decode(encode(base), strict=False) | fields
    for name in ("one", "two"):
        table = {
            key: value for key, value in view[name].items() if key not in removed.get(name, ())
        }
        view[name] = table | changed.get(name, {})
    return view


def plain_and_compiled(base: View, view: View) -> tuple[bytes | None, bytes | None]:
    tables = tables_of(View)
    plain, compiled = [
        kind(encode(view), tables).changes(kind(encode(base), tables)) for kind in (PlainCut, Cut)
    ]
    return plain, compiled


@st.composite
def successive(draw: st.DrawFn) -> tuple[View, View]:
    """Two views of which the second keeps much of the first, in any order."""
    base = draw(views)
    fresh = draw(views)
    keep = draw(st.randoms(use_true_random=False))
    one = [*base.one.items()]
    two = [*base.two.items()]
    if draw(st.booleans()):
        keep.shuffle(one)
        keep.shuffle(two)
    return base, View(
        fresh.clock,
        base.note if draw(st.booleans()) else fresh.note,
        {key: value for key, value in one if keep.random() < 0.7} | fresh.one,
        {key: value for key, value in two if keep.random() < 0.7} | fresh.two,
    )


@given(successive())
def test_both_say_the_same_and_it_leads_to_the_new_view(pair: tuple[View, View]) -> None:
    needs_compiled(Cut is not PlainCut)
    base, view = pair
    plain, compiled = plain_and_compiled(base, view)
    assert plain == compiled
    if plain is not None:
        assert applied(base, plain) == msgspec.msgpack.decode(encode(view), strict=False)
        assert len(plain) + cut.DELTA_EXTRA_BYTES < len(encode(view))


whole_numbers = st.one_of(
    st.integers(0, 2**63 - 1),
    st.sampled_from([0, 31, 127, 128, 255, 256, 65_535, 65_536, 2**31, 2**32 - 1, 2**32]),
    st.sampled_from([-1, -32, -33, -128, -129, -32_768, -32_769, -(2**31), -(2**31) - 1, -(2**63)]),
)


@given(
    successive(),
    st.tuples(*[whole_numbers] * 4),
    st.lists(whole_numbers, max_size=80),
    st.booleans(),
)
def test_both_make_the_same_messages(
    pair: tuple[View, View], numbers: tuple[int, ...], acks: list[int], packed: bool
) -> None:
    needs_compiled(Shown is not PlainShown)
    base, view = pair
    tables = tables_of(View)
    epoch, tick, server_ms, base_tick = numbers
    told = array("q", acks) if packed else acks
    plain, compiled = (
        (
            kind(epoch, base_tick, 0, [], encode(base), tables),
            kind(epoch, tick, server_ms, told, encode(view), tables),
        )
        for kind in (PlainShown, Shown)
    )
    assert plain[1].acks == compiled[1].acks == acks
    assert plain[1].packed_for(None) == compiled[1].packed_for(None)
    assert plain[1].packed_for(plain[0]) == compiled[1].packed_for(compiled[0])
    is_delta = plain_and_compiled(base, view)[0] is not None
    assert is_delta is (plain[1].packed_for(plain[0]) != plain[1].packed_for(None))


@pytest.mark.parametrize("length", [10, 125, 126, 65_000, 66_000])
@pytest.mark.parametrize("kind", [PlainShown, Shown], ids=["plain", "as_shipped"])
def test_the_frame_of_a_delta_says_how_long_it_is(kind: Any, length: int) -> None:
    view = encode(View(1, "x" * length, {1: Entity(1, "y" * 300)}, {}))
    base = encode(View(1, "", {1: Entity(1, "y" * 300)}, {}))
    tables = tables_of(View)
    frame = kind(1, 2, 3, [4], view, tables).packed_for(kind(1, 1, 2, [3], base, tables))
    assert frame_size(frame, 0) == len(frame)
    payload = server_payload(frame)
    assert len(payload) == len(frame) - (2 if length < 90 else 4 if length < 65_530 else 10)
    assert msgspec.msgpack.decode(payload)[1:7] == [1, 2, 3, [4], 1, {"note": "x" * length}]


@pytest.mark.parametrize("kind", [PlainShown, Shown], ids=["plain", "as_shipped"])
def test_a_delta_is_kept_for_some_bases(kind: Any) -> None:
    tables = tables_of(View)
    many = {number: Entity(number) for number in range(30)}
    made = [kind(1, tick, 0, [], encode(View(tick, None, many, {})), tables) for tick in range(14)]
    first = [made[-1].packed_for(base) for base in made[:-1]]
    again = [made[-1].packed_for(base) for base in made[:-1]]
    assert first == again
    kept = [one is other for one, other in zip(first, again, strict=True)]
    assert kept == [True] * BASES_MAX + [False] * (13 - BASES_MAX)


@pytest.mark.parametrize("kind", [PlainShown, Shown], ids=["plain", "as_shipped"])
def test_what_is_expected_is_at_hand(kind: Any) -> None:
    tables = tables_of(View)
    base = kind(1, 1, 0, [], encode(View(1, None, {}, {})), tables)
    shown = kind(1, 2, 0, [], encode(View(2, None, {}, {})), tables)
    assert shown.usual_base is not None
    shown.expect(base)
    assert shown.usual_base is base
    assert shown.usual == shown.packed_for(base)
    shown.expect_nothing()
    assert shown.usual_base not in (None, base)


def test_a_large_table_in_reverse_order_is_compared_in_reasonable_steps() -> None:
    needs_compiled(Cut is not PlainCut)
    entries = {number: Entity(number, "x" * 9) for number in range(20_000)}
    base = View(0, None, entries, {})
    view = View(0, None, dict(reversed(entries.items())) | {7: Entity(1)}, {})
    plain, compiled = plain_and_compiled(base, view)
    assert plain == compiled is not None
    assert three(compiled)[1:] == ({"one": {7: [1, None]}}, {})


@pytest.mark.parametrize("kind", [PlainCut, Cut], ids=["plain", "as_shipped"])
def test_nothing_changed_is_three_empty_maps(kind: Any) -> None:
    view = encode(View(1, "long enough to be worth a delta", {1: Entity(1)}, {}))
    one, other = kind(view, tables_of(View)), kind(bytes(view), tables_of(View))
    assert one.changes(other) == b"\x80\x80\x80"


@pytest.mark.parametrize("kind", [PlainCut, Cut], ids=["plain", "as_shipped"])
def test_views_of_two_kinds_have_no_delta(kind: Any) -> None:
    tables: frozenset[bytes] = frozenset()
    a, b = encode({"a": "x" * 99}), encode({"b": "x" * 99})
    assert kind(a, tables).changes(kind(b, tables)) is None
    assert kind(a, tables).changes(kind(encode({"a": 1, "b": 2}), tables)) is None


@given(views, st.data())
def test_bytes_that_are_cut_short_or_damaged_never_crash(view: View, data: st.DataObject) -> None:
    """They may come from another node, so they must not be trusted with memory."""
    whole = bytearray(encode(view))
    tables = tables_of(View)
    good = Shown(1, 2, 3, [5], bytes(whole), tables)
    for _ in range(data.draw(st.integers(0, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    del whole[data.draw(st.integers(0, len(whole))) :]
    bad = Shown(1, 1, 3, [5], bytes(whole), tables)
    for one, other in ((good, bad), (bad, good), (bad, bad)):
        for make in (one.changes, one.packed_for):
            try:
                made = make(other)
            except ValueError:
                continue
            assert made is None or isinstance(made, bytes)
