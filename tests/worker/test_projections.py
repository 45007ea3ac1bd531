"""The folds do not depend on the order of events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from persistence_worker import projections
from persistence_worker.intake import Event, prepare
from tests.worker.builders import joined, left, story


@st.composite
def comings_and_goings(draw: st.DrawFn) -> list[Event]:
    events = []
    for seq in range(1, draw(st.integers(1, 8)) + 1):
        player, seat = draw(st.sampled_from("pq")), draw(st.integers(0, 3))
        told = joined("m", seq, player, seat, f"n{seq}") if draw(st.booleans()) else None
        events.append(prepare(told or left("m", seq, player, seat, "left")))
    return events


@given(comings_and_goings(), st.randoms(use_true_random=False))
def test_any_order_tells_the_same(events: list[Event], chance: object) -> None:
    shuffled = list(events)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert projections.participants(shuffled) == projections.participants(events)


def test_no_rows_no_columns() -> None:
    for projection in projections.PROJECTIONS:
        assert projection.fold([]) == []


def test_columns_are_sorted_by_key() -> None:
    events = [prepare(raw) for match in ("m3", "m1", "m2") for raw in story(match)]
    for projection in projections.PROJECTIONS:
        columns = projection.fold(events)
        assert columns[0] == sorted(columns[0])
        assert len({len(column) for column in columns}) == 1
