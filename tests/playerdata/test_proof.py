"""A player with a name nobody else has plays through the real stack. The name, the e-mail address,
the words and the address are then looked for in every store, queue, file and log."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import boto3  # type: ignore[import-untyped]
import msgspec
import pytest
import redis
from websockets.asyncio.client import ClientConnection, connect

from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.kms import Kms
from gameserver.adapters.sealing import ProfileSealer
from gameserver.adapters.wall_clock import SystemEntropy
from gameserver.config import Config
from gameserver.devstack.game_paths import Games
from gameserver.devstack.settings import on_free_ports
from gameserver.devstack.stack import Extra, Stack
from gameserver.metrics import Metrics
from gameserver.replay.recording import read_lines
from gameserver.wire import event_record
from gameserver.wire.envelope import blob_key
from gameserver.wire.recording import BadRecording, unpack
from tests.e2e.conftest import rows
from tests.e2e.test_maintenance import operator
from tests.forked import PLAYER_DATA, WORKER, run_forked
from tests.playerdata.search import Search

PLAYER = "7c1e55aa-0000-4000-8000-9d77c2f0e111"
NAME = "Zebediah-Quux-Farthingale"
EMAIL = "zebediah.quux@mail.example"
WORDS = "meet me under the clocktower at noon"
ADDRESS = "203.0.113.77"
SECRETS = (NAME, EMAIL, WORDS, ADDRESS)
CANARY = "canary-that-anyone-may-read"


@pytest.fixture
def stack(devstack_dir: Path) -> Iterator[Stack]:
    settings = on_free_ports(devstack_dir / "privacy")
    settings = type(settings)(
        directory=settings.directory,
        ports=settings.ports,
        games=Games(names=("tests.playerdata.games:Salon",)),
    )
    extra = Extra(
        gameserver={
            "GAMESERVER_EMPTY_MATCH_MS": "500",
            "GAMESERVER_GRACE_MS": "1000",
            "GAMESERVER_PROXIES_TRUSTED": "1",
            "GAMESERVER_LOG_LEVEL": "debug",
        },
        worker={"WORKER_VISIBILITY_S": "5", "WORKER_REDRIVE_EVERY_S": "0"},
    )
    with Stack(settings, extra=extra, fsync=False) as running:
        running.start(progress=lambda name: None)
        yield running


async def command(stack: Stack, *words: str, module: str = PLAYER_DATA) -> Any:
    """See ``run_forked``. One look at the endpoint of the tests shows all dead letters."""
    environ = _environ(stack) | {"WORKER_RECEIVE_WAIT_S": "0"}
    return await asyncio.to_thread(run_forked, module, words, environ=environ)


async def command_anew(stack: Stack, *words: str, program: str = "playerdata") -> Any:
    """The same with an interpreter of its own, as people do it."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", program, *words],
        env=_environ(stack),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _environ(stack: Stack) -> dict[str, str]:
    return stack.worker_environ() | stack.gameserver_environ(ws_port=1, http_port=2)


@asynccontextmanager
async def playing(stack: Stack) -> AsyncIterator[tuple[ClientConnection, str]]:
    """The player in a match, having said something; the match's id."""
    token = stack.moto.cognito().token(PLAYER, username=NAME, claims={"email": EMAIL})
    async with connect(
        f"{stack.settings.ws_url}/v1/play",
        subprotocols=["gameserver.v1.json"],  # type: ignore[list-item]
        additional_headers={"Authorization": f"Bearer {token}", "X-Forwarded-For": ADDRESS},
    ) as socket:
        await socket.send(json.dumps({"type": "join", "ref": 1, "game": "salon", "mode": "open"}))
        match_id = ""
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "joined":
                match_id = message["match"]
                await socket.send(json.dumps({"type": "input", "seq": 1, "data": {"text": WORDS}}))
            elif message["type"] == "event" and message["kind"] == "said":
                assert message["data"]["text"] == WORDS, "players read one another"
                break
        reading = asyncio.create_task(_read(socket))
        yield socket, match_id
        await reading


