"""Settings: read once from ``WORKER_*``, validated at start, printed without secrets.

Every limit of the worker is one field here, with its unit in its name; what happens at the limit
stands beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from persistence_worker.boards import Rules, read_rules
from persistence_worker.errors import ConfigError

PREFIX = "WORKER_"
RETENTION_DAYS_MIN = 30
"""An event may come again for as long as SQS keeps a message, twice that by way of a dead letter:
28 days. What comes later is still counted only once, but it is stored again."""

Port = Annotated[int, Meta(ge=0, le=65_535)]
Text = Annotated[str, Meta(max_length=4096)]


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The worker's settings. ``X`` is read from ``WORKER_X`` in upper case."""

    # The queue that is drained, and where its dead letters go (Amazon SQS, standard queues).
    sqs_queue_url: Text = ""
    sqs_dlq_url: Text = ""
    sqs_endpoint_url: Text = ""  # default: AWS'
    aws_region: Annotated[str, Meta(pattern=r"^[a-z0-9-]{2,32}\Z")] = "eu-central-1"
    sqs_timeout_ms: Annotated[int, Meta(ge=100, le=60_000)] = 5_000  # beyond the long poll's wait

    # PostgreSQL. TLS by the DSN: ?sslmode=verify-full&sslrootcert=/path/ca.pem
    postgres_dsn: Text = ""
    pool_connections_max: Annotated[int, Meta(ge=1, le=100)] = 4  # also batches under way at once
    postgres_timeout_ms: Annotated[int, Meta(ge=100, le=600_000)] = 30_000  # one statement
    postgres_connect_ms: Annotated[int, Meta(ge=100, le=60_000)] = 5_000
    statement_cache: Annotated[int, Meta(ge=0, le=1_000)] = 100  # 0 behind a pooling proxy
    other_postgres_dsn: Text = ""  # for `carry`, from which, and `compare`, with which
    postgres_iam: bool = False  # passwords are tokens of Amazon RDS; needs sslmode=verify-full

    # Where health and metrics are served. Port 0 picks a free one (tests).
    http_host: Text = "0.0.0.0"
    http_port: Port = 8082

    # Metrics for CloudWatch, as lines of the log in its embedded metric format (docs/operate.md).
    emf_namespace: Annotated[str, Meta(pattern=r"^([A-Za-z0-9._/#-]{1,255})?\Z")] = ""  # or none
    emf_interval_s: Annotated[int, Meta(ge=1, le=3_600)] = 60  # from one line to the next

    # Traces that servers begin, by OpenTelemetry (the extra `otel`; docs/operate.md).
    traces_endpoint: Text = ""  # a collector's, for OTLP over HTTP; empty: none

    # Receiving: at the buffer's bounds the receivers wait, and the queue keeps the rest.
    receivers: Annotated[int, Meta(ge=1, le=64)] = 4
    receive_wait_s: Annotated[int, Meta(ge=0, le=20)] = 20  # SQS' long poll
    buffer_messages_max: Annotated[int, Meta(ge=10, le=100_000)] = 1_000
    buffer_bytes_max: Annotated[int, Meta(ge=1_048_576, le=2**33)] = 16_777_216
    visibility_s: Annotated[int, Meta(ge=4, le=43_200)] = 60  # prolonged while a message is held

    # Applying.
    batch_records_max: Annotated[int, Meta(ge=1, le=50_000)] = 10_000  # one message may exceed it
    attempts_max: Annotated[int, Meta(ge=1, le=1_000)] = 5  # unexpected failures; then dead letter

    # Dead letters that are sent back by themselves, or parked, by one worker at a time.
    redrive_every_s: Annotated[int, Meta(ge=0, le=3_600)] = 30  # between two looks; 0 = never
    redrive_per_s: Annotated[int, Meta(ge=1, le=1_000)] = 5  # letters sent back in a second
    redrives_max: Annotated[int, Meta(ge=0, le=100)] = 5  # of one letter; then it is parked
    redrive_first_s: Annotated[int, Meta(ge=1, le=43_200)] = 60  # then four times that, and so on

    # Orders about dead letters that operators give by way of the server.
    orders_every_ms: Annotated[int, Meta(ge=0, le=60_000)] = 1_000  # between two looks; 0 = never

    recordings_kept_days: Annotated[int, Meta(ge=0, le=36_500)] = 30  # then dropped; 0 = never

    watch_s: Annotated[int, Meta(ge=1, le=300)] = 10  # between heartbeats, and looks at the queues

    # Players, ratings and boards. All workers of a database need the same.
    seasons: Text = ""  # name=2026-09-01..2026-12-01,…; default: each month is one
    boards_best: Text = ""  # games whose boards keep the best result instead of the sum

    # Keeping: 0 is for ever. What is dropped with events are only the events themselves.
    retention_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    daily_boards_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    maintain_every_s: Annotated[int, Meta(ge=0, le=86_400)] = 300  # 0: only by the command

    # Sealed fields (AWS KMS) and erased players. Storing events needs no right to any key.
    kms_endpoint_url: Text = ""  # default: AWS'
    kms_key_id: Text = ""  # of `rewrap`: the key under which data keys are wrapped anew
    erasure_key: Annotated[str, Meta(pattern=r"^(.{32,256})?\Z")] = ""  # secret, kept for ever

    drain_ms: Annotated[int, Meta(ge=0, le=600_000)] = 20_000  # then what is left is given back

    log_level: Annotated[str, Meta(pattern=r"^(debug|info|warning|error)\Z")] = "info"

    def __repr__(self) -> str:
        """Without secrets: what is shown in a failure must not tell them."""
        return f"Config({redacted(self)})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [*redacted(self).items()]


