"""Each program's calls to AWS as it makes them, and the policies of its role: the same, both ways.

``test_rights.py`` reads the calls from the sources; here they are made, against moto and the SQS
endpoint, and written down. A call that any other test makes is checked as well
(``conftest.calls_are_known``).
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest

from gameserver.adapters.dynamodb import DynamoDb
from gameserver.adapters.dynamodb_friends import DynamoFriends
from gameserver.adapters.dynamodb_player import erase_player, export_player
from gameserver.adapters.dynamodb_profiles import DynamoProfiles
from gameserver.adapters.dynamodb_sessions import DynamoSessions
from gameserver.adapters.http_auth import CognitoAccounts
from gameserver.adapters.http_problem import Problem
from gameserver.adapters.kms import Kms
from gameserver.adapters.sqs import SqsQueue
from gameserver.config import Config
from gameserver.devstack.moto import Cognito, Moto
from gameserver.friendship import NOTHING, Side
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from persistence_worker.config import Config as WorkerConfig
from persistence_worker.kms import open_kms
from persistence_worker.messages import Outgoing
from persistence_worker.sqs import SqsQueue as WorkerQueue
from persistence_worker.sqs import open_client
from tests.adapters.test_http_auth import cognito_config
from tests.conftest import SqsQueue as Queue
from tests.contract.test_player_tables import Wall, profile, record
from tests.deploy.calls import SIGNERS, actions, operations
from tests.deploy.recorder import Call, check_known, watching
from tests.deploy.test_rights import BEHIND, PROGRAMS, _actions, _reached, _statements
from tests.players.test_profiles import ReversingSealer


class Behind(NamedTuple):
    """What stands in for AWS."""

    moto: Moto
    cognito: Cognito
    queue: Queue

    @property
    def config(self) -> Config:
        identity = self.moto.identity
        return Config(
            aws_region=self.moto.region,
            dynamodb_endpoint_url=self.moto.endpoint_url,
            profiles_table=identity["profiles_table"],
            sessions_table=identity["sessions_table"],
            friends_table=identity["friends_table"],
            kms_endpoint_url=self.moto.endpoint_url,
            kms_key_id=identity["kms_key_id"],
            sqs_endpoint_url=self.queue.endpoint_url,
            sqs_queue_url=self.queue.url,
        )

    @property
    def worker_config(self) -> WorkerConfig:
        return WorkerConfig(
            sqs_queue_url=self.queue.url,
            postgres_dsn="postgresql://nobody@nowhere/none",
            kms_endpoint_url=self.moto.endpoint_url,
            erasure_key="of a test, and never secret",
        )


@pytest.fixture
def behind(moto: Moto, cognito: Cognito, sqs_queue: Queue) -> Behind:
    return Behind(moto, cognito, sqs_queue)


@asynccontextmanager
async def _tables(config: Config) -> AsyncIterator[DynamoDb]:
    async with DynamoDb(config, metrics=Metrics()) as db:
        yield db


async def _server(behind: Behind) -> None:
    config, player = behind.config, PlayerId("p-" + uuid.uuid4().hex)
    async with _tables(config) as db:
        profiles = DynamoProfiles(db, table=config.profiles_table)
        await profiles.create(profile(player))
        await profiles.replace(profile(player, 2))
        await profiles.get(player)
        sessions = DynamoSessions(db, table=config.sessions_table, clock=Wall())
        await sessions.put(record(player))
        await sessions.of_player(player)
        await sessions.remove(record(player))
        friends = DynamoFriends(db, table=config.friends_table)
        asked = (Side.ASKED, Side.ASKED_BY)
        await friends.change(player, PlayerId("o"), NOTHING, asked, at_ms=1)
        # A conflict is looked into: it may be a lost answer's second try.
        await friends.change(player, PlayerId("o"), NOTHING, asked, at_ms=1)
        await friends.change(player, PlayerId("o"), asked, NOTHING, at_ms=2)
        await friends.ties(player)
        await friends.pair(player, PlayerId("o"))
    async with Kms(config, metrics=Metrics()) as kms:
        key = await kms.generate()
        await kms.unwrap(key.id, key.wrapped)
    async with SqsQueue(config, metrics=Metrics()) as queue:
        assert await queue.send(["{}"]) == [True]
    await _accounts(behind.cognito)


async def _accounts(cognito: Cognito) -> None:
    name = "u" + uuid.uuid4().hex
    async with CognitoAccounts(cognito_config(cognito)) as accounts:
        await accounts.sign_up(name, "Good-Password-1!", f"{name}@example.org")
        tokens = await accounts.login(cognito.demo_username, cognito.demo_password)
        for call in (
            accounts.confirm(name, "1"),
            accounts.resend(name),
            accounts.forgot(name),
            accounts.reset(name, "1", "Good-Password-2!"),
            accounts.refresh(tokens.refresh_token),
            accounts.revoke(tokens.refresh_token),
            accounts.sign_out_everywhere(tokens.access_token),
        ):
            try:
                await call
            except Problem:
                pass  # moto does not know all of them: what counts is that it was asked.


async def _drain_queue(behind: Behind) -> None:
    async with open_client(
        endpoint_url=behind.queue.endpoint_url,
        region="eu-central-1",
        connections_max=2,
        timeout_s=10,
        wait_s=5,
    ) as client:
        queue = WorkerQueue(client, behind.queue.url, timeout_s=10)
        assert not await queue.send([Outgoing(body="{}", attributes={})])
        messages = await queue.receive(wait_s=5, visibility_s=30)
        await queue.set_visibility(messages, 60)
        await queue.depths()
        await queue.delete(messages)


async def _operator(behind: Behind) -> None:
    await _drain_queue(behind)
    config, player = behind.config, PlayerId("p-" + uuid.uuid4().hex)
    async with _tables(config) as db:
        await export_player(db, config, player, sealer=ReversingSealer())
        await DynamoProfiles(db, table=config.profiles_table).create(profile(player))
        await erase_player(db, config, player)
    async with Kms(config, metrics=Metrics()) as kms:
        key = await kms.generate()
        await kms.unwrap(key.id, key.wrapped)
    async with open_kms(behind.worker_config) as worker_kms:
        await worker_kms.unwrap(key.id, key.wrapped)
        under = await worker_kms.arn(config.kms_key_id)
        await worker_kms.rewrap(key.id, key.wrapped, under=under)


DRIVEN: Mapping[str, Callable[[Behind], Awaitable[None]]] = {
    "ServerRole": _server,
    "WorkerRole": _drain_queue,
    "OperatorRole": _operator,
}
PREPARED = {"OperatorRole": {"dynamodb:PutItem", "kms:GenerateDataKey"}}
"""Made by the test, so that there is something to erase and to open."""


async def _recorded(role: str, behind: Behind) -> list[Call]:
    calls: list[Call] = []
    with watching(calls.append):
        await DRIVEN[role](behind)
    return calls


def _allowed(role: str) -> set[str]:
    """What is neither a service's in the caller's name nor the agent's."""
    return {
        action
        for statement in _statements(role)
        if statement["Sid"] not in BEHIND
        for action in _actions(statement)
    }


