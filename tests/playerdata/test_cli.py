"""The command line of ``playerdata``, as far as it needs no store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from persistence_worker.errors import DatabaseUnavailable
from playerdata.__main__ import _erase_one, main
from playerdata.report import Outcome, Report, Step, told

SERVER = {
    "GAMESERVER_COGNITO_ISSUER": "https://issuer.example",
    "GAMESERVER_COGNITO_CLIENT_IDS": "c",
    "GAMESERVER_SQS_QUEUE_URL": "https://sqs.example/1/q",
    "GAMESERVER_KMS_KEY_ID": "alias/k",
}
WORKER = {
    "WORKER_SQS_QUEUE_URL": "https://sqs.example/1/q",
    "WORKER_SQS_DLQ_URL": "https://sqs.example/1/d",
    "WORKER_POSTGRES_DSN": "postgresql://u@h/db",
}


@pytest.mark.parametrize(
    ("words", "environ", "said"),
    [
        (["erase", "p"], SERVER | WORKER, "WORKER_ERASURE_KEY is required"),
        (["erase", "p"], SERVER, "WORKER_SQS_QUEUE_URL is required"),
        (["export", "p", "--out", "f"], WORKER, "GAMESERVER_COGNITO_ISSUER is required"),
    ],
)
def test_missing_settings(
    words: Sequence[str],
    environ: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    assert main(words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words", [["erase"], ["erase", ""], ["erase", "a\nb"], ["export", "p"]])
def test_wrong_usage(words: Sequence[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2


class Away:
    name = "postgresql"

    async def erase(self, player: str) -> Any:
        raise DatabaseUnavailable("no answer")

    look = export = erase


async def test_a_store_that_is_away_is_named() -> None:
    step = await _erase_one(Away(), "p", dry_run=False)
    report = Report(player="p", steps=[step])
    assert not report.well
    assert told(report) == (
        "postgresql    unreachable  no answer\nNot complete: repeat the command."
    )


def test_what_is_said() -> None:
    done = Step(store="redis", outcome=Outcome.DONE, counts={"keys": 2, "other": 0})
    used = Step(store="redis", outcome=Outcome.PENDING, counts={"keys": 0}, detail="in match m")
    assert told(Report(player="p", steps=[done])) == "redis         done         keys 2"
    assert "nothing there; in match m" in told(Report(player="p", steps=[used]))
