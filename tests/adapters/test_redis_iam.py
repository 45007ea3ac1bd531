"""ElastiCache's IAM authentication: tokens, and connections that are made anew. The server is a
redis-server whose user has the newest tokens, and no others, as passwords."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

import botocore.auth
import pytest
from aiobotocore.session import AioSession
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.hooks import HierarchicalEmitter
from botocore.model import ServiceId
from botocore.signers import RequestSigner
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from gameserver.adapters import redis_client, redis_connection, redis_iam
from gameserver.adapters.redis_iam import IamTokens, sign
from gameserver.adapters.redis_store import RedisMatchStore
from gameserver.config import Config
from gameserver.errors import StoreUnavailable
from gameserver.ids import MatchId
from gameserver.metrics import Metrics
from gameserver.ports import Outcome
from tests.adapters.ws_peer import until as heard_until
from tests.conftest import REDIS_PREFIX
from tests.contract.test_match_store import PATIENT_MS, acquire, commit, until
from tests.contract.test_node_bus import redis_node
from tests.redis_cluster import RedisCluster
from tests.redis_tls import TlsRedis, acl

NOW = datetime.datetime(2026, 5, 4, 3, 2, 1, tzinfo=datetime.UTC)
SECRET = "a-secret/key"
CREDENTIALS = ReadOnlyCredentials("AKIDEXAMPLE", SECRET, None)
TEMPORARY = ReadOnlyCredentials("ASIDEXAMPLE", SECRET, "a/session+token=")
RENEWALS = 4
MATCHES = [MatchId(f"m{number}") for number in range(12)]


def config(**settings: Any) -> Config:
    given = {"redis_iam": True, "redis_iam_cache": "arena-1", "redis_iam_user": "player-one"}
    return Config(**{**given, **settings})


# ── the token ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: NOW)


def verify(token: str, secret: str) -> None:
    """As AWS does it: the canonical request made again from what the token says of itself."""
    host, _, query = token.partition("/?")
    signed, _, signature = query.partition("&X-Amz-Signature=")
    fields = {name: values[0] for name, values in parse_qs(signed, strict_parsing=True).items()}
    canonical = "&".join(
        f"{quote(name, safe='-_.~')}={quote(fields[name], safe='-_.~')}" for name in sorted(fields)
    )
    empty = hashlib.sha256(b"").hexdigest()
    request = "\n".join(("GET", "/", canonical, f"host:{host}\n", "host", empty))
    scope = fields["X-Amz-Credential"].split("/", 1)[1]
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", fields["X-Amz-Date"], scope, digest))
    key = b"AWS4" + secret.encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    assert signature == key.hex()


@pytest.mark.parametrize("serverless", [False, True])
@pytest.mark.parametrize("credentials", [CREDENTIALS, TEMPORARY])
def test_a_token_is_a_signed_request_without_its_scheme(
    stopped_clock: None, credentials: ReadOnlyCredentials, serverless: bool
) -> None:
    token = sign(config(redis_iam_cache="Arena-1", redis_iam_serverless=serverless), credentials)
    host, _, query = token.partition("/?")
    assert host == "arena-1"
    fields = parse_qs(query, strict_parsing=True)
    assert len(fields.pop("X-Amz-Signature")[0]) == 64
    scope = "20260504/eu-central-1/elasticache/aws4_request"
    expected = {
        "Action": "connect",
        "User": "player-one",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": "20260504T030201Z",
        "X-Amz-Expires": "900",
        "X-Amz-SignedHeaders": "host",
    }
    if serverless:
        expected["ResourceType"] = "ServerlessCache"
    if credentials.token:
        expected["X-Amz-Security-Token"] = credentials.token
    assert fields == {name: [value] for name, value in expected.items()}
    verify(token, SECRET)


def test_the_signer_of_botocore_says_the_same(stopped_clock: None) -> None:
    # The signer keeps no hold of these two.
    credentials = Credentials(TEMPORARY.access_key, SECRET, TEMPORARY.token)
    emitter = HierarchicalEmitter()
    signer = RequestSigner(
        ServiceId("elasticache"),
        "eu-central-1",
        "elasticache",
        "v4",
        credentials,
        emitter,
    )
    query = urlencode({"Action": "connect", "User": "player-one"})
    request = {
        "method": "GET",
        "url": f"https://arena-1/?{query}",
        "body": {},
        "headers": {},
        "context": {},
    }
    url = signer.generate_presigned_url(request, operation_name="connect", expires_in=900)
    assert sign(config(), TEMPORARY) == url.removeprefix("https://")


class Source:
    """Stands for where credentials come from: answers when it is allowed to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.error: Exception | None = None
        source = self

        async def get_credentials(_: AioSession) -> Any:
            source.asked += 1
            await source.open.wait()
            if source.error is not None:
                raise source.error
            return source

        monkeypatch.setattr(AioSession, "get_credentials", get_credentials)

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return CREDENTIALS


