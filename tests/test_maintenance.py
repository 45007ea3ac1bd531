"""The maintenance mode as a value: what may be said, and what a change keeps."""

from __future__ import annotations

import msgspec
import pytest

from gameserver.maintenance import MESSAGE_CHARS_MAX, Maintenance, Notice, begun, shown

NOW_MS = 2_000_000_000_000


@pytest.mark.parametrize(
    "message", ["", "  ", "x" * (MESSAGE_CHARS_MAX + 1), "two\nlines", "a\x00", "a\u2028b"]
)
def test_what_is_no_line_for_players_is_refused_wherever_it_comes_from(message: str) -> None:
    with pytest.raises(ValueError, match="the message"):
        Notice(message=message)
    stored = msgspec.json.encode({"message": message, "since_ms": 1, "until_ms": None, "by": "a"})
    with pytest.raises(msgspec.ValidationError, match="the message"):
        msgspec.json.decode(stored, type=Maintenance)


@pytest.mark.parametrize("message", ["x" * MESSAGE_CHARS_MAX, "Zurück um 12 ⏰", "また後で。"])
def test_what_players_can_read_is_taken(message: str) -> None:
    assert Notice(message=message).message == message


@pytest.mark.parametrize("until_ms", [0, -1, 10**15])
def test_an_end_is_a_time(until_ms: int) -> None:
    with pytest.raises(ValueError, match="since the Unix epoch"):
        Notice(message="m", until_ms=until_ms)


def test_a_change_keeps_the_beginning_and_the_end_lies_ahead() -> None:
    first = begun(Notice(message=" Soon. "), earlier=None, by="b" * 500, now_ms=NOW_MS)
    assert (first.message, first.since_ms, len(first.by)) == ("Soon.", NOW_MS, 128)
    later = Notice(message="Later.", until_ms=NOW_MS + 2)
    second = begun(later, earlier=first, by="c", now_ms=NOW_MS + 1)
    assert shown(second) == {
        "on": True,
        "message": "Later.",
        "since_ms": NOW_MS,
        "until_ms": NOW_MS + 2,
        "by": "c",
    }
    with pytest.raises(ValueError, match="in the past"):
        begun(later, earlier=None, by="c", now_ms=NOW_MS + 2)
    assert shown(None) == {"on": False}
