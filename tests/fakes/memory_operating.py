"""Operators' services in memory: bans, the record of calls, and matches that know what they did."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import msgspec

from gameserver.ids import MatchId, PlayerId
from gameserver.operating import (
    LAST_NODE,
    NOT_SEATED,
    UNKNOWN_MATCH,
    UNKNOWN_NODE,
    AuditRecord,
    Ban,
    Kicked,
    MatchDetail,
    OnBan,
    OperationRefused,
    Seated,
)
from gameserver.ports import NodeInfo


class MemoryBanStore:
    """Implements ``operating.BanStore``; ``failure`` is raised by every method but ``opened``.
    ``sealing``: reasons have to be opened, which hangs while ``keys`` is not set."""

    def __init__(self) -> None:
        self.sealing = False
        self.keys = asyncio.Event()
        self.keys.set()
        self.opens = 0
        self.bans: dict[PlayerId, Ban] = {}
        self.changes = 0
        self.failure: Exception | None = None

    async def put(self, ban: Ban) -> Ban:
        self._check()
        self.changes += 1
        if self.sealing:
            ban = msgspec.structs.replace(ban, sealed=b"%d" % self.changes)
        self.bans[ban.player] = ban
        return ban

    async def opened(self, ban: Ban) -> Ban:
        if ban.reason or not ban.sealed:
            return ban
        self.opens += 1
        await self.keys.wait()
        return self.bans[ban.player]

    async def remove(self, player_id: PlayerId) -> bool:
        self._check()
        if self.bans.pop(player_id, None) is None:
            return False
        self.changes += 1
        return True

    async def version(self) -> int:
        self._check()
        return self.changes

    async def read(self, *, now_ms: int) -> tuple[int, list[Ban]]:
        self._check()
        self.bans = {player: ban for player, ban in self.bans.items() if ban.holds(now_ms)}
        return self.changes, [
            msgspec.structs.replace(ban, reason="", told="banned") if ban.sealed else ban
            for ban in self.bans.values()
        ]

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure


class MemoryBans:
    """Implements ``operating.Bans`` for one node that has no others."""

    def __init__(self) -> None:
        self.bans: dict[PlayerId, Ban] = {}
        self._listeners: list[OnBan] = []

    def of(self, player_id: PlayerId) -> Ban | None:
        return self.bans.get(player_id)

    def all(self) -> Sequence[Ban]:
        return list(self.bans.values())

    async def opened(self, bans: Sequence[Ban]) -> list[Ban]:
        return list(bans)

    async def ban(self, ban: Ban) -> None:
        self.bans[ban.player] = ban
        for listener in self._listeners:
            listener(ban)

    async def lift(self, player_id: PlayerId) -> bool:
        return self.bans.pop(player_id, None) is not None

    def listen(self, listener: OnBan) -> None:
        self._listeners.append(listener)


class MemoryAudit:
    """Implements ``operating.AuditLog``; ``failure`` is raised by every method."""

    def __init__(self) -> None:
        self.records: list[tuple[str, AuditRecord]] = []
        self.failure: Exception | None = None
        self._numbers = itertools.count(1)

    async def add(self, record: AuditRecord) -> None:
        if self.failure is not None:
            raise self.failure
        self.records.append((f"{next(self._numbers)}-0", record))

    async def page(self, before: str, limit: int) -> list[tuple[str, AuditRecord]]:
        if self.failure is not None:
            raise self.failure
        newest = [
            (name, record) for name, record in reversed(self.records) if _key(name) < _key(before)
        ]
        return newest[:limit]


def _key(name: str) -> tuple[float, float]:
    if not name:
        return (float("inf"), 0)
    at, _, number = name.partition("-")
    return int(at), int(number)


class MemoryOperations:
    """Implements ``operating.Operations`` over ``matches``, whose players are ``ann``."""

    def __init__(self) -> None:
        self.matches: set[str] = set()
        self.alone = False
        self.done: list[tuple[str, ...]] = []
        self.failure: Exception | None = None

    def nodes(self) -> list[NodeInfo]:
        return [
            NodeInfo(name="n1", state="ready", load=0.25, sessions=3, matches=2, players=3, open=[])
        ]

    async def inspect(self, match_id: MatchId) -> MatchDetail:
        self._check(match_id)
        return MatchDetail(
            id=match_id,
            game="arena",
            mode="standard",
            node="n1",
            epoch=5,
            tick=40,
            state="running",
            created_ms=1,
            players_max=8,
            players=[Seated(PlayerId("ann"), "Ann", 0, True)],
            events=3,
            uncommitted=0,
            view=b'{"phase":"play"}',
            game_state=None,
        )

    async def signal(self, match_id: MatchId, message: Any) -> Any:
        self._check(match_id, "signal", msgspec.json.encode(message).decode())
        return {"heard": message}

    async def end(self, match_id: MatchId, reason: str) -> None:
        self._check(match_id, "end", reason)

    async def kick(self, match_id: MatchId, player_id: PlayerId) -> None:
        self._check(match_id, "kick", player_id)
        if player_id != "ann":
            raise OperationRefused(NOT_SEATED, f"{player_id} has no seat in match {match_id}")

    async def kick_everywhere(self, player_id: PlayerId, reason: str) -> Kicked:
        if self.failure is not None:
            raise self.failure
        self.done.append(("kick_everywhere", player_id, reason))
        return Kicked([MatchId("m1")], 2)

    async def drain(self, node: str) -> None:
        if self.failure is not None:
            raise self.failure
        if node != "n1":
            raise OperationRefused(UNKNOWN_NODE, f"there is no node {node}")
        if self.alone:
            raise OperationRefused(LAST_NODE, f"{node} is the only node that takes players")
        self.done.append(("drain", node))

    def _check(self, match_id: MatchId, *call: str) -> None:
        if self.failure is not None:
            raise self.failure
        if match_id not in self.matches:
            raise OperationRefused(UNKNOWN_MATCH, f"match {match_id} is not known, or over")
        if call:
            self.done.append((*call, match_id))
