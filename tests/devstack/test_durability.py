"""What the services hold is there after a restart, orderly or not."""

from __future__ import annotations

import asyncpg
import pytest
import redis.asyncio as redis
from aiobotocore.session import get_session

from gameserver.devstack.moto import Moto
from gameserver.devstack.postgres import Postgres
from gameserver.devstack.process import free_port
from gameserver.devstack.sqs import SqsEndpoint
from gameserver.devstack.valkey import Valkey

END = pytest.mark.parametrize("end", ["stop", "kill"])


@pytest.fixture
def place(devstack_dir, request):
    """A directory of one test's own."""
    return devstack_dir / request.node.name.replace("[", "-").rstrip("]")


@pytest.fixture
def run(request):
    """Starts a service that ends with the test."""

    def start(service):
        request.addfinalizer(service.kill)
        service.start()
        return service

    return start


@END
async def test_valkey_keeps_its_data(place, run, end):
    # With `everysec` an answered write may still wait for an earlier fsync.
    files = {"data": place / "data", "log": place / "log"}
    service = run(Valkey(port=free_port(), append_fsync="always", **files))
    client = redis.from_url(service.url)
    try:
        await client.xadd("outbox", {"record": b"\x00\xff"}, id="1-1")
        await client.set("lease", "owner", px=600_000)
        getattr(service, end)()
        service.start()
        await client.connection_pool.disconnect()  # the old connections are dead
        assert await client.xrange("outbox") == [(b"1-1", {b"record": b"\x00\xff"})]
        assert 0 < await client.pttl("lease") <= 600_000
    finally:
        await client.aclose()


@END
async def test_postgres_keeps_what_was_committed(place, run, end):
    service = run(Postgres(port=free_port(), data=place / "data", log=place / "log"))
    service.ensure_database("game")
    service.ensure_database("game")
    connection = await asyncpg.connect(service.dsn("game"))
    await connection.execute("CREATE TABLE event (id text PRIMARY KEY)")
    await connection.execute("INSERT INTO event VALUES ('m/1')")
    connection.terminate()
    getattr(service, end)()
    service.start()
    connection = await asyncpg.connect(service.dsn("game"))
    try:
        assert await connection.fetchval("SELECT id FROM event") == "m/1"
        assert await connection.fetchval("SHOW fsync") == "on"
    finally:
        await connection.close()


@END
async def test_sqs_keeps_queues_messages_and_counts(place, run, end):
    service = run(SqsEndpoint(port=free_port(), data=place / "data", log=place / "log"))
    dead = service.create_queue("dead")
    url = service.create_queue("live", dead_letters_to="dead", receives_max=2)
    assert service.create_queue("live", dead_letters_to="dead", receives_max=3) == url
    for body in ("kept", "deleted", "hidden"):
        service.call("SendMessage", QueueUrl=url, MessageBody=body)
    received = service.call("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    handles = {message["Body"]: message["ReceiptHandle"] for message in received}
    service.call("DeleteMessage", QueueUrl=url, ReceiptHandle=handles["deleted"])
    service.call(
        "ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=handles["kept"], VisibilityTimeout=0
    )
    getattr(service, end)()
    service.start()
    assert service.call("ListQueues")["QueueUrls"] == [dead, url]
    [message] = service.call(
        "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]
    )["Messages"]
    assert message["Body"] == "kept"
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"
    # A handle from before the restart still deletes.
    service.call("DeleteMessage", QueueUrl=url, ReceiptHandle=handles["hidden"])
    shown = service.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert shown["ApproximateNumberOfMessagesNotVisible"] == "1"
    assert '"maxReceiveCount": 3' in shown["RedrivePolicy"]


def test_sqs_forgives_a_journal_that_was_cut_off(place, run):
    service = run(SqsEndpoint(port=free_port(), data=place / "data", log=place / "log"))
    url = service.create_queue("live")
    service.call("SendMessage", QueueUrl=url, MessageBody="whole")
    service.kill()
    with (place / "data" / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"t":"put","queue":"li')
    service.start()
    [message] = service.call("ReceiveMessage", QueueUrl=url)["Messages"]
    assert message["Body"] == "whole"


async def test_moto_keeps_players_keys_and_items(place, run):
    service = run(Moto(port=free_port(), data=place / "data", log=place / "log"))
    identity = dict(service.identity)
    credentials = {"Username": "ann", "Password": "Secret-Word-1"}

    def client(name):
        return get_session().create_client(
            name, endpoint_url=service.endpoint_url, region_name=service.region
        )

    async with client("cognito-idp") as cognito:
        signed_up = await cognito.sign_up(ClientId=identity["client_id"], **credentials)
        await cognito.admin_confirm_sign_up(UserPoolId=identity["user_pool_id"], Username="ann")
    async with client("kms") as kms:
        wrapped = await kms.encrypt(KeyId=identity["kms_key_id"], Plaintext=b"a data key")
    item = {"player_id": {"S": "ann"}}
    async with client("dynamodb") as dynamodb:
        await dynamodb.put_item(TableName=identity["profiles_table"], Item=item)
    service.stop()
    service.start()
    assert service.identity == identity
    async with client("cognito-idp") as cognito:
        answer = await cognito.initiate_auth(
            AuthFlow="USER_PASSWORD_AUTH",
            ClientId=identity["client_id"],
            AuthParameters={"USERNAME": "ann", "PASSWORD": "Secret-Word-1"},
        )
        shown = await cognito.get_user(AccessToken=answer["AuthenticationResult"]["AccessToken"])
    assert {"Name": "sub", "Value": signed_up["UserSub"]} in shown["UserAttributes"]
    async with client("kms") as kms:
        opened = await kms.decrypt(CiphertextBlob=wrapped["CiphertextBlob"])
    assert opened["Plaintext"] == b"a data key"
    async with client("dynamodb") as dynamodb:
        assert (await dynamodb.get_item(TableName=identity["profiles_table"], Key=item))["Item"]


def test_the_demo_player_is_the_same_in_every_fresh_stack(place, run, moto):
    another = run(Moto(port=free_port(), data=place / "data", log=place / "log"))
    assert another.identity == moto.identity