@pytest.mark.parametrize("role", PROGRAMS)
async def test_what_a_program_was_seen_to_call_is_what_its_role_allows(
    role: str, behind: Behind
) -> None:
    needed: set[str] = set()
    for call in await _recorded(role, behind):
        needed |= actions(call.service, call.operation)
    # Signed by hand: there is no operation that a client could be seen to call.
    signed = {SIGNERS[name] for name in _reached(PROGRAMS[role]) & set(SIGNERS)}
    assert needed - PREPARED.get(role, set()) | signed == _allowed(role)


async def test_every_call_that_the_sources_name_was_seen(behind: Behind) -> None:
    """So that reading the sources names nothing that is never called, and misses nothing."""
    seen: dict[str, dict[str, set[str]]] = {}
    for role in PROGRAMS:
        for call in await _recorded(role, behind):
            seen.setdefault(call.module, {}).setdefault(call.service, set()).add(call.operation)
    assert seen == {name: called for name, called in operations().items() if called}


async def test_every_call_for_a_data_key_says_that_it_is_one(behind: Behind) -> None:
    """Without that the keys' policies refuse it (``test_rights``)."""
    asked = [one for one in await _recorded("OperatorRole", behind) if one.service == "kms"]
    for call in asked:
        contexts = [one for name, one in call.given.items() if "EncryptionContext" in name]
        if call.operation != "DescribeKey":
            assert contexts, call
        assert all("gameserver:data-key" in one for one in contexts)


def test_a_call_that_no_source_names_is_noticed() -> None:
    call = Call(module="gameserver/adapters/kms.py", service="kms", operation="Sign", given={})
    with pytest.raises(AssertionError, match="not known"):
        check_known(call)
