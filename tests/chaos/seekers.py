"""Players who come by a ticket while the cluster is in trouble, and write down what they are told.

Each takes a ticket over HTTP, asks for it until it is matched, takes the seat over the socket,
plays for a moment, and begins anew. Calls may fail; what was answered must hold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

SIZE_MAX = 8
TICKETS = "/v1/matchmaking/tickets"
CALL_S = 5.0
PATIENCE_S = 40.0
LOST_AFTER = 3
"""A ticket that was acknowledged and is unknown so often in a row is lost."""
FAILURES = (aiohttp.ClientError, OSError, TimeoutError, WebSocketException)


class Report(msgspec.Struct, kw_only=True):
    """``told``: for each ticket the matches that its player was told of; ``seated``: seats taken;
    ``broken``: sentences."""

    told: dict[str, list[str]] = {}
    seated: int = 0
    refused: dict[str, int] = {}
    failed_calls: int = 0
    broken: list[str] = []


class Seeker:
    """One player."""

    def __init__(
        self, http: aiohttp.ClientSession, ws: str, token: str, seed: str, to: Report
    ) -> None:
        self._http = http
        self._ws = ws
        self._headers = {"Authorization": f"Bearer {token}"}
        self._random = random.Random(seed)
        self._report = to
        self._keys = 0

    async def play(self, until: float) -> None:
        """Until the loop's time ``until``; then the ticket is given up."""
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            match = await self._seek(min(until, loop.time() + PATIENCE_S))
            if match:
                await self._sit(match)
            await asyncio.sleep(self._random.random())
        await self._call("DELETE", TICKETS)

    async def _seek(self, until: float) -> str:
        loop = asyncio.get_running_loop()
        self._keys += 1
        body = {"game": "arena", "mode": self._random.choice(("standard", "duel"))}
        body["key"] = f"{self._random.random()}"
        ticket, unknown = "", 0
        while loop.time() < until:
            if ticket:
                status, seen = await self._call("GET", TICKETS)
            else:
                status, seen = await self._call("POST", TICKETS, json=body)
            if status in (409, 422):
                return ""  # An earlier ticket is still at it, or a penalty runs.
            if status == 404:
                self._report.broken.append(f"ticket {ticket or 'unknown'} is forgotten")
                return ""
            if status in (200, 201):
                state = seen["state"]
                if ticket and seen["ticket"] != ticket:
                    self._report.broken.append(f"{ticket} has become {seen['ticket']}")
                ticket = seen["ticket"]
                unknown = unknown + 1 if state == "unknown" else 0
                if unknown >= LOST_AFTER:
                    self._report.broken.append(f"ticket {ticket} is lost")
                    return ""
                if state == "ready_check":
                    ready = {"ready": self._random.random() < 0.9}
                    await self._call("POST", f"{TICKETS}/ready", json=ready)
                elif state == "matched":
                    self._report.told.setdefault(ticket, []).append(seen["match"])
                    return str(seen["match"])
                elif state in ("cancelled", "declined", "expired"):
                    return ""
            await asyncio.sleep(0.3 + self._random.random() / 2)
        await self._call("DELETE", TICKETS)
        return ""

    async def _call(self, method: str, path: str, **given: Any) -> tuple[int, Any]:
        """Status and body; status 0 where there is no answer."""
        try:
            async with asyncio.timeout(CALL_S):
                async with self._http.request(
                    method, path, headers=self._headers, **given
                ) as answer:
                    return answer.status, await answer.json()
        except FAILURES:
            self._report.failed_calls += 1
            return 0, None

    async def _sit(self, match: str) -> None:
        """Try for as long as seats are kept."""
        for _ in range(8):
            try:
                async with asyncio.timeout(CALL_S):
                    if await self._joined(match):
                        return
            except FAILURES:
                pass
            await asyncio.sleep(0.5)

    async def _joined(self, match: str) -> bool:
        async with connect(
            f"{self._ws}/v1/play",
            subprotocols=["gameserver.v1.json"],  # type: ignore[list-item]
            additional_headers=self._headers,
        ) as socket:
            await socket.send(json.dumps({"type": "join", "ref": 1, "match": match}))
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "joined":
                    self._report.seated += 1
                    await asyncio.sleep(self._random.random() * 3)
                    await socket.send(json.dumps({"type": "leave", "ref": 2}))
                    return True
                if message["type"] == "error":
                    code = message["code"]
                    self._report.refused[code] = self._report.refused.get(code, 0) + 1
                    return code in ("unknown_match", "match_full")  # Too late: it has gone on.
        return False


async def run(given: argparse.Namespace) -> Report:
    """All players at once."""
    report = Report()
    until = asyncio.get_running_loop().time() + given.seconds
    async with aiohttp.ClientSession(given.api) as http:
        seekers = [
            Seeker(http, given.ws, token, f"{given.seed}/{n}", report)
            for n, token in enumerate(given.tokens.read_text().split())
        ]
        await asyncio.gather(*(seeker.play(until) for seeker in seekers))
    return report


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", required=True)
    parser.add_argument("--ws", required=True)
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--report", type=Path, required=True)
    given = parser.parse_args()
    given.report.write_bytes(msgspec.json.encode(asyncio.run(run(given))))


if __name__ == "__main__":
    main()
