"""``python -m gameserver maintenance``: against a real Redis, and without one."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from redis import Redis

from gameserver.__main__ import main

HOUR_MS = 3_600_000


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, valkey_url: str, redis_prefix: str) -> str:
    """The key, which is not there yet."""
    for name, value in {
        "COGNITO_ISSUER": "https://issuer.example",
        "COGNITO_CLIENT_IDS": "c",
        "SQS_QUEUE_URL": "https://sqs.example/1/q",
        "KMS_KEY_ID": "alias/k",
        "REDIS_URL": valkey_url,
        "REDIS_PREFIX": redis_prefix,
    }.items():
        monkeypatch.setenv(f"GAMESERVER_{name}", value)
    return f"{redis_prefix}:maintenance"


def state(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["maintenance", "status", "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_on_status_off(settings: str, valkey_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert state(capsys) == {"on": False}
    assert main(["maintenance", "on", "--message", "Back at noon.", "--until", "+2h"]) == 0
    said = capsys.readouterr().out
    assert "Maintenance is on since" in said and "Players are told: Back at noon." in said
    first = state(capsys)
    now_ms = time.time() * 1000
    assert first["on"] is True and "@" in first["by"]
    assert now_ms - HOUR_MS < first["since_ms"] <= now_ms < first["until_ms"] - HOUR_MS
    with Redis.from_url(valkey_url) as redis:
        stored = json.loads(redis.get(settings))  # type: ignore[arg-type]
    assert {"on": True, **stored} == first

    assert main(["maintenance", "on", "--message", "Später.", "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert (second["message"], second["until_ms"]) == ("Später.", None)
    assert second["since_ms"] == first["since_ms"]
    for _ in range(2):
        assert main(["maintenance", "off"]) == 0
        assert capsys.readouterr().out == "Maintenance is off.\n"
    assert state(capsys) == {"on": False}


@pytest.mark.parametrize(
    ("until", "expected_ms"),
    [
        ("2100-01-31T18:00+01:00", 4_105_098_000_000),
        ("2100-01-31T17:00", 4_105_098_000_000),
        ("2100-01-31T17:00Z", 4_105_098_000_000),
    ],
)
def test_until_is_a_time(
    settings: str, capsys: pytest.CaptureFixture[str], until: str, expected_ms: int
) -> None:
    assert main(["maintenance", "on", "--message", "m", "--until", until, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["until_ms"] == expected_ms


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["on"],
        ["on", "--message", ""],
        ["on", "--message", "two\nlines"],
        ["on", "--message", "x" * 301],
        ["on", "--message", "m", "--until", "noon"],
        ["on", "--message", "m", "--until", "+2"],
        ["on", "--message", "m", "--until", "2020-01-01T00:00"],
        ["off", "--message", "m"],
    ],
)
def test_what_makes_no_sense_changes_nothing(
    settings: str, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["maintenance", *arguments])
    assert ended.value.code == 2
    assert "usage: gameserver" in capsys.readouterr().err
    assert state(capsys) == {"on": False}


@pytest.mark.parametrize("verb", [["on", "--message", "m"], ["off"], ["status"]])
def test_without_redis_it_fails_and_says_so(
    settings: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: list[str],
) -> None:
    monkeypatch.setenv("GAMESERVER_REDIS_URL", "redis://127.0.0.1:9/0")
    assert main(["maintenance", *verb]) == 1
    assert "did not answer" in capsys.readouterr().err
    monkeypatch.delenv("GAMESERVER_SQS_QUEUE_URL")
    assert main(["maintenance", *verb]) == 2
