"""A real match whose owner is killed, played again from what reached PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from gameserver.devstack.stack import Node, Stack
from tests.e2e.conftest import hears_of, rows, until
from tests.e2e.test_cluster import _ten_frames, client
from tests.forked import SERVER, WORKER, run_forked


async def _replay(stack: Stack, *words: str) -> CompletedProcess[str]:
    environ = {**os.environ, **stack.gameserver_environ(ws_port=0, http_port=0)}
    return await asyncio.to_thread(run_forked, SERVER, ["replay", *words], environ=environ)


@pytest.mark.timeout(180)
async def test_a_match_that_outlived_its_node_is_played_again(
    nodes: tuple[Stack, Node, Node], tmp_path: Path
) -> None:
    stack, first, second = nodes
    async with client(stack, first, 1) as owner, client(stack, second, 2) as other:
        await owner.join(mode="quick")
        await hears_of(stack, second, matches=1)
        match = owner.joined["match"]
        await other.join(match=match, game="")
        playing = [asyncio.ensure_future(each.play()) for each in (owner, other)]
        await _ten_frames(other)
        await asyncio.sleep(3)
        epoch = other.frames[-1][1]
        await asyncio.to_thread(stack.kill, first.name)
        await until(lambda: other.frames[-1][1] > epoch)
        # Fifteen seconds of match time end it.
        ended = "SELECT 1 FROM recordings WHERE match_id = $1 AND ended IS NOT NULL"
        await rows(stack.postgres_dsn, ended, match, within_s=90)
        for task in playing:
            task.cancel()
        await asyncio.gather(*playing, return_exceptions=True)
    dsn = stack.postgres_dsn
    stored = await rows(
        dsn, "SELECT length(body) AS bytes FROM recordings WHERE match_id = $1", match
    )
    done = await _replay(stack, match, "--json")
    assert done.returncode == 0, done.stderr or done.stdout
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["problem"] is None
    assert len({one["epoch"] for one in told["chunks"]}) == 2
    assert [one["revived"] for one in told["chunks"]].count(True) == 1
    assert all(one["recorded"] == one["computed"] for one in told["chunks"])
    [ended] = await rows(dsn, "SELECT * FROM matches WHERE match_id = $1", match)
    assert (told["ended"], told["ticks"]) == (ended["reason"], ended["ticks"])
    results = await rows(dsn, "SELECT * FROM results WHERE match_id = $1", match)
    assert {(row["player_id"], row["place"], row["score"]) for row in results} == {
        (one["player"], one["place"], one["score"]) for one in told["result"]["standings"]
    }
    size = sum(row["bytes"] for row in stored)
    print(f"{told['ticks']} ticks in {len(stored)} chunks of {size} bytes")
    done = await _replay(stack, match)
    print(done.stdout)
    # The worker's export is the same recording, and needs no database to be played again.
    file = tmp_path / "match.jsonl"
    exported = await asyncio.to_thread(
        run_forked,
        WORKER,
        ["recording", match, "--out", str(file)],
        environ={**os.environ, **stack.worker_environ()},
    )
    assert exported.returncode == 0, exported.stderr
    assert (await _replay(stack, "--from-file", str(file))).stdout == done.stdout
