"""Settings: read once from ``GAMESERVER_*``, validated at start, printed without secrets.

Every limit of the server is one field here, with its unit in its name; what happens at the limit
stands beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from gameserver.errors import ConfigError

PREFIX = "GAMESERVER_"

Port = Annotated[int, Meta(ge=0, le=65535)]
Millis = Annotated[int, Meta(ge=1, le=86_400_000)]
Count = Annotated[int, Meta(ge=1, le=10_000_000)]
Natural = Annotated[int, Meta(ge=0, le=1_000_000_000)]  # 0: none
Bytes = Annotated[int, Meta(ge=65_536, le=2**33)]
Address = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._\[\]:-]{1,253}:[0-9]{1,5}\Z")]
Region = Annotated[str, Meta(pattern=r"^[a-z0-9_.-]{0,32}\Z")]
GroupName = Annotated[str, Meta(min_length=1, max_length=128)]
AwsName = Annotated[str, Meta(pattern=r"^([A-Za-z][A-Za-z0-9-]{0,62})?\Z")]
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{0,64}\Z")]
TableName = Annotated[str, Meta(pattern=r"^([A-Za-z0-9_.-]{3,255})?\Z")]
Namespace = Annotated[str, Meta(pattern=r"^([A-Za-z0-9._/#-]{1,255})?\Z")]
EmfInterval = Annotated[int, Meta(ge=1_000, le=3_600_000)]
Text = Annotated[str, Meta(max_length=4096)]
KeyAge = Annotated[int, Meta(ge=20_000, le=86_400_000)]
KeyMessages = Annotated[int, Meta(ge=65_536, le=2**30)]
KeyMib = Annotated[int, Meta(ge=4_096, le=2**24)]


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The server's settings. ``X`` is read from ``GAMESERVER_X`` in upper case."""

    # Where to listen. 0 picks a free port (tests).
    ws_host: Text = "0.0.0.0"
    ws_port: Port = 8080
    http_host: Text = "0.0.0.0"
    http_port: Port = 8081
    tls_cert_file: Text = ""
    tls_key_file: Text = ""
    origins: tuple[Text, ...] = ()  # browsers from elsewhere get 403; empty = no browser at all

    # Who may connect (Amazon Cognito).
    cognito_issuer: Text = ""
    cognito_jwks_url: Text = ""  # default: <issuer>/.well-known/jwks.json
    cognito_client_ids: tuple[Text, ...] = ()
    cognito_endpoint_url: Text = ""  # default: AWS'
    jwks_cooldown_ms: Millis = 30_000  # an unknown `kid` refetches at most this often
    jwks_max_age_ms: Millis = 3_600_000
    token_leeway_ms: Annotated[int, Meta(ge=0, le=60_000)] = 5_000
    ticket_ttl_ms: Millis = 30_000
    revocation_days: Annotated[int, Meta(ge=1, le=3650)] = 30  # the life of your refresh tokens
    admin_group: GroupName = "gameserver-admins"  # its members are operators: /v1/admin

    # HTTP API.
    http_body_bytes_max: Annotated[int, Meta(ge=1024, le=1_048_576)] = 16_384  # over it: 413
    http_timeout_ms: Millis = 10_000  # a request that takes longer: 503
    auth_per_minute: Count = 60  # log-ins and refreshes per address; then 429
    mails_per_minute: Count = 10  # calls that send a code to somebody, per address and per player
    auth_answer_ms: Millis = 500  # answers that could tell who has an account come no sooner
    signup_tells_taken_names: bool = False  # true where names are public anyway
    reads_per_minute: Count = 600  # per player; over it: 429 with Retry-After, as for all of these
    reads_per_address_per_minute: Count = 6_000
    writes_per_minute: Count = 120  # per player
    writes_per_address_per_minute: Count = 1_200
    idempotency_ttl_ms: Millis = 86_400_000  # answers to calls with an Idempotency-Key are kept
    audit_entries_max: Count = 10_000  # operators' calls kept in Redis; over it: the oldest go
    operations_per_minute: Count = 600  # /v1/admin, per operator and per address
    proxies_trusted: Annotated[int, Meta(ge=0, le=8)] = 0  # load balancers in front (ALB: 1)
    http_address_header: HeaderName = ""  # names the caller; what is in front sets it, always

    # Where state lives.
    redis_url: Text = "redis://127.0.0.1:6379/0"
    redis_cluster: bool = False  # the URL names one server of a Redis Cluster
    redis_cluster_seeds: tuple[Address, ...] = ()  # host:port of others, for when that one is away
    redis_prefix: Annotated[str, Meta(pattern=r"^[a-z0-9:_-]{1,32}\Z")] = "gs"
    redis_timeout_ms: Millis = 1_000
    redis_wait_replicas: Annotated[int, Meta(ge=0, le=5)] = 0  # fewer have a commit: sent again
    redis_wait_ms: Millis = 250  # how long they may take; at most a third of REDIS_TIMEOUT_MS
    redis_iam: bool = False  # log in to ElastiCache by IAM instead of a password; needs rediss://
    redis_iam_cache: AwsName = ""  # the replication group's or the serverless cache's name
    redis_iam_user: AwsName = ""  # the ElastiCache user's id, which is its name as well
    redis_iam_serverless: bool = False  # the cache is a serverless one
    postgres_dsn: Text = ""  # history, boards (404 if empty) and ratings; read only
    postgres_connections_max: Annotated[int, Meta(ge=1, le=100)] = 4  # over it: wait, then 503
    postgres_timeout_ms: Millis = 2_000  # a statement or a connection takes longer: 503
    boards_ttl_ms: Millis = 2_000  # leaderboards are cached for so long
    sqs_queue_url: Text = ""
    sqs_endpoint_url: Text = ""  # default: AWS'
    aws_region: Annotated[str, Meta(pattern=r"^[a-z0-9-]{2,32}\Z")] = "eu-central-1"

    # Encryption of what tells of a person (AWS KMS).
    kms_key_id: Text = ""  # id, ARN or alias; required unless plaintext_at_rest
    kms_endpoint_url: Text = ""  # default: AWS'
    plaintext_at_rest: bool = False  # true: names and chat lie readable in Redis, SQS, PostgreSQL
    data_key_age_ms: KeyAge = 3_600_000  # half of any of these three: another key is asked for
    data_key_messages_max: KeyMessages = 16_777_216  # all of it and no other key: matches pause
    data_key_mib_max: KeyMib = 65_536

    # Profiles and records of sessions in DynamoDB (docs/profiles.md).
    profiles_table: TableName = ""  # empty: no profiles
    sessions_table: TableName = ""  # empty: sessions are not recorded
    dynamodb_endpoint_url: Text = ""  # default: AWS'
    dynamodb_timeout_ms: Millis = 3_000  # a call with its retries; then it has failed
    profile_ttl_ms: Millis = 300_000  # a cached profile is read anew after
    session_records_max: Count = 10_000  # sessions waiting to be recorded; then new ones are not

    # Players wherever they are connected (docs/players.md).
    session_policy: Annotated[str, Meta(pattern=r"^(newest|refuse|many)\Z")] = "newest"
    session_lease_ms: Annotated[int, Meta(ge=3_000, le=3_600_000)] = 60_000  # outlives its node
    notifications_per_minute: Count = 120  # told to a player; over it: dropped
    friends_table: TableName = ""  # in DynamoDB; empty: no friends
    friends_max: Count = 200  # of a player; over it: 409
    friend_requests_max: Count = 100  # made by a player, and made to one; over it: 409
    blocks_max: Count = 200  # of a player; over it: 409

    # Parties (docs/parties.md), and ratings for matchmaking (docs/matchmaking.md).
    party_size_max: Annotated[int, Meta(ge=2, le=16)] = 8  # over it: refused
    party_invite_ms: Millis = 120_000  # so long an invite may be accepted
    party_away_ms: Annotated[int, Meta(ge=10_000, le=86_400_000)] = 600_000  # unseen: left
    ratings_ttl_ms: Millis = 60_000  # a cached rating is read anew after
    ratings_wait_ms: Annotated[int, Meta(ge=1, le=5_000)] = 200  # then a player is a newcomer

    # The cache over Redis (docs/cache.md).
    cache_near_entries_max: Natural = 10_000  # copies in a node; then the least recently used goes
    cache_near_bytes_max: Natural = 33_554_432  # of all copies; the same
    cache_near_ttl_ms: Millis = 60_000  # older copies are read from Redis again
    cache_value_bytes_max: Annotated[int, Meta(ge=64, le=16_777_216)] = 262_144  # over it: not kept
    cache_ttl_max_ms: Millis = 3_600_000  # longer lives are cut to it
    cache_ttl_jitter_percent: Annotated[int, Meta(ge=0, le=50)] = 10  # lives end so much earlier
    cache_load_ms: Millis = 5_000  # a load that takes longer fails
    cache_loads_max: Count = 64  # at once; further ones wait, within the load's time
    cache_wait_ms: Millis = 1_000  # for a load of another node; then it is loaded here too
    # What is played: bundled and installed games by name, or "module:Class".
    games: tuple[Text, ...] = ("arena", "liars_dice", "echo")
    region: Region = ""  # where this node stands, as matchmaking rules name it

    # Connections.
    sessions_max: Count = 10_000  # over it: 503 with Retry-After
    connects_per_ip_per_s: Count = 200  # over it: 503 with Retry-After
    unauthenticated_max: Count = 1_000  # sockets that have not finished the handshake; then 503
    handshake_ms: Millis = 5_000  # slower: closed
    header_bytes_max: Annotated[int, Meta(ge=1024, le=65_536)] = 16_384  # over it: 431
    ping_ms: Millis = 20_000  # server ping; no sign of life for two of them: closed IDLE
    payload_bytes_max: Annotated[int, Meta(ge=64, le=1_048_576)] = 16_384  # over it: closed 1009
    messages_per_s: Count = 80  # over it: dropped with Error
    messages_burst: Count = 160
    bad_messages_max: Count = 20  # dropped or refused messages a minute; then closed
    reliable_queue_max: Count = 64  # reliable messages waiting: closed SLOW_CONSUMER, resumable
    buffer_bytes_high: Annotated[int, Meta(ge=1024)] = 65_536  # above: no snapshots to this socket

    # Matches.
    matches_max: Count = 5_000  # over it: Error server_full
    hosted_matches_max: Count = 5  # that one player has created and are open, on a node; then 422
    inputs_per_tick_max: Count = 16  # per player; over it: the newest is dropped with Error
    ticks_behind_max: Count = 3  # further behind: time is skipped and counted
    grace_ms: Millis = 30_000  # a disconnected player's seat is kept this long
    empty_match_ms: Millis = 10_000  # a match without players ends as `abandoned`
    spectators_max: Natural = 100  # per match, without a seat; over it: Error match_full
    spectate_bytes_max: Bytes = 4_194_304  # per match, views held back for them; then every other
    chat_chars_max: Annotated[int, Meta(ge=1, le=1_000)] = 200  # per line; over it: refused
    chat_lines_max: Count = 5  # per player within the window; over it: refused
    chat_window_ms: Millis = 10_000
    chat_history_max: Natural = 50  # newest lines of a match, for who comes; older ones are gone
    chat_muted_max: Count = 64  # whom a player mutes in a match; over it: refused
    chat_moderator: Text = ""  # "module:attr" that judges lines; empty: all are let through
    chat_moderator_ms: Millis = 500  # an answer that takes longer is a failure
    chat_moderator_fails: Annotated[str, Meta(pattern=r"^(refuse|allow)\Z")] = "refuse"  # then
    lease_ttl_ms: Annotated[int, Meta(ge=500, le=60_000)] = 2_000
    checkpoint_interval_ms: Millis = 1_000
    uncommitted_events_max: Count = 512  # per match: it pauses until they are committed
    outbox_events_max: Count = 5_000  # per match, committed but not relayed: it pauses
    outbox_bytes_max: Bytes = 16_777_216  # likewise
    recording: bool = True  # false: new matches are not recorded, whatever their game wants
    recording_bytes_max: Bytes = 1_048_576  # per match, recorded but not committed: it pauses
    resume_events_max: Count = 256  # reliable messages kept for an exact resume; older: resync

    # Replays, for people to watch through the HTTP API.
    recordings_dsn: Text = ""  # the worker's PostgreSQL, for reading; empty = no replays here
    replay_bytes_max: Bytes = 33_554_432  # of a recording, as stored; over it: 422
    replay_ticks_max: Count = 100_000  # likewise
    replay_ms: Millis = 120_000  # a replay that takes longer to stream is cut off

    # Ending.
    drain_ms: Millis = 20_000  # after it the process ends anyway

    # On Amazon ECS, where the container agent sets both by the names in brackets.
    ecs_metadata_uri: Text = ""  # [ECS_CONTAINER_METADATA_URI_V4]; empty: not on ECS
    ecs_agent_uri: Text = ""  # [ECS_AGENT_URI]; empty: no scale-in protection
    ecs_poll_ms: Millis = 2_000  # how often the task's wished state is looked at

    # Metrics for CloudWatch, as lines of the log in its embedded metric format (docs/operate.md).
    emf_namespace: Namespace = ""  # empty: none
    emf_interval_ms: EmfInterval = 60_000  # from one line to the next

    # Traces, by OpenTelemetry (the extra `otel`; docs/operate.md).
    traces_endpoint: Text = ""  # a collector's, for OTLP over HTTP; empty: none
    traces_per_10000: Annotated[int, Meta(ge=0, le=10_000)] = 100  # of so many connects

    # Logs.
    log_level: Annotated[str, Meta(pattern=r"^(debug|info|warning|error)\Z")] = "info"

    def __repr__(self) -> str:
        """Without passwords: what is shown in a failure must not tell them."""
        return f"Config({redacted(self)})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [*redacted(self).items()]


