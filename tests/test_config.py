"""Settings: what is taken, what is refused, and that the answer names the variable."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from gameserver.config import PREFIX, Config, load, redacted
from gameserver.errors import ConfigError
from gameserver.ports import Credentials

DOCS = Path(__file__).parent.parent / "docs"

GOOD = {
    "GAMESERVER_COGNITO_ISSUER": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_x",
    "GAMESERVER_COGNITO_CLIENT_IDS": "one, two",
    "GAMESERVER_SQS_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/1/events",
    "GAMESERVER_KMS_KEY_ID": "alias/players",
}


def test_defaults_and_lists() -> None:
    config = load({**GOOD, "PATH": "/bin", "OTHER": "x"})
    assert config.cognito_client_ids == ("one", "two")
    assert config.ws_port == 8080
    assert config.games == ("arena", "liars_dice", "echo")


BAD = [
    ("WS_PORT", "eighty", "WS_PORT"),
    ("WS_PORT", "65536", "WS_PORT"),
    ("WS_PORT", "-1", "WS_PORT"),
    ("WS_PORTS", "1", "WS_PORTS is not a setting"),
    ("LEASE_TTL_MS", "10", "LEASE_TTL_MS"),
    ("REDIS_TIMEOUT_MS", "3000", "REDIS_TIMEOUT_MS must be below"),
    ("AUTH_ANSWER_MS", "10000", "AUTH_ANSWER_MS must be below"),
    ("REDIS_URL", "localhost:6379", "REDIS_URL must be a URL with redis or rediss"),
    ("REDIS_PREFIX", "Ä", "REDIS_PREFIX"),
    ("COGNITO_ISSUER", "", "COGNITO_ISSUER is required"),
    ("COGNITO_ISSUER", "cognito", "COGNITO_ISSUER must be a URL"),
    ("COGNITO_CLIENT_IDS", " , ", "COGNITO_CLIENT_IDS is required"),
    ("SQS_QUEUE_URL", "", "SQS_QUEUE_URL is required"),
    ("KMS_KEY_ID", "", "KMS_KEY_ID is required"),
    ("PLAINTEXT_AT_REST", "true", "KMS_KEY_ID is required"),
    ("DATA_KEY_AGE_MS", "1000", "DATA_KEY_AGE_MS"),
    ("GAMES", "", "GAMES is empty"),
    ("TLS_CERT_FILE", "/cert.pem", "go together"),
    ("LOG_LEVEL", "loud", "LOG_LEVEL"),
    ("PAYLOAD_BYTES_MAX", "0", "PAYLOAD_BYTES_MAX"),
    ("SESSIONS_MAX", "1e9", "SESSIONS_MAX"),
    ("PING_MS", "", "PING_MS"),
]


IAM = {
    "REDIS_URL": "rediss://master.arena.cache.amazonaws.com:6379/0",
    "REDIS_IAM": "true",
    "REDIS_IAM_CACHE": "arena",
    "REDIS_IAM_USER": "gameserver",
}
BAD_TOGETHER = [
    (IAM | {"REDIS_URL": "redis://one:6379/0"}, "REDIS_URL must begin with rediss://"),
    (IAM | {"REDIS_URL": "rediss://u:p@one:6379/0"}, "neither user nor password"),
    (IAM | {"REDIS_IAM_CACHE": ""}, "REDIS_IAM_CACHE is required"),
    (IAM | {"REDIS_IAM_USER": ""}, "REDIS_IAM_USER is required"),
    (IAM | {"REDIS_IAM_CACHE": "arena.cache.amazonaws.com"}, "REDIS_IAM_CACHE"),
    (IAM | {"REDIS_IAM": "false"}, "REDIS_IAM is not true"),
    ({"REDIS_IAM_SERVERLESS": "true"}, "REDIS_IAM is not true"),
    ({"REDIS_WAIT_REPLICAS": "6"}, "REDIS_WAIT_REPLICAS"),
    ({"REDIS_WAIT_REPLICAS": "1", "REDIS_WAIT_MS": "334"}, "REDIS_WAIT_MS must be at most a third"),
]


@pytest.mark.parametrize(("settings", "said"), BAD_TOGETHER)
def test_settings_that_do_not_go_together_are_named(settings: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        load({**GOOD, **{PREFIX + name: value for name, value in settings.items()}})


def test_settings_of_redis_that_go_together() -> None:
    config = load({**GOOD, **{PREFIX + name: value for name, value in IAM.items()}})
    assert (config.redis_iam, config.redis_iam_serverless) == (True, False)
    assert load({**GOOD, PREFIX + "REDIS_WAIT_MS": "900"}).redis_wait_replicas == 0


@pytest.mark.parametrize(("name", "value", "said"), BAD)
def test_a_wrong_setting_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        load({**GOOD, PREFIX + name: value})


def test_passwords_are_not_shown() -> None:
    config = load(
        {
            **GOOD,
            "GAMESERVER_REDIS_URL": "rediss://user:hunter2@cache:6379/0",
            "GAMESERVER_TRACES_ENDPOINT": "https://user:hunter2@collector:4318",
            "GAMESERVER_POSTGRES_DSN": "postgresql://db/x?user=u&password=hunter2",
        }
    )
    shown = msgspec.json.encode(redacted(config)).decode()
    assert "rediss://***@cache:6379/0" in shown
    # A failure that shows the settings, on a terminal or in a log, must not show more.
    for text in (shown, repr(config), str(config), str(config.__rich_repr__())):
        assert "hunter2" not in text


def test_a_credential_is_not_shown_with_the_handshake_that_it_came_in() -> None:
    assert repr(Credentials(token="hunter2", client="c")) == "Credentials(token, client='c')"
    assert repr(Credentials(ticket="hunter2")) == "Credentials(ticket, client='')"
    assert repr(Credentials()) == "Credentials(none, client='')"


def test_every_setting_is_in_the_documentation() -> None:
    page = (DOCS / "configuration.md").read_text()
    documented = set(re.findall(rf"`{PREFIX}([A-Z0-9_]+)`", page))
    fields = {field.name.upper() for field in msgspec.structs.fields(Config)}
    assert documented == fields


def test_the_documentation_is_the_one_generated_from_the_settings() -> None:
    written = (DOCS / "configuration.md").read_text()
    made = subprocess.run(
        [sys.executable, "-c", "from docs.generate_configuration import render; print(render())"],
        cwd=DOCS.parent,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.rstrip()
    assert written.rstrip() == made, "run `python -m docs.generate_configuration`"