async def _read(socket: ClientConnection) -> None:
    """Until the player has left."""
    async for text in socket:
        if json.loads(text)["type"] == "left":
            return


async def make_profile(stack: Stack) -> None:
    """As the profiles of the HTTP API are stored."""
    identity = stack.moto.identity
    config = Config(kms_key_id=identity["kms_key_id"], kms_endpoint_url=stack.moto.endpoint_url)
    async with Kms(config, metrics=Metrics()) as kms:
        keys = DataKeys(
            kms,
            age_ms=3_600_000,
            messages_max=100_000,
            bytes_max=2**32,
            entropy=SystemEntropy(),
            metrics=Metrics(),
        )
        await keys.start()
        sealer = ProfileSealer(keys)
        context = {"table": "profiles", "player_id": PLAYER}
        name = await sealer.seal("display_name", NAME, context)
        email = await sealer.seal("email", EMAIL, context)
        assert await sealer.open("email", email, context) == EMAIL
    dynamo(stack).put_item(
        TableName=identity["profiles_table"],
        Item={
            "player_id": {"S": PLAYER},
            "display_name": {"B": name},
            "email": {"B": email},
            "avatar": {"S": "fox"},
            "settings": {"S": "{}"},
            "version": {"N": "1"},
            "created_ms": {"N": "1"},
            "updated_ms": {"N": "1"},
        },
    )
    for number in range(30):
        dynamo(stack).put_item(
            TableName=identity["sessions_table"],
            Item={
                "player_id": {"S": PLAYER},
                "session_id": {"S": f"s{number}"},
                "node": {"S": "n1"},
                "connected_ms": {"N": "1"},
                "expires_at": {"N": "4000000000"},
            },
        )


def dynamo(stack: Stack) -> Any:
    return boto3.client(
        "dynamodb", endpoint_url=stack.moto.endpoint_url, region_name="eu-central-1"
    )


def sqs(stack: Stack) -> Any:
    return boto3.client("sqs", endpoint_url=stack.sqs.endpoint_url, region_name="eu-central-1")


async def lay_canary(stack: Stack) -> None:
    """In the clear, where the stores are."""
    with redis.Redis.from_url(stack.valkey.url) as client:
        client.set("canary", CANARY)
    body = json.dumps({"v": 1, "records": [{"name": CANARY}]})
    sqs(stack).send_message(QueueUrl=stack.dead_letters_url, MessageBody=body)
    await run_sql(stack, f"CREATE TABLE canary AS SELECT '{CANARY}' AS name", "CHECKPOINT")
    item = {"player_id": {"S": "canary"}, "email": {"B": CANARY.encode()}}
    dynamo(stack).put_item(TableName=stack.moto.identity["profiles_table"], Item=item)
    (stack.settings.logs / "canary.log").write_text(CANARY)


async def put_out_and_let_in(stack: Stack) -> None:
    """An operator says why, twice, in words that are the player's."""
    [node] = stack.nodes.values()
    async with operator(stack, node) as ask:
        path = f"/v1/admin/players/{PLAYER}/ban"
        await ask("PUT", path, json={"reason": f"{NAME}: {WORDS}"})
        [shown] = (await ask("GET", "/v1/admin/bans"))["bans"]
        assert shown["reason"] == f"{NAME}: {WORDS}"
        await ask("DELETE", path, params={"reason": WORDS}, expect=204)


async def form_party(stack: Stack) -> None:
    """The player leads another one."""
    [node] = stack.nodes.values()
    token = stack.moto.cognito().token(PLAYER, username=NAME)
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(node.api_url, headers=headers) as http:
        for path, body in (("/v1/party", None), ("/v1/party/invites", {"player": "a-friend"})):
            async with http.post(path, json=body) as answer:
                assert answer.ok, await answer.text()


def fork(stack: Stack, bodies: list[str]) -> None:
    """Send the events again with another tick: the worker makes a dead letter of them."""
    records = []
    for body in bodies:
        for raw in event_record.decode_bundle(body):
            if event_record.is_chunk(raw):
                continue
            record = event_record.decode_record(raw)
            changed = msgspec.structs.replace(record, tick=record.tick + 1)
            records.append(event_record.encode_record(changed))
    message = event_record.encode_bundle(records)
    sqs(stack).send_message(QueueUrl=stack.queue_url, MessageBody=message)


