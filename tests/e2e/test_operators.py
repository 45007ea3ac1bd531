"""Two real nodes: what an operator says to one holds on the other."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gameserver.devstack.stack import Node, Stack
from gameserver.devstack.tokens import bot_player
from tests.e2e.conftest import hears_of, rows, until
from tests.e2e.test_cluster import Client, client
from tests.e2e.test_maintenance import operator

WHY = {"reason": "he asked"}


async def closed(one: Client) -> tuple[int | None, str | None]:
    async with asyncio.timeout(60):
        with pytest.raises(ConnectionClosed):
            while True:
                await one.socket.send("{}")
                await asyncio.sleep(0.05)
    return one.socket.close_code, one.socket.close_reason


@pytest.mark.timeout(180)
async def test_an_operator_acts_on_all_nodes_through_one(nodes: tuple[Stack, Node, Node]) -> None:
    stack, first, second = nodes
    async with operator(stack, first) as ask, operator(stack, second) as ask_second:
        await _lists(stack, first, second, ask)
        await _kicks(stack, first, second, ask)
        await _bans(stack, first, second, ask, ask_second)
        await _ends(stack, first, second, ask)
        audit = await ask("GET", "/v1/admin/audit")
        told = [(one["call"].split("/")[-1], one["by"]) for one in audit["records"]]
        assert [what for what, _ in told] == ["end", "ban", "ban", "kick", "kick"]
        assert {one["reason"] for one in audit["records"]} == {"he asked", "mended"}


async def _lists(stack: Stack, first: Node, second: Node, ask: Any) -> None:
    async with client(stack, second, 1) as one:
        await one.join(mode="crowd")
        async with asyncio.timeout(60):
            while True:
                found = (await ask("GET", "/v1/matches"))["matches"]
                if [each["id"] for each in found] == [one.joined["match"]]:
                    break
                await asyncio.sleep(0.1)
        await hears_of(stack, first, matches=1)
        nodes = (await ask("GET", "/v1/admin/nodes"))["nodes"]
        assert sorted(each["matches"] for each in nodes) == [0, 1]
        detail = await ask("GET", f"/v1/admin/matches/{one.joined['match']}")
        [seat] = detail["players"]
        assert seat["player"] == bot_player(1) and seat["connected"]
        assert detail["view"] is not None and detail["game_state"] is not None
        [shown] = (await ask("GET", "/v1/admin/matches"))["matches"]
        assert shown["node"] == detail["node"]


async def _kicks(stack: Stack, first: Node, second: Node, ask: Any) -> None:
    async with client(stack, second, 2) as one:
        await one.join(mode="crowd")
        body = {"player": bot_player(2), **WHY}
        await ask("POST", f"/v1/admin/matches/{one.joined['match']}/kick", json=body, expect=204)
        await until(lambda: "left" in one.told)
        one.joined = {}
        await one.join(mode="crowd")
        kicked = await ask("POST", f"/v1/admin/players/{bot_player(2)}/kick", json=WHY)
        assert (len(kicked["matches"]), kicked["sockets"]) == (1, 1)
        assert await closed(one) == (4007, "he asked")
    async with client(stack, second, 2) as one:
        await one.join(mode="crowd")


async def _bans(stack: Stack, first: Node, second: Node, ask: Any, ask_second: Any) -> None:
    path = f"/v1/admin/players/{bot_player(3)}/ban"
    async with client(stack, second, 3) as one:
        await one.join(mode="crowd")
        until_ms = int(time.time() * 1000) + 600_000
        began = time.monotonic()
        await ask("PUT", path, json={"until_ms": until_ms, **WHY})
        code, reason = await closed(one)
        print(f"socket on the other node closed after {(time.monotonic() - began) * 1000:.0f} ms")
        assert code == 4008 and reason is not None
        assert reason.startswith("banned until ") and reason.endswith("UTC: he asked")
    for node in (first, second):
        with pytest.raises(InvalidStatus) as refused:
            async with client(stack, node, 3):
                pass
        assert refused.value.response.status_code == 403
        assert b"banned until" in (refused.value.response.body or b"")
    await asyncio.to_thread(stack.kill, second.name)
    await asyncio.to_thread(stack.start, second.name)
    with pytest.raises(InvalidStatus) as refused:
        async with client(stack, second, 3):
            pass
    assert b"he asked" in (refused.value.response.body or b""), "sealed by another process"
    assert [one["player"] for one in (await ask_second("GET", "/v1/admin/bans"))["bans"]] == [
        bot_player(3)
    ]
    await ask("DELETE", f"{path}?reason=mended", expect=204)
    async with asyncio.timeout(60):
        while True:
            try:
                async with client(stack, second, 3) as one:
                    await one.join(mode="crowd")
                    break
            except InvalidStatus:
                await asyncio.sleep(0.05)


async def _ends(stack: Stack, first: Node, second: Node, ask: Any) -> None:
    async with client(stack, second, 4) as one:
        await one.join(mode="crowd")
        match_id = one.joined["match"]
        await ask("POST", f"/v1/admin/matches/{match_id}/end", json=WHY, expect=204)
        await until(lambda: one.told[-1:] == ["left"])
        query = "SELECT kind, data FROM events WHERE match_id = $1 AND kind = $2"
        [row] = await rows(stack.postgres_dsn, query, match_id, "match_closed")
        assert "he asked" not in row["data"], "why is sealed"
        query = "SELECT reason FROM matches WHERE match_id = $1 AND ended_at IS NOT NULL"
        [row] = await rows(stack.postgres_dsn, query, match_id)
        assert row["reason"] == "abandoned"
