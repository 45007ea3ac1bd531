"""``dlq`` as people use it: in processes of its own, on a real queue and a real table."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from persistence_worker.messages import Outgoing
from tests.worker.builders import bundle, raw, story
from tests.worker.conftest import Queues, WorkerProcess, call, environment, fetch, until


async def put(queues: Queues, count: int, *, game: str = "arena", **attributes: str) -> None:
    letters = [
        Outgoing(
            body=bundle(raw("m1", n, game=game)),
            attributes={"reason": "fork", "detail": f"[bold]{n}", "records": "1"} | attributes,
        )
        for n in range(1, count + 1)
    ]
    assert await queues.dead_letters.send(letters) == []


async def told(*words: str, **settings: Any) -> Any:
    """What a verb prints as JSON."""
    done = await call("dlq", *words, "--json", **settings)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_list_and_show_do_not_consume(queues: Queues, settings: dict[str, Any]) -> None:
    here = ("--place", "queue")  # no database: it is not even migrated
    done = await call("dlq", "list", *here, **settings)
    assert (done.returncode, done.stdout) == (0, "no dead letters\n")
    await put(queues, 15)
    await queues.dead_letters.send([Outgoing(body="[red]not json[/]", attributes={})])
    for _ in range(2):
        listed = await told("list", *here, **settings)
        assert len(listed) == 16
    assert {each["reason"] for each in listed} == {"fork", "received_too_often"}
    assert sorted(each["events"] for each in listed)[1:3] == [["m1/1"], ["m1/10"]]
    lines = (await call("dlq", "list", "--limit", "20", *here, **settings)).stdout.splitlines()
    assert lines[0].split("\t")[:4] == ["PLACE", "ID", "SENT", "REASON"]
    assert any(line.split("\t")[5:] == ["m1/15", "[bold]15"] for line in lines)
    assert len(await told("list", "--limit", "3", *here, **settings)) == 3
    odd = await told("list", "--reason", "received_too_often", *here, **settings)
    assert len(odd) == 1

    shown = await call("dlq", "show", odd[0]["id"], *here, **settings)
    assert "[red]not json[/]" in shown.stdout
    one = next(each for each in listed if each["events"] == ["m1/7"])
    found = await told("show", one["id"], *here, **settings)
    assert found["body"] == bundle(raw("m1", 7))
    assert found["records"][0]["data"] == {"points": 7}
    missing = await call("dlq", "show", "no-such-id", *here, **settings)
    assert (missing.returncode, "no dead letter" in missing.stderr) == (2, True)
    unmigrated = await call("dlq", "list", **settings)
    assert unmigrated.returncode == 1
    assert "`--place queue` needs no database" in unmigrated.stderr


async def test_a_table_on_a_terminal(queues: Queues, settings: dict[str, Any]) -> None:
    await put(queues, 2)

    def on_a_terminal() -> str:
        ours, theirs = pty.openpty()
        child = subprocess.Popen(
            [sys.executable, "-m", "persistence_worker", "dlq", "list", "--place", "queue"],
            env=environment(**settings) | {"COLUMNS": "200", "TERM": "xterm"},
            stdout=theirs,
        )
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65_536):
                shown += part
        except OSError:
            pass  # how Linux states that the other end is closed
        os.close(ours)
        assert child.wait(60) == 0
        return shown.decode()

    shown = await asyncio.to_thread(on_a_terminal)
    assert "\t" not in shown
    assert "m1/2" in shown
    assert "[bold]2" in shown


async def test_redrive(
    queues: Queues,
    settings: dict[str, Any],
    migrated_dsn: str,
    start_worker: Callable[..., WorkerProcess],
) -> None:
    await put(queues, 12)
    await put(queues, 1, reason="bad_body")
    done = await told("redrive", "--dry-run", **settings)
    assert (len(done["moved"]), done["dry_run"]) == (13, True)
    assert await queues.counts() == (0, 0)
    done = await told("redrive", "--reason", "fork", "--limit", "5", "--rate", "50", **settings)
    assert (len(done["moved"]), done["failed"]) == (5, [])
    assert await queues.counts() == (5, 0)
    done2 = await call("dlq", "redrive", "--reason", "fork", **settings)
    assert done2.stdout.startswith("7 sent back\n")
    assert (await call("dlq", "redrive", "--reason", "fork", **settings)).stdout == "0 sent back\n"
    left = await told("list", **settings)
    assert [each["reason"] for each in left] == ["bad_body"]
    start_worker()
    await until(queues.empty, what="queue is empty")
    assert (await fetch(migrated_dsn, "SELECT count(*) FROM events"))[0][0] == 12


async def test_a_letter_that_comes_back_counts_its_redrives(
    queues: Queues,
    settings: dict[str, Any],
    migrated_dsn: str,
    start_worker: Callable[..., WorkerProcess],
) -> None:
    start_worker()
    await queues.send(bundle(raw("m1", 1, data={"text": "\0"})))

    async def listed(redrives: int) -> Any:
        letters = await told("list", "--place", "queue", **settings)
        return [each["id"] for each in letters if each["redrives"] == redrives]

    first = await until(lambda: listed(0), what="it is a dead letter")
    await call("dlq", "redrive", "--id", first[0], **settings)
    await until(lambda: listed(1), what="it is back, and counted")
    # Parked and sent back from there, it is counted on, and parked as the same row.
    for redrives in (1, 2):
        assert len((await told("park", **settings))["moved"]) == 1
        parked = await told("list", "--place", "parked", **settings)
        assert [each["redrives"] for each in parked] == [redrives]
        await told("redrive", "--place", "parked", **settings)
        assert await told("list", "--place", "parked", **settings) == []
        await until(lambda n=redrives + 1: listed(n), what="it is back again")


async def test_filters_in_both_places(
    queues: Queues, settings: dict[str, Any], migrated_dsn: str
) -> None:
    await put(queues, 2)
    await put(queues, 1, game="chess", reason="bad_data")
    await queues.dead_letters.send([Outgoing(body=bundle(raw("m2", 5)), attributes={})])

    async def reasons(*words: str) -> list[str]:
        return sorted(each["reason"] for each in await told("list", *words, **settings))

    for place in ("queue", "parked"):
        here = ("--place", place)
        assert await reasons(*here, "--reason", "fork") == ["fork", "fork"]
        assert await reasons(*here, "--game", "chess") == ["bad_data"]
        assert await reasons(*here, "--match", "m2") == ["received_too_often"]
        assert await reasons(*here, "--match", "m1", "--game", "arena") == ["fork", "fork"]
        assert await reasons(*here, "--older", "1h") == []
        assert len(await reasons(*here, "--newer", "1h")) == 4
        assert len(await reasons(*here, "--limit", "2")) == 2
        one = (await told("list", *here, "--match", "m2", **settings))[0]["id"]
        assert await reasons(*here, "--id", one) == ["received_too_often"]
        assert (await told("show", one, **settings))["letter"]["place"] == place
        if place == "queue":
            assert len((await told("park", "--dry-run", **settings))["moved"]) == 4
            assert len(await reasons(*here)) == 4
            assert len((await told("park", **settings))["moved"]) == 4
    assert await reasons("--place", "queue") == []
    assert len(await reasons()) == 4


async def test_the_same_letter_twice_is_one_row(
    queues: Queues, settings: dict[str, Any], migrated_dsn: str
) -> None:
    for _ in range(2):
        await put(queues, 3, source_message_id="s1", redrives="4")
    assert len((await told("park", **settings))["moved"]) == 6
    rows = await fetch(migrated_dsn, "SELECT * FROM parked_events ORDER BY events")
    assert [row["events"] for row in rows] == [["m1/1"], ["m1/2"], ["m1/3"]]
    assert rows[0]["body"] == bundle(raw("m1", 1))
    assert (rows[0]["reason"], rows[0]["detail"], rows[0]["redrives"]) == ("fork", "[bold]1", 4)
    assert json.loads(rows[0]["attributes"])["source_message_id"] == "s1"
    assert rows[0]["first_at"] <= rows[0]["last_at"] <= rows[0]["parked_at"]
    shown = await told("show", rows[0]["id"], **settings)
    assert shown["records"][0]["id"] == "m1/1"
    assert shown["schema"]
    text = (await call("dlq", "show", rows[0]["id"], **settings)).stdout
    assert "first sent\t" in text


async def test_whatever_a_body_holds_can_be_parked_and_sent_back(
    queues: Queues, settings: dict[str, Any], migrated_dsn: str
) -> None:
    bodies = [
        "",
        "not json",
        '{"v":1,"records":[{"match":"\\u0000"},7]}',
        "x" * 1_000_000,
        "\ud83d",
    ]
    await queues.dead_letters.send([Outgoing(body=b or "-", attributes={}) for b in bodies])
    assert len((await told("park", **settings))["moved"]) == 5
    assert len((await told("redrive", "--place", "parked", **settings))["moved"]) == 5
    assert await queues.counts() == (5, 0)
    assert await told("list", "--place", "parked", **settings) == []


async def test_discarding_asks_and_is_written_down(
    queues: Queues, settings: dict[str, Any], migrated_dsn: str
) -> None:
    await put(queues, 3)
    await told("park", "--limit", "1", **settings)
    words = ("dlq", "discard", "--place", "all", "--why", "test of\ndiscarding", "--who", "ann")
    refused = await call(*words, **settings)
    assert (refused.returncode, "needs --yes" in refused.stderr) == (2, True)
    assert len((await told(*words[1:], "--dry-run", **settings))["moved"]) == 3
    assert len(await told("list", **settings)) == 3

    async def answered(answer: bytes) -> int:
        ours, theirs = pty.openpty()
        os.write(ours, answer)
        try:
            return (await call(*words, stdin=os.ttyname(theirs), **settings)).returncode
        finally:
            os.close(ours)
            os.close(theirs)

    assert await answered(b"n\n") == 2
    assert len(await told("list", **settings)) == 3
    assert await answered(b"y\n") == 0
    assert await told("list", **settings) == []
    rows = await fetch(migrated_dsn, "SELECT * FROM discarded_letters ORDER BY place, events")
    assert [row["place"] for row in rows] == ["parked", "queue", "queue"]
    assert {(row["who"], row["why"]) for row in rows} == {("ann", "test of\ndiscarding")}
    assert sorted(row["events"][0] for row in rows) == ["m1/1", "m1/2", "m1/3"]
    assert {row["reason"] for row in rows} == {"fork"}
    # Nobody's name is asked for: the user of the machine stands there.
    await put(queues, 1)
    await told("discard", "--why", "x", "--yes", **settings)
    row = (await fetch(migrated_dsn, "SELECT who FROM discarded_letters WHERE why = 'x'"))[0]
    assert "@" in row["who"]


async def test_nothing_is_discarded_that_cannot_be_written_down(
    queues: Queues, settings: dict[str, Any], migrated_dsn: str
) -> None:
    await put(queues, 2)
    await fetch(migrated_dsn, "ALTER TABLE discarded_letters RENAME TO gone")
    done = await call("dlq", "discard", "--why", "x", "--yes", **settings)
    assert (done.returncode, "discarded_letters" in done.stderr) == (1, True)
    assert len(await told("list", **settings)) == 2


async def test_nothing_is_parked_that_cannot_be_written_down(
    queues: Queues, settings: dict[str, Any], postgres_dsn: str
) -> None:
    await put(queues, 2)
    done = await call("dlq", "park", **settings)
    assert (done.returncode, "parked_events" in done.stderr) == (1, True)
    assert len(await told("list", "--place", "queue", **settings)) == 2


async def test_stats(queues: Queues, settings: dict[str, Any], migrated_dsn: str) -> None:
    await put(queues, 3)
    await put(queues, 2, game="chess", reason="bad_data")
    await told("park", "--game", "chess", **settings)
    await queues.send(bundle(raw("m1", 1)))
    found = await told("stats", **settings)
    assert found["queue"] == {"visible": 1, "held": 0, "delayed": 0}
    assert found["dead_letters"]["visible"] == 3
    counts = [(each["reason"], each["games"], each["letters"]) for each in found["in_queue"]]
    assert counts == [("fork", ["arena"], 3)]
    counts = [(each["reason"], each["games"], each["letters"]) for each in found["parked"]]
    assert counts == [("bad_data", ["chess"], 2)]
    lines = (await call("dlq", "stats", **settings)).stdout.splitlines()
    assert lines[1:3] == ["queue\t1\t0\t0", "dead letters\t3\t0\t0"]
    assert lines[-1].startswith("parked\tbad_data\tchess\t2\t")


async def rows_of(dsn: str) -> Any:
    queries = (
        "SELECT match_id, seq, kind, player, at, data, digest FROM events ORDER BY 1, 2",
        "SELECT * FROM matches ORDER BY 1",
        "SELECT * FROM participants ORDER BY 1, 2",
        "SELECT * FROM results ORDER BY 1, 2",
    )
    connection = await asyncpg.connect(dsn)
    try:
        return [[tuple(row) for row in await connection.fetch(query)] for query in queries]
    finally:
        await connection.close()


@pytest.mark.parametrize("stored_before", [True, False])
async def test_redriving_any_number_of_times_is_harmless(
    queues: Queues,
    settings: dict[str, Any],
    migrated_dsn: str,
    start_worker: Callable[..., WorkerProcess],
    stored_before: bool,
) -> None:
    bodies = [bundle(*story(f"m{n}")) for n in range(30)]
    if stored_before:
        await queues.send(*bodies)
    worker = start_worker(redrive_every_s=1, redrive_first_s=1, redrive_per_s=1000)
    start_worker(redrive_every_s=1, redrive_first_s=1, redrive_per_s=1000)
    await until(queues.empty, what="queue is empty")
    # The same letters, some of them twice, and forks that can never be stored.
    letters = [Outgoing(body=body, attributes={"reason": "unexpected"}) for body in bodies]
    forks = [bundle(raw(f"m{n}", 7, data={"points": -1})) for n in range(5)]
    forked = [Outgoing(body=body, attributes={"reason": "received_too_often"}) for body in forks]
    await queues.dead_letters.send(letters + letters[:10])
    if stored_before:
        await queues.dead_letters.send(forked)
    for _ in range(2):
        await asyncio.gather(
            call("dlq", "redrive", "--place", "all", **settings),
            call("dlq", "redrive", "--place", "all", **settings),
        )

    async def settled() -> bool:
        depth = await queues.dead_letters.depths()
        return await queues.empty() and depth.total == 0

    await until(settled, what="all letters are stored or parked")
    once = await rows_of(migrated_dsn)
    assert len(once[0]) == 300
    assert all(row[5] != '{"points": -1}' for row in once[0])
    parked = await fetch(migrated_dsn, "SELECT reason FROM parked_events")
    assert [row[0] for row in parked] == ["fork"] * (5 if stored_before else 0)
    # Parked forks are sent back and return; nothing else changes.
    await call("dlq", "redrive", "--place", "parked", **settings)
    await queues.dead_letters.send(letters)
    await call("dlq", "redrive", **settings)

    async def returned() -> bool:
        rows = await fetch(migrated_dsn, "SELECT redrives FROM parked_events")
        return await settled() and len(rows) == len(parked)

    await until(returned, what="all forks are parked again")
    assert await rows_of(migrated_dsn) == once
    assert worker.get("/healthz")[0] == 200
