"""A list of matches: filtered, sorted, and cut into pages that stay right while it changes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gameserver.ids import MatchId
from gameserver.listing import QUERIES_KEPT, Catalogue, Listed, Order, Query, Visibility


def listed(match_id: str, **differs: object) -> Listed:
    fields: dict[str, object] = {
        "id": MatchId(match_id),
        "game": "arena",
        "mode": "quick",
        "players": 1,
        "players_max": 8,
        "seats_open": 7,
        "tick": 0,
        "state": "running",
        "node": "n1",
        "created_ms": 0,
        "title": "",
        "visibility": Visibility.PUBLIC,
    }
    return Listed(**fields | differs)  # type: ignore[arg-type]


def ids(catalogue: Catalogue, **asked: object) -> list[str]:
    return [one.id for one in catalogue.find(Query(**asked)).matches]  # type: ignore[arg-type]


def test_every_filter_leaves_out_what_it_should() -> None:
    catalogue = Catalogue(
        [
            listed("a", title="Große Runde"),
            listed("b", game="echo", mode="pair"),
            listed("c", seats_open=0, node="n2"),
            listed("d", visibility=Visibility.PRIVATE),
            listed("e", visibility=Visibility.UNLISTED),
        ]
    )
    assert ids(catalogue) == ["a", "b", "c"]
    assert ids(catalogue, visible=False) == ["a", "b", "c", "d", "e"]
    assert ids(catalogue, game="echo") == ids(catalogue, mode="pair") == ["b"]
    assert ids(catalogue, seats_min=1) == ["a", "b"]
    assert ids(catalogue, node="n2") == ["c"]
    assert ids(catalogue, text="GROSSE") == ["a"]
    assert ids(catalogue, text="x") == []
    assert catalogue.get("d") is not None and catalogue.get("z") is None


def test_orders() -> None:
    catalogue = Catalogue(
        [
            listed("a", created_ms=1, players=5),
            listed("b", created_ms=3, players=2),
            listed("c", created_ms=2, players=5),
        ]
    )
    assert ids(catalogue, order=Order.NEWEST) == ["b", "c", "a"]
    assert ids(catalogue, order=Order.OLDEST) == ["a", "c", "b"]
    assert ids(catalogue, order=Order.FULLEST) == ["a", "c", "b"]
    assert ids(catalogue, order=Order.EMPTIEST) == ["b", "a", "c"]


def test_the_same_question_is_worked_out_once_and_not_too_many_are_kept() -> None:
    catalogue = Catalogue([listed("a")])
    assert catalogue.find(Query()) is catalogue.find(Query())
    for number in range(10 * QUERIES_KEPT):
        catalogue.find(Query(text=str(number)))
        assert len(catalogue._found) <= QUERIES_KEPT


@given(
    st.lists(st.integers(0, 3), max_size=12),
    st.integers(1, 4),
    st.sampled_from(Order),
    st.sets(st.integers(0, 11)),
)
def test_pages_hold_each_match_once_also_while_others_go(
    players: list[int], limit: int, order: Order, gone: set[int]
) -> None:
    matches = [listed(f"m{i:02}", players=n, created_ms=n) for i, n in enumerate(players)]
    found = Catalogue(matches).find(Query(order=order))
    seen: list[str] = []
    place = None
    first = True
    while first or place is not None:
        page, place = found.after(place, limit)
        seen += [one.id for one in page]
        if first:
            left = [one for i, one in enumerate(matches) if i not in gone or one.id in seen]
            expected = [one.id for one in Catalogue(left).find(Query(order=order)).matches]
            found = Catalogue(left).find(Query(order=order))
            first = False
    assert seen == expected
