"""Players who come by a ticket while the cluster is in trouble, and write down what they are told.

Each takes a ticket over HTTP, asks for it until it is matched, takes the seat over the socket,
plays for a moment, and begins anew; two of them do so as a party. Calls may fail; what was answered
must hold.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

SIZE_MAX = 8
TICKETS, PARTY = "/v1/matchmaking/tickets", "/v1/party"
CALL_S = 5.0
PATIENCE_S = 40.0
GIVE_UPS = 40
LOST_AFTER = 3
"""A ticket that was acknowledged and is unknown so often in a row is lost."""
FAILURES = (aiohttp.ClientError, OSError, TimeoutError, WebSocketException)


class Report(msgspec.Struct, kw_only=True):
    """``told``: for each ticket the matches that its players were told of; ``seated``: seats taken;
    ``together``: matches into which a party came; ``broken``: sentences."""

    told: dict[str, list[str]] = {}
    seated: int = 0
    together: int = 0
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
        self.player = _subject(token)
        self.random = random.Random(seed)
        self.report = to

    async def play(self, until: float) -> None:
        """Until the loop's time ``until``; then the ticket is given up."""
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            mode = self.random.choice(("standard", "duel"))
            ticket = await self.take(TICKETS, mode, until)
            if ticket:
                await self.follow(ticket, min(until, loop.time() + PATIENCE_S))
            await asyncio.sleep(self.random.random())
        await self.give_up()

    async def give_up(self) -> None:
        """Try until there is an answer, or for long: what is left is counted as lost."""
        for _ in range(GIVE_UPS):
            status, _ = await self.call("DELETE", TICKETS)
            if status in (200, 404):
                return
            if status == 409:  # It is in a ready check or on its way into a match.
                await self.call("POST", f"{TICKETS}/ready", json={"ready": False})
            await asyncio.sleep(0.5)

    async def take(self, path: str, mode: str, until: float) -> str:
        """A ticket that was acknowledged; empty where there is none."""
        body = {"game": "arena", "mode": mode, "key": f"{self.random.random()}"}
        while asyncio.get_running_loop().time() < until:
            status, seen = await self.call("POST", path, json=body)
            if status == 201:
                return str(seen["ticket"])
            if 400 <= status < 500 and status != 429:
                return ""  # An earlier ticket is still at it, a penalty runs, the party has gone.
            await asyncio.sleep(0.3 + self.random.random() / 2)
        return ""

    async def follow(self, ticket: str, until: float) -> str:
        """Ask for the ticket to its end, and take the seat; the match."""
        match = await self._follow(ticket, until)
        if match:
            await self._sit(match)
            await self._look_again(ticket)
        else:
            await self.call("DELETE", TICKETS)
        return match

    async def _follow(self, ticket: str, until: float) -> str:
        unknown = 0
        while asyncio.get_running_loop().time() < until:
            status, seen = await self.call("GET", TICKETS)
            if status == 404:
                self.report.broken.append(f"ticket {ticket} is forgotten")
                return ""
            if status == 200:
                state = seen["state"]
                if seen["ticket"] != ticket:
                    self.report.broken.append(f"{ticket} has become {seen['ticket']}")
                    return ""
                unknown = unknown + 1 if state == "unknown" else 0
                if unknown >= LOST_AFTER:
                    self.report.broken.append(f"ticket {ticket} is lost")
                    return ""
                if state == "ready_check":
                    ready = {"ready": self.random.random() < 0.9}
                    await self.call("POST", f"{TICKETS}/ready", json=ready)
                elif state == "matched":
                    return self._told(ticket, seen["match"])
                elif state in ("cancelled", "declined", "expired"):
                    return ""
            await asyncio.sleep(0.3 + self.random.random() / 2)
        return ""

    async def _look_again(self, ticket: str) -> None:
        """It is the same match still, also if the queue has had another master since."""
        status, seen = await self.call("GET", TICKETS)
        if status == 200 and seen["ticket"] == ticket:
            if seen["state"] == "matched":
                self._told(ticket, seen["match"])
            else:
                self.report.broken.append(f"ticket {ticket} was matched and is {seen['state']}")

    def _told(self, ticket: str, match: str) -> str:
        self.report.told.setdefault(ticket, []).append(match)
        return match

    async def call(self, method: str, path: str, **given: Any) -> tuple[int, Any]:
        """Status and body; status 0 where there is no answer."""
        try:
            async with asyncio.timeout(CALL_S):
                async with self._http.request(
                    method, path, headers=self._headers, **given
                ) as answer:
                    return answer.status, await answer.json()
        except FAILURES:
            self.report.failed_calls += 1
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
                    self.report.seated += 1
                    await asyncio.sleep(self.random.random() * 3)
                    await socket.send(json.dumps({"type": "leave", "ref": 2}))
                    return True
                if message["type"] == "error":
                    code = message["code"]
                    self.report.refused[code] = self.report.refused.get(code, 0) + 1
                    return code in ("unknown_match", "match_full")  # Too late: it has gone on.
        return False


class Duo:
    """Two players in a party, which queues as one."""

    def __init__(self, leader: Seeker, mate: Seeker) -> None:
        self._leader = leader
        self._mate = mate
        self._formed = False

    async def play(self, until: float) -> None:
        """Until the loop's time ``until``."""
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            if not await self._is_formed():
                await asyncio.sleep(0.5)
                continue
            ticket = await self._leader.take(f"{PARTY}/ticket", "standard", until)
            if ticket:
                end = min(until, loop.time() + PATIENCE_S)
                matches = await asyncio.gather(
                    self._leader.follow(ticket, end), self._mate.follow(ticket, end)
                )
                self._leader.report.together += bool(matches[0]) and matches[0] == matches[1]
            if self._leader.random.random() < 0.3:
                self._formed = False
                await self._mate.call("POST", f"{PARTY}/leave")
        await self._leader.give_up()
        await self._mate.give_up()

    async def _is_formed(self) -> bool:
        """A party that was formed stays so; else form it."""
        one, other = self._leader, self._mate
        status, seen = await one.call("GET", PARTY)
        if status == 200 and set(seen["members"]) == {one.player, other.player}:
            self._formed = True
            return True
        if self._formed and status in (200, 404):
            self._formed = False
            one.report.broken.append(f"a party is lost: {status} {seen}")
        if status == 404:
            await one.call("POST", PARTY)
        elif status == 200:
            party = seen["id"]
            await one.call("POST", f"{PARTY}/invites", json={"player": other.player})
            await other.call("POST", f"/v1/invitations/{party}/accept")
        return False


def _subject(token: str) -> str:
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["sub"])


async def run(given: argparse.Namespace) -> Report:
    """All players at once; the first two are a party."""
    report = Report()
    until = asyncio.get_running_loop().time() + given.seconds
    async with aiohttp.ClientSession(given.api) as http:
        one, two, *others = (
            Seeker(http, given.ws, token, f"{given.seed}/{n}", report)
            for n, token in enumerate(given.tokens.read_text().split())
        )
        await asyncio.gather(*(each.play(until) for each in (Duo(one, two), *others)))
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
