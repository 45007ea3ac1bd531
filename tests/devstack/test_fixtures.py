"""The fixtures that all other tests stand on."""

from __future__ import annotations

import asyncpg
import jwt
import pytest
import redis.asyncio as redis
from aiobotocore.session import get_session

from gameserver.config import Config
from tests.conftest import needs_system


async def test_valkey_is_a_recent_one(valkey_url, redis_prefix):
    client = redis.from_url(valkey_url)
    try:
        await client.set(f"{redis_prefix}:key", "value")
        info = await client.info("server")
        assert int(info["valkey_version"].split(".")[0]) >= 8
        assert (await client.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"
    finally:
        await client.aclose()


async def test_each_database_is_empty_and_its_own(postgres_dsn):
    connection = await asyncpg.connect(postgres_dsn)
    try:
        assert (
            await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname='public'")
            == 0
        )
        await connection.execute("CREATE TABLE one (a int)")
    finally:
        await connection.close()


async def test_a_queue_has_its_dead_letter_queue(sqs_queue):
    async with get_session().create_client(
        "sqs", endpoint_url=sqs_queue.endpoint_url, region_name="eu-central-1"
    ) as sqs:
        await sqs.send_message(QueueUrl=sqs_queue.url, MessageBody="hello")
        received = await sqs.receive_message(QueueUrl=sqs_queue.url)
        assert received["Messages"][0]["Body"] == "hello"
        sources = await sqs.list_dead_letter_source_queues(QueueUrl=sqs_queue.dlq_url)
        assert sources["queueUrls"] == [sqs_queue.url]


@pytest.mark.parametrize("token_use", ["access", "id"])
def test_minted_tokens_verify_against_the_served_keys(cognito, token_use):
    token = cognito.token("player-1", groups=["admins"], token_use=token_use)
    claims = _verify(cognito, token)
    assert claims["sub"] == "player-1"
    assert claims["cognito:groups"] == ["admins"]
    assert claims["token_use"] == token_use


async def test_the_operator_can_log_in_and_is_one(cognito):
    claims = await _log_in(cognito, cognito.admin_username, cognito.admin_password)
    minted = _verify(cognito, cognito.admin_token())
    assert claims["cognito:groups"] == minted["cognito:groups"] == [Config().admin_group]
    assert claims["sub"] == minted["sub"]
    assert claims["username"] == minted["username"] == "operator"


async def test_the_demo_player_can_log_in(cognito):
    claims = await _log_in(cognito, cognito.demo_username, cognito.demo_password)
    minted = _verify(cognito, cognito.token(cognito.demo_sub, username=cognito.demo_username))
    assert claims["sub"] == minted["sub"]
    assert claims["client_id"] == cognito.client_id
    assert claims.keys() == minted.keys()
    assert "cognito:groups" not in claims


async def _log_in(cognito, username, password):
    """The claims of the access token."""
    async with get_session().create_client(
        "cognito-idp", endpoint_url=cognito.endpoint_url, region_name=cognito.region
    ) as idp:
        answer = await idp.initiate_auth(
            AuthFlow="USER_PASSWORD_AUTH",
            ClientId=cognito.client_id,
            AuthParameters={"USERNAME": username, "PASSWORD": password},
        )
    return _verify(cognito, answer["AuthenticationResult"]["AccessToken"])


def test_an_ended_token_is_minted_on_demand(cognito):
    with pytest.raises(jwt.ExpiredSignatureError):
        _verify(cognito, cognito.token("player-1", expires_in_s=-10))


def test_a_missing_program_skips_here_and_fails_in_ci(monkeypatch):
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception):
        needs_system("a-program-that-is-nowhere")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception):
        needs_system("a-program-that-is-nowhere")


def _verify(cognito, token):
    key = jwt.PyJWKClient(cognito.jwks_url).get_signing_key_from_jwt(token)
    return jwt.decode(
        token,
        key.key,
        algorithms=["RS256"],
        issuer=cognito.issuer,
        options={"verify_aud": False},
    )