_PASSWORD = re.compile(r"(?i)((?:password|passfile)=)[^&]*")
_USER = re.compile(r"(?<=://)[^/?#]*@")
_OF_ECS = {
    "ECS_CONTAINER_METADATA_URI_V4": "ecs_metadata_uri",
    "ECS_AGENT_URI": "ecs_agent_uri",
}


def load(environ: Mapping[str, str]) -> Config:
    """The settings of ``environ``, complete; keys without the prefix are not looked at.

    Raises ``ConfigError`` that names the variable, for unknown keys too.
    """
    config = read(environ)
    _check(config)
    return config


def read(environ: Mapping[str, str]) -> Config:
    """As ``load``, for a command that serves nobody: what serving needs may be missing."""
    fields: dict[str, msgspec.structs.FieldInfo] = {
        field.name: field for field in msgspec.structs.fields(Config)
    }
    given: dict[str, Any] = {
        name: environ[key] for key, name in _OF_ECS.items() if environ.get(key)
    }
    for key, text in environ.items():
        if not key.startswith(PREFIX):
            continue
        name = key.removeprefix(PREFIX).lower()
        if name not in fields:
            raise ConfigError(f"{key} is not a setting; see docs/configuration.md for all of them")
        default = fields[name].default
        given[name] = (
            tuple(part.strip() for part in text.split(",") if part.strip())
            if isinstance(default, tuple)
            else text
        )
    try:
        return msgspec.convert(given, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(error)) from None


