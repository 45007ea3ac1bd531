import pytest

from persistence_worker.retry import DeadLetter, ErrorKind, Retry, decide

FINAL = ["bad_body", "bad_record", "bad_data", "fork", "rejected"]


@pytest.mark.parametrize("kind", FINAL)
@pytest.mark.parametrize("attempt", [1, 2, 1000])
def test_bad_content_is_never_tried_again(kind: str, attempt: int) -> None:
    assert decide(ErrorKind(kind), attempt, jitter=0.5) == DeadLetter(reason=kind)


@pytest.mark.parametrize(
    ("kind", "attempt", "low_s", "high_s"),
    [
        ("contention", 1, 0.01, 0.02),
        ("contention", 3, 0.04, 0.08),
        ("contention", 50, 0.5, 1.0),
        ("database_down", 1, 0.125, 0.25),
        ("database_down", 4, 1.0, 2.0),
        ("database_down", 10_000, 5.0, 10.0),
        ("database_schema", 1, 0.5, 1.0),
        ("database_schema", 99, 15.0, 30.0),
        ("queue_down", 0, 0.125, 0.25),
        ("queue_down", 99, 5.0, 10.0),
        ("unexpected", 1, 0.5, 1.0),
        ("unexpected", 4, 4.0, 8.0),
    ],
)
def test_pauses_grow_up_to_a_cap(kind: str, attempt: int, low_s: float, high_s: float) -> None:
    assert decide(ErrorKind(kind), attempt, jitter=0.0) == Retry(after_s=low_s)
    assert decide(ErrorKind(kind), attempt, jitter=1.0) == Retry(after_s=high_s)


@pytest.mark.parametrize(
    ("attempt", "attempts_max", "gives_up"),
    [(1, 1, True), (1, 2, False), (4, 5, False), (5, 5, True), (6, 5, True)],
)
def test_the_unexpected_is_given_up_after_some_attempts(
    attempt: int, attempts_max: int, gives_up: bool
) -> None:
    decision = decide(ErrorKind.UNEXPECTED, attempt, jitter=0.5, attempts_max=attempts_max)
    assert isinstance(decision, DeadLetter) == gives_up


def test_every_kind_is_decided_for_every_attempt() -> None:
    for kind in ErrorKind:
        for attempt in (1, 17, 10**9):
            decision = decide(kind, attempt, jitter=0.99)
            assert isinstance(decision, DeadLetter) or 0 < decision.after_s <= 900
