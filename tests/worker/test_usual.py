"""The compiled way through a body against the plain one: it must not make any difference."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gameserver.wire import event_record as wire
from persistence_worker import copying, intake
from persistence_worker.intake import Event, Intake, Item
from tests.worker.builders import bundle, chunk, ended, joined_sealed, raw, record, story

compiled = intake._read_usual

TEXTS = st.text(max_size=12) | st.sampled_from(["é", "\x7f", "\x1f", '"', "\\", "\u2028", "🎲"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
NAMES = st.text(min_size=1, max_size=5) | st.sampled_from(
    ["scored", "match_started", "match_over", "player_left", "k" * 64]
)
COUNTS = st.integers(0, 2**53 - 1) | st.sampled_from([0, 1, 253_402_300_799_999, 2**53 - 1])


@st.composite
def records(draw: Callable[[Any], Any]) -> bytes:
    made = record(
        draw(st.sampled_from(["m1", "0", "z" * 64])),
        draw(st.integers(1, 2**53 - 1)),
        draw(NAMES),
        draw(st.none() | st.text(min_size=1, max_size=5) | st.just("p" * 128)),
        draw(st.dictionaries(TEXTS, VALUES, max_size=4)),
        epoch=draw(COUNTS),
        tick=draw(COUNTS),
        game=draw(NAMES),
        mode=draw(NAMES),
        at_ms=draw(COUNTS),
    )
    try:
        encoded = wire.encode_record(made)
        encoded.decode()
    except (ValueError, OverflowError):  # a lone surrogate, a number that nobody can encode
        return raw("m1", 1)
    if draw(st.booleans()):
        return encoded
    # As another program would write it.
    return json.dumps(json.loads(encoded), ensure_ascii=draw(st.booleans())).encode()


def told(intake: Intake) -> list[Any]:
    return [*map(everything, intake.events), *((bad.kind, bad.raw) for bad in intake.bad)]


def everything(item: Item) -> Any:
    if not isinstance(item, Event):
        return item
    row = b"".join(copying.rows([item]))
    names = ("id", "key", "at_ms", "raw", "digest", "record", "data", "sealed_key", "fact")
    return [row, *(getattr(item, name) for name in names)]


def both(body: str, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Any], list[Any]]:
    read = []
    for way in (compiled, None):
        monkeypatch.setattr(intake, "_read_usual", way)
        read.append(told(intake.read(body)))
    return read[0], read[1]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(records(), max_size=4))
@example([raw("m1", 1, data={"a": -0.0, "b": 10**18, "c": 10**17, "d": -1})])
@example([raw("m1", 1, data={"a": 1, "aa": 1, "ab": {}, "b": [[], {}, None]})])
@example([raw("m1", 1).replace(b'{"points":1}', b'{"b":1,"a":1}')])
@example([raw("m1", 1).replace(b'{"points":1}', b'{"a":1,"a":1}')])
@example([raw("m1", 1).replace(b'{"points":1}', b'{"a":-0}')])
@example([raw("m1", 1).replace(b'{"points":1}', b'{"a":01}')])
@example([raw("m1", 1).replace(b'"seq":1', b'"seq":01')])
@example([raw("m1", 1).replace(b'{"points":1}', b'{"a":"\x7f"}')])
@example([raw("m1", 1).replace(b'{"points":1}', b'{"a":' + b"[" * 40 + b"]" * 40 + b"}")])
@example([raw("m1", 1, data={"x": "y" * (wire.RECORD_BYTES_MAX - 180)})])
@example([raw("m1", 1).replace(b'{"points":1}', b'{"x":"' + b"y" * 65_500 + b'"}')])
def test_no_difference(raws: list[bytes]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        usual, plain = both(bundle(*raws), monkeypatch)
    assert usual == plain


@given(st.data())
def test_no_difference_for_damaged_bodies(data: st.DataObject) -> None:
    good = bundle(*story("m1"))
    at = data.draw(st.integers(0, len(good) - 1))
    put = data.draw(st.text(max_size=2) | st.sampled_from([*'{}[]",:\\0', "\ud800"]))
    cut = data.draw(st.integers(0, 3))
    with pytest.MonkeyPatch.context() as monkeypatch:
        usual, plain = both(good[:at] + put + good[at + cut :], monkeypatch)
    assert usual == plain


def test_all_kinds_of_records_in_one_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body with pieces of recordings is read record by record by the plain way."""
    sealed = joined_sealed("m2", 1, "p1")
    other = ended("m3", 1, [("p1", 1, 2.5)])
    piece = wire.encode_record(chunk())
    body = bundle(*story("m1"), piece, sealed, raw("m2", 2, data={"x": 0.5}), other)
    usual, plain = both(body, monkeypatch)
    assert usual == plain
    assert len(usual) == len(story("m1")) + 4


def test_the_usual_is_read_the_short_way() -> None:
    """Else this file would compare the plain way with itself."""
    data = {"a": [1, -20, {}, [], None, True], "name": "é", "to": {"x": "", "xx": {"y": False}}}
    raws = [raw("m1", n, "scored", player, data) for n, player in ((1, "p1"), (2, None))]
    made = [f"m1/{n}" for n in (1, 2)]
    if compiled is not None:  # Without a C compiler there is one way only.
        assert compiled(bundle(*raws), lambda *parts: parts[0], lambda raw: raw) == made
