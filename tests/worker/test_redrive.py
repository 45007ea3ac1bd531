"""The decision about a dead letter, and what a letter says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from gameserver.wire.event_record import BODY_BYTES_MAX
from persistence_worker.letters import Letter, Selection, describe, parked_id, records
from persistence_worker.messages import Message
from persistence_worker.redrive import Park, SendBack, Wait, decide
from persistence_worker.retry import ErrorKind
from tests.worker.builders import bundle, raw

SENT_MS = 1_760_000_000_000


def letter(**changes: Any) -> Letter:
    fields: dict[str, Any] = {
        "place": "queue",
        "id": "a",
        "reason": "unexpected",
        "detail": "",
        "sent_at_ms": SENT_MS,
        "receives": 1,
        "redrives": 0,
        "bytes": 100,
        "events": [],
        "matches": [],
        "games": [],
    }
    return Letter(**(fields | changes))


@pytest.mark.parametrize("reason", ["bad_body", "bad_record", "bad_data", "fork"])
def test_what_never_heals_is_parked_at_once(reason: str) -> None:
    assert isinstance(decide(letter(reason=reason), SENT_MS), Park)


@pytest.mark.parametrize(
    "reason", ["received_too_often", "unexpected", "rejected", "a word of a newer worker"]
)
@pytest.mark.parametrize(
    ("redrives", "high_s"), [(0, 60), (1, 240), (2, 960), (3, 3_840), (4, 15_360), (40, 43_200)]
)
def test_what_may_heal_waits_ever_longer(reason: str, redrives: int, high_s: int) -> None:
    given = letter(reason=reason, redrives=redrives)
    assert isinstance(decide(given, SENT_MS + high_s * 500 - 1, redrives_max=99), Wait)
    assert decide(given, SENT_MS + high_s * 1000, redrives_max=99) == SendBack()
    wait = decide(given, SENT_MS, redrives_max=99)
    assert isinstance(wait, Wait)
    # Told at once or later, by whomever, it is the same moment.
    later = decide(given, SENT_MS + 1000, redrives_max=99)
    assert isinstance(later, Wait)
    assert later.for_s == pytest.approx(wait.for_s - 1)
    assert decide(given, SENT_MS + int(wait.for_s * 1000) + 1, redrives_max=99) == SendBack()


def test_letters_of_one_moment_are_spread() -> None:
    waits = []
    for number in range(500):
        decision = decide(letter(id=f"id-{number}"), SENT_MS)
        assert isinstance(decision, Wait)
        waits.append(decision.for_s)
    assert 30 <= min(waits) < 33
    assert 57 < max(waits) <= 60


@pytest.mark.parametrize(("redrives", "redrives_max", "parked"), [(4, 5, 0), (5, 5, 1), (0, 0, 1)])
def test_it_is_parked_after_some_redrives(redrives: int, redrives_max: int, parked: int) -> None:
    given = letter(redrives=redrives)
    decision = decide(given, SENT_MS + 10**9, redrives_max=redrives_max)
    assert isinstance(decision, Park if parked else SendBack)


def test_a_body_that_leaves_no_room_to_count_is_parked() -> None:
    assert isinstance(decide(letter(bytes=BODY_BYTES_MAX), SENT_MS + 10**9), Park)


def test_every_reason_that_the_worker_writes_is_decided() -> None:
    for kind in ErrorKind:
        for redrives in (0, 1, 10**9):
            decide(letter(reason=kind.value, redrives=redrives), SENT_MS)


def message(body: str, **attributes: str) -> Message:
    return Message(
        id="m", receipt="r", body=body, receives=2, sent_at_ms=SENT_MS, attributes=attributes
    )


def test_a_letter_says_what_can_be_read() -> None:
    odd = raw("m2", 3, game="chess").replace(b'"kind"', b'"kinds"')
    wild = raw("m4", 1).replace(b'"m4"', b'"\\u0000"')
    told = describe(message(bundle(raw("m1", 7), odd, b"[1]", wild), reason="bad_record"))
    assert told.events == ["m1/7", "m2/3", "m4/1"]
    assert (told.matches, told.games) == (["m1", "m2"], ["arena", "chess"])
    assert (told.reason, told.redrives, told.receives) == ("bad_record", 0, 2)
    told = describe(message("no json"))
    assert (told.reason, told.events) == ("received_too_often", [])
    assert [describe(message("", redrives=text)).redrives for text in ("7", "x", "9" * 30)] == [
        7,
        0,
        0,
    ]
    found = records(bundle(raw("m1", 7), b"[1]"))
    assert found[0]["id"] == "m1/7"
    assert found[1]["text"] == "[1]"


@pytest.mark.parametrize(
    ("chosen", "matches"),
    [
        ({}, True),
        ({"id": "a"}, True),
        ({"id": "b"}, False),
        ({"reason": "unexpected", "match": "m1", "game": "arena"}, True),
        ({"reason": "fork"}, False),
        ({"match": "m9"}, False),
        ({"game": "chess"}, False),
        ({"sent_from_ms": SENT_MS, "sent_to_ms": SENT_MS}, True),
        ({"sent_from_ms": SENT_MS + 1}, False),
        ({"sent_to_ms": SENT_MS - 1}, False),
    ],
)
def test_selections(chosen: dict[str, Any], matches: bool) -> None:
    given = letter(matches=["m1"], games=["arena"])
    assert (given in Selection(**chosen)) is matches


def test_a_parked_id_is_of_the_body() -> None:
    assert parked_id("x") == parked_id("x") != parked_id("y")
    assert len(parked_id("\ud800")) == 32