async def test_many_connections_ask_for_one_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the first of them gives up; and a token is used for a while."""
    source = Source(monkeypatch)
    tokens = IamTokens(config())
    asking = [asyncio.create_task(tokens.get_credentials_async()) for _ in range(8)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert source.asked == 1
    asking.pop(0).cancel()
    source.open.set()
    assert len({await each for each in asking}) == 1
    user, token = await tokens.get_credentials_async()
    assert (user, source.asked) == ("player-one", 1)
    verify(token, SECRET)
    monkeypatch.setattr(tokens, "_fresh_until", 0.0)
    await tokens.get_credentials_async()
    assert source.asked == 2


async def test_without_credentials_a_connection_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(monkeypatch)
    source.open.set()
    tokens = IamTokens(config())
    for error in (OSError("no route"), RuntimeError("odd")):
        source.error = error
        with pytest.raises(RedisConnectionError, match=f"no IAM token: .*{error}"):
            await tokens.get_credentials_async()
    assert not tokens.ready(), "the next attempt has to wait"
    assert source.asked == 2
    source.error = None
    assert (await tokens.get_credentials_async())[0] == "player-one"
    assert tokens.ready()


async def test_a_token_outlasts_credentials_that_are_away(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(monkeypatch)
    source.open.set()
    tokens = IamTokens(config())
    token = await tokens.get_credentials_async()
    source.error = OSError("no route")
    monkeypatch.setattr(tokens, "_fresh_until", 0.0)
    assert await tokens.get_credentials_async() == token
    assert not tokens.ready(), "it is no reason to make a connection anew"
    monkeypatch.setattr(tokens, "_lasts_until", 0.0)
    with pytest.raises(RedisConnectionError, match="no route"):
        await tokens.get_credentials_async()
    assert source.asked == 3


# ── connections ──────────────────────────────────────────────────────────────────────────────────


class Servers:
    """Redis servers as ElastiCache: they take the two newest tokens of each user.
    ``admins`` stay connected, because tokens are made in the loop: making a TLS connection for each
    would hold it up for longer than a token is fresh here."""

    def __init__(self, admins: Sequence[SyncRedis], **settings: Any) -> None:
        self._admins = admins
        self._settings = settings
        self.tokens: dict[str, list[str]] = {}
        self._seen: dict[str, set[str]] = {}

    def config(self, user: str, **settings: Any) -> Config:
        rules = acl(REDIS_PREFIX, cluster=bool(self._settings.get("redis_cluster"))).split()
        self.command("ACL", "SETUSER", user, "reset", "on", *rules)
        self.tokens[user] = []
        return config(redis_iam_user=user, **self._settings, **settings)

    def command(self, *words: str) -> list[Any]:
        return [admin.execute_command(*words) for admin in self._admins]

    def sign(self, config: Config, credentials: ReadOnlyCredentials) -> str:
        """In the place of ``redis_iam.sign``: the servers learn of the token."""
        token, user = sign(config, credentials), config.redis_iam_user
        known = self.tokens[user]
        if token not in known:
            known.append(token)
            newest = [f">{each}" for each in known[-2:]]
            self.command("ACL", "SETUSER", user, "resetpass", *newest)
        return token

    def connections(self, user: str) -> set[str]:
        """All of the user's that were ever seen here."""
        seen = self._seen.setdefault(user, set())
        for place, clients in enumerate(self.command("CLIENT", "LIST")):
            for client in _clients(clients):
                if client["user"] == user:
                    seen.add(f"{place}/{client['id']}")
        return seen


def _clients(answer: Any) -> list[dict[str, str]]:
    if isinstance(answer, list):
        return answer
    return [dict(field.split("=", 1) for field in line.split()) for line in answer.splitlines()]


@pytest.fixture(
    params=[
        pytest.param("redis_tls", marks=pytest.mark.system),
        pytest.param("redis_cluster_tls", marks=pytest.mark.system),
    ]
)
def servers(
    request: pytest.FixtureRequest, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Servers]:
    """With tokens and connections that age in a fraction of a second."""
    service: TlsRedis | RedisCluster = request.getfixturevalue(request.param)
    one = isinstance(service, TlsRedis)
    members = [service] if isinstance(service, TlsRedis) else service.members
    admins = [member.admin() for member in members]
    made = Servers(
        admins,
        redis_url=f"rediss://{service.address}",
        redis_cluster=not one,
        redis_prefix=redis_prefix,
        redis_timeout_ms=PATIENT_MS,
    )
    monkeypatch.setattr(redis_iam, "sign", made.sign)
    monkeypatch.setattr(redis_iam, "TOKEN_KEPT_S", 0.3)
    monkeypatch.setattr(redis_iam, "TOKEN_RETRY_S", 0.05)
    monkeypatch.setattr(redis_connection, "RENEWED_FROM_S", 0.2)
    monkeypatch.setattr(redis_connection, "RENEWED_UNTIL_S", 0.6)
    yield made
    for admin in admins:
        admin.close()


