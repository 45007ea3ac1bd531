"""A short slice of every campaign, and that a campaign can fail; ``make fuzz`` runs for longer."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import msgspec
import pytest

from gameserver.wire.close_codes import CloseCode
from gameserver.wire.codec import Format
from persistence_worker import intake
from tests.adapters.ws_peer import FakeGate, Harness, config
from tests.conftest import needs_compiled
from tests.fuzz import inprocess, live, mutant, mutate, sanitized, views
from tests.fuzz.campaign import ALL, Campaign, sendable
from tests.fuzz.connections import by_protocol, whole_frames
from tests.fuzz.found import FOUND
from tests.fuzz.frames import BINARY, frame
from tests.fuzz.inprocess import Note, noted
from tests.fuzz.link import first_answer
from tests.fuzz.live import HEAD_MAX, KINDS, Case, Doors
from tests.fuzz.minimise import minimised
from tests.fuzz.targets import COMPILED, TARGETS, Target
from tests.fuzz.watched import Lines, Watched, alarming

SEED = int(os.environ.get("FUZZ_SEED", "1"))
CASES = {"hot": 15, "frames": 400, "usual": 600, "cut": 600}
"""The others are quicker."""
CASES_EACH = 1000
SLICE = 20
"""Cases of each kind against a server."""


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_whatever_comes_in(target: Target) -> None:
    if target.name in COMPILED:
        needs_compiled(intake._read_usual is not None)
    outcome = inprocess.run(target, seed=SEED, cases=CASES.get(target.name, CASES_EACH))
    assert outcome.finding is None


@pytest.mark.parametrize(("target", "what", "case"), FOUND, ids=[one[1] for one in FOUND])
def test_what_was_found_stays_mended(target: str, what: str, case: str) -> None:
    if target in COMPILED:
        needs_compiled(intake._read_usual is not None)
    assert inprocess.complaint(TARGETS[target], bytes.fromhex(case)) is None


@pytest.mark.timeout(180)
def test_a_real_server_bears_it(devstack_dir: Path) -> None:
    """What is sent, what has to hold: docs/security/fuzzing.md."""
    with Watched(devstack_dir / "fuzz") as watched:
        campaign = Campaign(watched, seed=SEED, batch=SLICE)
        outcome = asyncio.run(campaign.run(seconds=150, rounds=1, say=lambda line: None))
    assert outcome.found == []
    assert outcome.cases == dict.fromkeys(ALL, SLICE)
    assert {what.split()[0] for what in outcome.seen} >= {"http", "close", "api", "open"}


# ── it can fail ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("target", "defect"),
    [
        ("frames", "reserved_bits"),
        ("frames", "unmasked"),
        ("frames", "payload_limit"),
        ("frames", "mute"),
        ("message", "unforeseen"),
        ("handshake", "echo"),
        ("usual", "usual"),
        ("cut", "cut"),
    ],
)
def test_a_defect_is_found_in_process(
    target: str, defect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if target in COMPILED:
        needs_compiled(intake._read_usual is not None)
    mutant.apply(defect, monkeypatch.setattr)
    monkeypatch.setattr(inprocess, "minimised", lambda case, fails: case)
    assert inprocess.run(TARGETS[target], seed=SEED, cases=20_000).finding is not None


@pytest.mark.parametrize("defect", [None, "header_limit", "leak"])
async def test_a_defect_of_handshakes_is_found_over_a_socket(
    defect: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if defect is not None:
        mutant.apply(defect, monkeypatch.setattr)
    harness = Harness(FakeGate(), config(handshake_ms=20_000, header_bytes_max=HEAD_MAX))
    await harness.start()
    doors = Doors(host="127.0.0.1", ws_port=harness.port, http_port=0, tokens=[], players=[])
    if defect is not None:
        doors.patience_s = 1.0  # It will not come, however long it is waited for.
    try:
        raw = b"GET / HTTP/1.1\r\nX: " + b"y" * 20_000
        wrong = await live.tried(doors, Case(kind="handshake", raw=raw, dice=1), 0)
    finally:
        await harness.server.close()
    assert (wrong is None) is (defect is None)


def test_a_limit_that_is_lost_in_the_compiled_cutter_can_be_built() -> None:
    """``python -m tests.fuzz --sanitize --mutation memory`` takes half a minute to build."""
    where, _, _ = sanitized.DEFECT
    assert sanitized._with_defect(where) != (sanitized.ROOT / where).read_text()


# ── its parts ────────────────────────────────────────────────────────────────────────────────────


def test_a_seed_is_the_same_cases_in_every_process() -> None:
    def some(seed: int) -> list[bytes]:
        made = [target.made(random.Random(f"{seed}")) for target in TARGETS.values()]
        return made + [msgspec.json.encode(live.made(k, random.Random(seed)).dice) for k in KINDS]

    assert some(1) == some(1) != some(2)
    chance = random.Random("1/frames")
    assert mutate.mutated(chance, b"abcdef", (b"ghi",)) == _FIRST


_FIRST = b"a\x00cdef"


def test_a_case_is_made_smaller() -> None:
    tries = []

    def fails(data: bytes) -> bool:
        tries.append(data)
        return b"\xff" in data and data.count(b"a") >= 2

    assert minimised(b"xxxa" * 30 + b"\xff" + b"yy" * 40, fails) == b"aa\xff"
    assert len(tries) <= 400
    assert minimised(b"", lambda data: True) == b""


def test_the_case_under_way_outlives_its_process(tmp_path: Path) -> None:
    note = Note(tmp_path / "case")
    note(b"first and long")
    note(b"\x00second")
    assert noted(tmp_path / "case") == b"\x00second"


def test_what_a_sanitizer_says_is_cut_to_what_matters() -> None:
    said = "noise\n    #1 0x1 in _compare /x/_cut.c:7\nSUMMARY: AddressSanitizer: overflow\nnoise"
    assert inprocess.gist(said).splitlines() == [
        "SUMMARY: AddressSanitizer: overflow",
        "#1 0x1 in _compare /x/_cut.c:7",
    ]
    assert inprocess.gist("Segmentation fault") == "Segmentation fault"


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("case", [b"", b"\x00", b"\xff" * 9])
def test_any_bytes_are_a_case(target: Target, case: bytes) -> None:
    """Else nothing could be made smaller."""
    target.judge(case)


def test_two_views_are_one_case() -> None:
    assert views.parted(views.joined(b"old", b"new")) == (b"old", b"new")


def test_what_is_wrong_with_a_line_of_a_log() -> None:
    assert alarming('{"level":"warning","message":"slow"}') is None
    assert alarming('{"level":"error","message":"request failed","error":"KeyError"}')
    assert alarming("Traceback (most recent call last):")


def test_a_log_is_read_on_by_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    lines = Lines(path)
    assert lines.more() == []
    path.write_text("one\ntw")
    assert lines.more() == ["one"]
    path.write_text("one\ntwo\n")
    assert lines.more() == ["two"]


def test_what_may_be_a_body_of_sqs() -> None:
    assert sendable(b"\x00a\xff\r\n\xed\xa0\x80") == "a\ufffd\r\n\ufffd\ufffd\ufffd"


def test_what_rfc_6455_says_is_asked_of_websockets() -> None:
    chance = random.Random(1)
    good, bad = frame(chance, BINARY, b"hi"), frame(chance, BINARY, b"hi", rsv=4)
    assert by_protocol(good + bad).messages == [b"hi"]
    assert by_protocol(good + bad).code == CloseCode.PROTOCOL_ERROR
    assert by_protocol(good, payload_max=1).code == CloseCode.TOO_BIG
    assert whole_frames(good + bad[:3]) == good


def test_answers_are_taken_apart() -> None:
    raw = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nnoHTTP/1.1"
    found = first_answer(raw)
    assert found is not None
    assert (found[0].status, found[0].body, found[1]) == (400, b"no", b"HTTP/1.1")
    assert first_answer(raw[:30]) is None
    with pytest.raises(ValueError, match="no HTTP"):
        first_answer(b"SSH-2.0\r\n\r\n")


def test_formats_take_turns() -> None:
    assert {live.format_of(0), live.format_of(1)} == {*Format}