async def letters(stack: Stack, *, count: int) -> None:
    """Wait until so many wait in the dead-letter queue."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    async with asyncio.timeout(30):
        while True:
            answer = sqs(stack).get_queue_attributes(
                QueueUrl=stack.dead_letters_url, AttributeNames=names
            )
            if sum(int(answer["Attributes"][name]) for name in names) >= count:
                return
            await asyncio.sleep(0.2)


# Files of a whole database are read again and again.
@pytest.mark.timeout(600)
async def test_nothing_is_stored_in_the_clear_and_nothing_stays_of_an_erased_player(
    stack: Stack, tmp_path: Path
) -> None:
    search = Search(stack)
    await make_profile(stack)
    await put_out_and_let_in(stack)
    stack.stop("worker")
    await form_party(stack)
    async with playing(stack) as (socket, match_id):
        await asyncio.sleep(1.5)
        # The queue holds the events, Redis the match.
        received = sqs(stack).receive_message(
            QueueUrl=stack.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        bodies = [message["Body"] for message in received["Messages"]]
        assert await search.find(SECRETS) == set()
        assert {place for place, _ in await search.find([PLAYER])} >= {
            "redis",
            "queues",
            "sqs's files",
            "valkey's files",
        }, "the player is there, by id"
        stack.start("worker")
        said = "SELECT * FROM events WHERE kind = 'said' AND match_id = $1"
        await rows(stack.postgres_dsn, said, match_id)
        fork(stack, bodies)
        await letters(stack, count=1)
        await run_sql(stack, "CHECKPOINT")
        assert await search.find(SECRETS) == set()
        assert ("postgresql", PLAYER) in await search.find([PLAYER])
        await check_the_search_finds(stack, search)

        exported = await export(stack, tmp_path / "before.json")
        again = await command(stack, "export", PLAYER, "--out", str(tmp_path / "before.json"))
        assert again.returncode == 2, "never over another file"
        assert exported["manifest"]["complete"] is True
        stores = exported["stores"]
        assert [row["name"] for row in stores["postgresql"]["players"]] == [NAME]
        assert [row["name"] for row in stores["postgresql"]["participants"]] == [NAME]
        told = {row["kind"]: row["data"] for row in stores["postgresql"]["events"]}
        assert told["said"]["text"] == WORDS
        assert told["player_joined"]["name"] == NAME
        assert WORDS in json.dumps(stores["dead-letters"])
        [profile] = stores["dynamodb"]["profiles"]
        assert (profile["display_name"], profile["email"]) == (NAME, EMAIL)
        assert len(stores["dynamodb"]["sessions"]) == 31, "and the one that plays"

        assert stores["redis"]["bans"] == [], "it was lifted"
        calls = [(call["call"].split()[0], call["reason"]) for call in stores["redis"]["calls"]]
        assert calls == [("PUT", f"{NAME}: {WORDS}"), ("DELETE", WORDS)]

        await check_the_recording(stack, match_id, stores["postgresql"]["recordings"])

        looked = await command_anew(stack, "erase", PLAYER, "--dry-run")
        assert ("found" in looked.stdout, PLAYER in looked.stdout) == (True, False), looked.stderr
        still = (await export(stack, tmp_path / "still.json"))["stores"]
        # The match is played on, and recorded.
        for each in (still, stores):
            del each["postgresql"]["recordings"]
        assert still == stores

        first = await command(stack, "erase", PLAYER, "--json")
        steps = {step["store"]: step for step in json.loads(first.stdout)["steps"]}
        assert first.returncode == 1, "the player sits in a match"
        assert steps["matches"]["outcome"] == "pending"
        assert match_id in steps["matches"]["detail"]
        second = await command(stack, "erase", PLAYER)
        assert (second.returncode, match_id in second.stdout) == (1, True), second.stdout
        assert steps["postgresql"]["outcome"] == "done"
        await socket.send(json.dumps({"type": "leave"}))
    ended = "SELECT * FROM matches WHERE match_id = $1 AND ended_at IS NOT NULL"
    await rows(stack.postgres_dsn, ended, match_id)
    await check_erased(stack, search, tmp_path)


async def check_the_recording(stack: Stack, match_id: str, listed: list[dict[str, Any]]) -> None:
    """It is stored sealed, which a search of deflated bodies cannot tell; opened, all is there."""
    [found] = listed
    assert found["match_id"] == match_id
    stored, opened = [
        list(read_lines(await recording(stack, match_id, *options))) for options in ([], ["--open"])
    ]
    assert all(blob_key(chunk.body) is not None for chunk in stored)
    for chunk in stored:
        with pytest.raises(BadRecording):
            unpack([chunk.body])
    played = b"".join(msgspec.msgpack.encode(unpack([chunk.body])) for chunk in opened)
    assert all(secret.encode() in played for secret in (PLAYER, NAME, WORDS))
    shown = await command_anew(stack, "replay", match_id, program="gameserver")
    assert "equal" in shown.stdout, shown.stdout + shown.stderr


async def recording(stack: Stack, match_id: str, *options: str) -> list[bytes]:
    done = await command(stack, "recording", match_id, *options, module=WORKER)
    assert done.returncode == 0, done.stderr
    return [line.encode() for line in done.stdout.splitlines()]


async def check_erased(stack: Stack, search: Search, tmp_path: Path) -> None:
    # What came after the first erasure came under the pseudonym already.
    assert ("postgresql", PLAYER) not in await search.find([PLAYER])
    await until_relayed(stack)
    again = await command(stack, "erase", PLAYER)
    assert again.returncode == 0, again.stdout + again.stderr
    connection = await asyncpg.connect(stack.postgres_dsn)
    assert await connection.fetchval("SELECT count(*) FROM recordings") == 0
    await connection.close()
    gone = {"redis", "queues", "postgresql", "dynamodb"}
    assert {place for place, _ in await search.find([PLAYER])} & gone == set()
    once_more = await command(stack, "erase", PLAYER)
    assert once_more.stdout.count("nothing there") == 5, once_more.stdout

    redriven = await command(stack, "dlq", "redrive", "--reason", "fork", module=WORKER)
    assert redriven.stdout.startswith("1 sent back"), redriven.stdout + redriven.stderr
    await asyncio.sleep(2)
    found = await search.find([*SECRETS, PLAYER])
    assert {place for place, text in found if text != PLAYER} == set()
    assert {place for place, _ in found} & gone == set()
    places = await search.places()
    assert b"erased-" in places["postgresql"]
    exported = await export(stack, tmp_path / "after.json")
    assert not any(json.loads(json.dumps(exported["manifest"]["stores"]))[0]["counts"].values())

    # One store away: the others are served, and it is said.
    stack.stop("moto")
    partly = await command(stack, "erase", PLAYER)
    assert partly.returncode == 1
    assert "dynamodb      unreachable" in partly.stdout
    assert partly.stdout.count("done") == 4


async def check_the_search_finds(stack: Stack, search: Search) -> None:
    await lay_canary(stack)
    await asyncio.sleep(1.5)
    found = {place for place, _ in await search.find([CANARY])}
    assert found == set(await search.places())


async def until_relayed(stack: Stack) -> None:
    """The match is forgotten: nothing of it is in Redis any more."""
    with redis.Redis.from_url(stack.valkey.url) as client:
        for _ in range(150):
            if not client.scard("gs:open"):
                return
            await asyncio.sleep(0.2)
    pytest.fail("a match is still open")


async def run_sql(stack: Stack, *statements: str) -> None:
    connection = await asyncpg.connect(stack.postgres_dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def export(stack: Stack, path: Path) -> dict[str, Any]:
    done = await command(stack, "export", PLAYER, "--out", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    return read_private(path)


def read_private(path: Path) -> dict[str, Any]:
    assert path.stat().st_mode & 0o777 == 0o600
    return dict(json.loads(path.read_text()))
