"""Redis over TLS, as a user with few rights: what the server must not be able to do."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from gameserver.adapters.redis_store import RedisMatchStore
from gameserver.config import Config
from gameserver.errors import StoreUnavailable
from gameserver.ids import MatchId
from gameserver.metrics import Metrics
from tests.redis_tls import COMMANDS, IN_CLUSTER, WITH_WAIT, TlsRedis, acl

pytestmark = pytest.mark.system


async def acquire(url: str, prefix: str) -> None:
    config = Config(redis_url=url, redis_prefix=prefix)
    async with RedisMatchStore.connect(config, metrics=Metrics()) as store:
        await store.check_server()
        assert await store.acquire(MatchId("m1"), owner="a", lease_ttl_ms=1000) is not None


async def test_the_store_works_over_tls_with_its_own_user(
    redis_tls: TlsRedis, redis_prefix: str
) -> None:
    await acquire(redis_tls.url, redis_prefix)


async def test_a_server_of_an_unknown_authority_is_refused(
    redis_tls: TlsRedis, redis_prefix: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    with pytest.raises(StoreUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        await acquire(redis_tls.url.replace(str(redis_tls.ca_file), str(other)), redis_prefix)


async def test_a_server_of_another_name_is_refused(redis_tls: TlsRedis, redis_prefix: str) -> None:
    with pytest.raises(StoreUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        await acquire(redis_tls.url.replace("127.0.0.1", "localhost"), redis_prefix)


async def test_plain_text_is_refused(redis_tls: TlsRedis, redis_prefix: str) -> None:
    plain = redis_tls.url.replace("rediss://", "redis://").partition("?")[0]
    with pytest.raises(StoreUnavailable):
        await acquire(plain, redis_prefix)


async def test_the_user_reaches_neither_other_keys_nor_other_commands(
    redis_tls: TlsRedis, redis_prefix: str
) -> None:
    async with Redis.from_url(redis_tls.url) as client:
        await client.set(f"{redis_prefix}:one", "1")
        for forbidden in (
            client.set("another:key", "1"),
            client.keys("*"),
            client.flushall(),
            client.config_get("maxmemory"),
            client.publish("another", "word"),
        ):
            with pytest.raises(NoPermissionError):
                await forbidden


def test_the_document_names_the_same_rights() -> None:
    text = (Path(__file__).parents[2] / "docs" / "redis.md").read_text()
    assert acl("gs:") in " ".join(text.split())
    assert " ".join(f"+{command}" for command in IN_CLUSTER.split()) in text
    assert f"`+{WITH_WAIT}`" in text
    assert COMMANDS == " ".join(sorted(COMMANDS.split()))