class Committer:
    """Commits without a pause; every one has to succeed."""

    def __init__(self, store: RedisMatchStore) -> None:
        self._store = store
        self._fences: dict[MatchId, int] = {}
        self.version = 0

    async def commit(self) -> None:
        self.version += 1
        for match_id in MATCHES:
            if match_id not in self._fences:
                self._fences[match_id] = (await acquire(self._store, match_id)).fence
        commits = [
            commit(fence, self.version, self.version, match_id=match_id)
            for match_id, fence in self._fences.items()
        ]
        outcomes = await self._store.commit(commits, lease_ttl_ms=60_000)
        assert set(outcomes) == {Outcome.COMMITTED}

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                for _ in range(5):
                    await self.commit()
                    await asyncio.sleep(0.005)


async def test_connections_are_made_anew_and_no_commit_fails(servers: Servers) -> None:
    metrics = Metrics()
    async with RedisMatchStore.connect(servers.config("a"), metrics=metrics) as store:
        committer = Committer(store)
        await committer.commit()
        first = len(servers.connections("a"))
        await committer.until(lambda: len(servers.connections("a")) >= RENEWALS * first)
        await committer.until(lambda: len(servers.tokens["a"]) >= RENEWALS)
        assert metrics.store_errors == 0


async def test_a_connection_that_the_server_ends_comes_back_with_a_fresh_token(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_connection, "RENEWED_FROM_S", 3600.0)
    monkeypatch.setattr(redis_connection, "RENEWED_UNTIL_S", 3600.0)
    async with RedisMatchStore.connect(servers.config("a"), metrics=Metrics()) as store:
        committer = Committer(store)
        await committer.commit()
        await asyncio.sleep(1.1)  # The next token says another second.
        before = list(servers.tokens["a"])
        servers.command("ACL", "SETUSER", "a", "resetpass")
        servers.command("CLIENT", "KILL", "USER", "a")

        async def committed() -> bool:
            try:
                await committer.commit()
            except StoreUnavailable:
                committer.version -= 1
                return False
            return True

        await until(committed)
        assert servers.tokens["a"] != before


async def test_without_credentials_connections_are_kept_as_long_as_they_live(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    async with RedisMatchStore.connect(servers.config("a"), metrics=metrics) as store:
        committer = Committer(store)
        await committer.commit()
        with monkeypatch.context() as patched:
            source = Source(patched)
            source.error = OSError("the role is away")
            source.open.set()
            await committer.until(lambda: source.asked >= RENEWALS)
            kept = len(servers.connections("a"))
            until = committer.version + 50
            await committer.until(lambda: committer.version >= until)
            assert len(servers.connections("a")) == kept
        await committer.until(lambda: len(servers.connections("a")) > kept)
        assert metrics.store_errors == 0


@pytest.mark.system
async def test_a_call_that_gives_up_leaves_no_connection_without_a_login(
    redis_tls: TlsRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(monkeypatch)
    given = config(redis_url=f"rediss://{redis_tls.address}")
    client = redis_client.connect(given, name="t", connections_max=1)
    assert isinstance(client, Redis)
    calling = asyncio.create_task(client.get("t"))
    await heard_until(lambda: source.asked == 1)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert [each.is_connected for each in client.connection_pool._available_connections] == [False]
    source.open.set()
    await client.aclose()


async def test_the_connection_that_hears_is_replaced_without_a_loss(servers: Servers) -> None:
    async with AsyncExitStack() as stack:
        a, _ = await redis_node(servers.config("a"), "a")
        stack.push_async_exit(a.__aexit__)
        b, at_b = await redis_node(servers.config("b"), "b")
        stack.push_async_exit(b.__aexit__)
        sent = 0
        async with asyncio.timeout(60):
            # In a thread: it takes so long that the connections' time limits would run out.
            while len(await asyncio.to_thread(servers.connections, "b")) < 2 * RENEWALS:
                for _ in range(200):
                    a.send("b", b"%d" % sent)
                    sent += 1
                    await asyncio.sleep(0.0005)
        await heard_until(lambda: len(at_b.heard) >= sent)
        assert at_b.heard == [("a", b"%d" % number) for number in range(sent)]
        assert at_b.interruptions == []


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    yield
    others: set[asyncio.Task[Any]] = asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]
    assert not [task for task in others if "IamTokens" in str(task)]
