"""Pages of a list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameserver.adapters.http_page import cursor_at, page_of, place_of
from gameserver.adapters.http_problem import Problem


@given(st.sets(st.text(max_size=9), max_size=30), st.integers(1, 9))
def test_all_pages_together_are_the_list(items: set[str], limit: int) -> None:
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page, cursor = page_of(items, key=str, cursor=cursor, limit=limit)
        assert len(page) == limit if cursor is not None else len(page) <= limit
        seen += page
    assert seen == sorted(items)


def test_what_changes_between_two_pages_hides_nothing() -> None:
    _, cursor = page_of("bdfh", key=str, cursor="", limit=2)
    assert cursor is not None
    assert page_of("acfgh", key=str, cursor=cursor, limit=9) == (["f", "g", "h"], None)


@given(st.tuples(st.integers(-(2**60), 2**60), st.text(max_size=20)))
def test_a_place_comes_back(place: tuple[int, str]) -> None:
    assert place_of(cursor_at(place), tuple[int, str]) == place


@pytest.mark.parametrize(
    "cursor", ["x", "!", "ä", "oWF", cursor_at(5), cursor_at("a") + "=", cursor_at("a") + "A"]
)
def test_a_cursor_that_was_not_given(cursor: str) -> None:
    with pytest.raises(Problem) as refused:
        place_of(cursor, str)
    assert refused.value.kind.code == "bad_cursor"


@given(st.text(max_size=30))
def test_no_cursor_breaks_it(cursor: str) -> None:
    try:
        place_of(cursor, tuple[str, int])
    except Problem:
        pass