def _explain(error: msgspec.ValidationError) -> str:
    """``Expected `int` <= 65535 - at `$.ws_port``` → a sentence about ``GAMESERVER_WS_PORT``."""
    what, _, where = str(error).partition(" - at `$.")
    name = where.rstrip("`").partition("[")[0]
    return f"{PREFIX}{name.upper()}: {what.lower().replace('`', '')}"


def _check(config: Config) -> None:
    for name in ("cognito_issuer", "sqs_queue_url"):
        if not getattr(config, name):
            raise ConfigError(f"{PREFIX}{name.upper()} is required")
    if not config.cognito_client_ids:
        raise ConfigError(
            f"{PREFIX}COGNITO_CLIENT_IDS is required: the app clients whose tokens are accepted"
        )
    if bool(config.kms_key_id) == config.plaintext_at_rest:
        raise ConfigError(
            f"{PREFIX}KMS_KEY_ID is required: the key that encrypts players' names, chat and "
            f"checkpoints; or say {PREFIX}PLAINTEXT_AT_REST=true, and they are not encrypted"
        )
    if not config.games:
        raise ConfigError(f"{PREFIX}GAMES is empty: name at least one game")
    if bool(config.tls_cert_file) != bool(config.tls_key_file):
        raise ConfigError(f"{PREFIX}TLS_CERT_FILE and {PREFIX}TLS_KEY_FILE go together")
    if config.redis_timeout_ms >= config.lease_ttl_ms:
        raise ConfigError(
            f"{PREFIX}REDIS_TIMEOUT_MS must be below {PREFIX}LEASE_TTL_MS: "
            "a renewal that times out must not outlast the lease"
        )
    if config.redis_wait_replicas and 3 * config.redis_wait_ms > config.redis_timeout_ms:
        raise ConfigError(
            f"{PREFIX}REDIS_WAIT_MS must be at most a third of {PREFIX}REDIS_TIMEOUT_MS: "
            "a commit has to be written and to wait within it"
        )
    _check_iam(config)
    if config.auth_answer_ms >= config.http_timeout_ms:
        raise ConfigError(
            f"{PREFIX}AUTH_ANSWER_MS must be below {PREFIX}HTTP_TIMEOUT_MS: it is waited for"
        )
    schemes = {
        "redis_url": ("redis", "rediss"),
        "postgres_dsn": ("postgres", "postgresql"),
        "cognito_issuer": ("https", "http"),
        "cognito_jwks_url": ("https", "http"),
        "cognito_endpoint_url": ("https", "http"),
        "sqs_endpoint_url": ("https", "http"),
        "sqs_queue_url": ("https", "http"),
        "dynamodb_endpoint_url": ("https", "http"),
        "kms_endpoint_url": ("https", "http"),
        "recordings_dsn": ("postgresql", "postgres"),
        "traces_endpoint": ("http", "https"),
        "ecs_metadata_uri": ("http",),
        "ecs_agent_uri": ("http",),
    }
    for name, allowed in schemes.items():
        value = getattr(config, name)
        if value and not _is_url(value, allowed):
            raise ConfigError(f"{PREFIX}{name.upper()} must be a URL with {' or '.join(allowed)}")


