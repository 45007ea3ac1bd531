from __future__ import annotations

from typing import Any

import pytest

from persistence_worker.config import Config, load, redacted, rules
from persistence_worker.errors import ConfigError

GOOD = {
    "WORKER_SQS_QUEUE_URL": "http://127.0.0.1:1/0/q",
    "WORKER_SQS_DLQ_URL": "http://127.0.0.1:1/0/d",
    "WORKER_POSTGRES_DSN": "postgresql://user:hunter2@db:5432/events?sslmode=require",
    "PATH": "/bin",
}


def test_reads_what_is_given_and_knows_the_rest() -> None:
    config = load(GOOD | {"WORKER_RECEIVERS": "7", "WORKER_LOG_LEVEL": "debug"})
    assert (config.receivers, config.log_level) == (7, "debug")
    assert (config.http_host, config.http_port) == ("0.0.0.0", 8082)


def test_boards_and_retention() -> None:
    given = {"WORKER_SEASONS": "s=2026-09-01..2026-12-01", "WORKER_BOARDS_BEST": "golf"}
    config = load(GOOD | given | {"WORKER_RETENTION_DAYS": "30"})
    assert [season.name for season in rules(config).seasons] == ["s"]
    assert rules(config).best == {"golf"}
    assert config.retention_days == 30
    assert load(GOOD).retention_days == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"WORKER_RECIEVERS": "1"}, "WORKER_RECIEVERS is not a setting"),
        ({"WORKER_receivers": "1"}, "WORKER_receivers is not a setting"),
        ({"WORKER_": "1"}, "WORKER_ is not a setting"),
        ({"WORKER_RECEIVERS": "0"}, "WORKER_RECEIVERS: expected int >= 1"),
        ({"WORKER_RECEIVERS": "65"}, "WORKER_RECEIVERS: expected int <= 64"),
        ({"WORKER_RECEIVERS": "many"}, "WORKER_RECEIVERS: expected int"),
        ({"WORKER_HTTP_PORT": "65536"}, "WORKER_HTTP_PORT: expected int <= 65535"),
        ({"WORKER_BUFFER_MESSAGES_MAX": "9"}, "WORKER_BUFFER_MESSAGES_MAX: expected int >= 10"),
        ({"WORKER_RECEIVE_WAIT_S": "21"}, "WORKER_RECEIVE_WAIT_S: expected int <= 20"),
        ({"WORKER_VISIBILITY_S": "43201"}, "WORKER_VISIBILITY_S: expected int <= 43200"),
        ({"WORKER_ATTEMPTS_MAX": "-1"}, "WORKER_ATTEMPTS_MAX: expected int >= 1"),
        ({"WORKER_LOG_LEVEL": "loud"}, "WORKER_LOG_LEVEL: expected str matching"),
        ({"WORKER_AWS_REGION": "EU!"}, "WORKER_AWS_REGION: expected str matching"),
        ({"WORKER_RETENTION_DAYS": "29"}, "WORKER_RETENTION_DAYS: expected 0 (for ever) or at"),
        ({"WORKER_SEASONS": "autumn"}, "WORKER_SEASONS: 'autumn' is not of the form name="),
        ({"WORKER_SQS_QUEUE_URL": ""}, "WORKER_SQS_QUEUE_URL is required"),
        ({"WORKER_SQS_DLQ_URL": ""}, "WORKER_SQS_DLQ_URL is required"),
        ({"WORKER_POSTGRES_DSN": ""}, "WORKER_POSTGRES_DSN is required"),
        ({"WORKER_POSTGRES_DSN": "mysql://u:hunter2@h/d"}, "WORKER_POSTGRES_DSN must be a URL"),
        ({"WORKER_POSTGRES_DSN": "host=db"}, "WORKER_POSTGRES_DSN must be a URL"),
        ({"WORKER_SQS_QUEUE_URL": "queue"}, "WORKER_SQS_QUEUE_URL must be a URL"),
        ({"WORKER_SQS_ENDPOINT_URL": "http://[x"}, "WORKER_SQS_ENDPOINT_URL must be a URL"),
        ({"WORKER_SQS_DLQ_URL": GOOD["WORKER_SQS_QUEUE_URL"]}, "a queue of their own"),
        ({"WORKER_POSTGRES_DSN": "p" * 5000}, "WORKER_POSTGRES_DSN: expected str of length"),
    ],
)
def test_wrong_settings_are_named(changes: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(GOOD | changes)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_dsn_may_name_several_hosts() -> None:
    dsn = "postgresql://u@db-1:5432,db-2:5433/events?target_session_attrs=read-write"
    assert load(GOOD | {"WORKER_POSTGRES_DSN": dsn}).postgres_dsn == dsn


def test_a_command_needs_only_what_it_uses() -> None:
    assert load({}, required=()) == Config()
    dsn = {"WORKER_POSTGRES_DSN": GOOD["WORKER_POSTGRES_DSN"]}
    assert load(dsn, required=("postgres_dsn",)).sqs_queue_url == ""


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://user:hunter2@db:5432/events?sslmode=require",
        "postgresql://user:hunt@er2:hunter2@db/events",
        "postgresql://db/events?user=u&password=hunter2&sslmode=require",
        "postgresql:///events?host=/run/pg&PASSWORD=hunter2",
        "postgresql://:hunter2@/events?host=/run/pg",
    ],
)
def test_no_password_is_printed(dsn: str) -> None:
    config = load(GOOD | {"WORKER_POSTGRES_DSN": dsn, "WORKER_ERASURE_KEY": "hunter2" * 8})
    shown: dict[str, Any] = redacted(config)
    # A failure that shows the settings, on a terminal or in a log, must not show more.
    for text in (str(shown), repr(config), str(config.__rich_repr__())):
        assert "hunter2" not in text
    assert shown["postgres_dsn"].startswith("postgresql://")
    assert shown["sqs_queue_url"] == GOOD["WORKER_SQS_QUEUE_URL"]