QUEUES = ("sqs_queue_url", "sqs_dlq_url")
DATABASE = ("postgres_dsn",)
DATABASES = ("postgres_dsn", "other_postgres_dsn")

_SCHEMES = {
    "sqs_queue_url": ("https", "http"),
    "sqs_dlq_url": ("https", "http"),
    "sqs_endpoint_url": ("https", "http"),
    "kms_endpoint_url": ("https", "http"),
    "traces_endpoint": ("https", "http"),
    "postgres_dsn": ("postgresql", "postgres"),
    "other_postgres_dsn": ("postgresql", "postgres"),
}


def load(environ: Mapping[str, str], *, required: tuple[str, ...] = QUEUES + DATABASE) -> Config:
    """The settings of ``environ``; keys without the prefix are not looked at.

    ``required`` names the fields that the command at hand cannot do without. Raises
    ``ConfigError`` that names the variable, for unknown keys too.
    """
    known = {field.name for field in msgspec.structs.fields(Config)}
    given: dict[str, str] = {}
    for key, text in environ.items():
        if not key.startswith(PREFIX):
            continue
        name = key.removeprefix(PREFIX).lower()
        if name not in known or key != PREFIX + name.upper():
            raise ConfigError(f"{key} is not a setting; see docs/worker.md for all of them")
        given[name] = text
    try:
        config = msgspec.convert(given, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(error)) from None
    _check(config, required)
    return config


def _explain(error: msgspec.ValidationError) -> str:
    """``Expected `int` <= 65535 - at `$.http_port``` → a sentence about ``WORKER_HTTP_PORT``."""
    what, _, where = str(error).partition(" - at `$.")
    return f"{_variable(where.rstrip('`'))}: {what.lower().replace('`', '')}"


def _check(config: Config, required: tuple[str, ...]) -> None:
    need(config, required)
    for name, allowed in _SCHEMES.items():
        value = getattr(config, name)
        if value and not _is_url(value, allowed):
            # The value is not repeated: it may hold a password.
            raise ConfigError(f"{_variable(name)} must be a URL with {' or '.join(allowed)}")
    if config.sqs_queue_url and config.sqs_queue_url == config.sqs_dlq_url:
        raise ConfigError(
            f"{PREFIX}SQS_DLQ_URL is the same as {PREFIX}SQS_QUEUE_URL: "
            "dead letters need a queue of their own"
        )
    if 0 < config.retention_days < RETENTION_DAYS_MIN:
        raise ConfigError(
            f"{PREFIX}RETENTION_DAYS: expected 0 (for ever) or at least {RETENTION_DAYS_MIN}, "
            "because an event may be delivered again for so long"
        )
    rules(config)


def rules(config: Config) -> Rules:
    """Which boards there are. Raises ``ConfigError``."""
    try:
        return read_rules(seasons=config.seasons, best=config.boards_best)
    except ValueError as error:
        raise ConfigError(f"{PREFIX}SEASONS: {error}") from None


def need(config: Config, names: tuple[str, ...]) -> None:
    """Raises ``ConfigError`` unless all of these are set."""
    for name in names:
        if not getattr(config, name):
            raise ConfigError(f"{_variable(name)} is required")


def _is_url(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        # A DSN may name a unix socket by its query, so it needs no host.
        named = bool(parts.netloc or "host=" in parts.query)
        # A DSN may name several hosts. What stands for a port may be a password whose host was
        # forgotten: asking for it raises.
        ports = [urlsplit(f"//{one}").port for one in parts.netloc.rpartition("@")[2].split(",")]
        return parts.scheme in schemes and named and 0 not in ports
    except ValueError:
        return False


def _variable(name: str) -> str:
    return PREFIX + name.upper()


_DSN_USER = re.compile(r"(?<=://)[^/?#]*@")
_DSN_PASSWORD = re.compile(r"(?i)((?:password|passfile)=)[^&]*")


def redacted(config: Config) -> dict[str, Any]:
    """The settings for the log: users and passwords in URLs are cut out, by whatever way given."""
    shown = msgspec.structs.asdict(config)
    for name in _SCHEMES:
        shown[name] = _DSN_PASSWORD.sub(r"\1***", _DSN_USER.sub("***@", shown[name]))
    shown["erasure_key"] = "***" if config.erasure_key else ""
    return shown