def _is_url(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        # A DSN may name a unix socket by its query, so it needs no host.
        named = bool(parts.hostname) or (bool(parts.netloc) and "postgres" in schemes)
        hosts = parts.netloc.rpartition("@")[2]
        # A DSN may name several. What stands for a port may be a password whose host was forgotten:
        # asking for it raises.
        ports = [urlsplit(f"//{one}").port for one in hosts.split(",")]
        return parts.scheme in schemes and named and 0 not in ports
    except ValueError:
        return False


def _check_iam(config: Config) -> None:
    given = [name for name in ("cache", "user") if getattr(config, f"redis_iam_{name}")]
    if not config.redis_iam:
        if given or config.redis_iam_serverless:
            raise ConfigError(f"{PREFIX}REDIS_IAM_* are given, but {PREFIX}REDIS_IAM is not true")
        return
    for name in ("cache", "user"):
        if name not in given:
            raise ConfigError(f"{PREFIX}REDIS_IAM_{name.upper()} is required with REDIS_IAM")
    url = urlsplit(config.redis_url)
    if url.scheme != "rediss":
        raise ConfigError(
            f"{PREFIX}REDIS_URL must begin with rediss:// where {PREFIX}REDIS_IAM is true: "
            "ElastiCache takes IAM tokens over TLS only"
        )
    if url.username or url.password:
        raise ConfigError(
            f"{PREFIX}REDIS_URL must name neither user nor password where {PREFIX}REDIS_IAM is "
            f"true: the user is {PREFIX}REDIS_IAM_USER"
        )


def redacted(config: Config) -> dict[str, Any]:
    """The settings for the log: users and passwords are cut out of all URLs."""
    shown = msgspec.structs.asdict(config)
    for name, value in shown.items():
        if isinstance(value, str) and "://" in value:
            shown[name] = _PASSWORD.sub(r"\1***", _USER.sub("***@", value))
    return shown
