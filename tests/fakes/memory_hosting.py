"""Codes and passwords in memory, and a host who knows what was asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gameserver.games.arena import Arena
from gameserver.hosting import BAD_CODE, CodeEntry, Created, HostRefused, Wanted, check_terms
from gameserver.ids import MatchId, PlayerId
from gameserver.listing import Visibility
from gameserver.ports import Identity


class MemoryCodes:
    """Implements ``hosting.CodeStore``; ``failure`` is raised by every method."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.entries: dict[str, tuple[float, CodeEntry]] = {}
        self._counts: dict[str, tuple[float, int]] = {}

    async def claim(self, code: str, entry: CodeEntry, *, ttl_ms: int) -> bool:
        if await self.find(code) is not None:
            return False
        self.entries[code] = (self._now() + ttl_ms / 1000, entry)
        return True

    async def find(self, code: str) -> CodeEntry | None:
        until, entry = self.entries.get(code, (0.0, None))
        return entry if self._now() < until else None

    async def keep(self, code: str, entry: CodeEntry, *, ttl_ms: int) -> None:
        found = await self.find(code)
        if found is None or found.match == entry.match:
            self.entries[code] = (self._now() + ttl_ms / 1000, entry)

    async def release(self, code: str, match_id: MatchId) -> None:
        found = await self.find(code)
        if found is not None and found.match == match_id:
            del self.entries[code]

    async def spend(self, key: str, *, window_ms: int) -> int:
        until, count = self._counts.get(key, (0.0, 0))
        if self._now() >= until:
            until, count = self._now() + window_ms / 1000, 0
        self._counts[key] = (until, count + 1)
        return count + 1

    async def refund(self, key: str) -> None:
        until, count = self._counts.get(key, (0.0, 0))
        if self._now() < until:
            self._counts[key] = (until, count - 1)

    def _now(self) -> float:
        if self.failure is not None:
            raise self.failure
        return asyncio.get_running_loop().time()


class PlainPasswords:
    """Implements ``hosting.Passwords`` without the work."""

    async def hashed(self, password: str) -> str:
        return f"hash of {password}"

    async def fits(self, password: str, stored: str) -> bool:
        return stored == f"hash of {password}"


class MemoryHosting:
    """Implements ``hosting.Hosting``: codes by ``codes``, refusals by ``refusal``."""

    def __init__(self) -> None:
        self.wanted: list[tuple[Wanted, PlayerId]] = []
        self.codes: dict[tuple[str, str], str] = {}
        self.guests: set[tuple[str, str]] = set()
        self.networks: list[str] = []
        self.brought: list[tuple[str, ...]] = []
        self.refusal: HostRefused | None = None
        self.failure: Exception | None = None

    async def create(self, wanted: Wanted, identity: Identity) -> Created:
        self._check()
        if wanted.game != "arena":
            raise HostRefused("unknown_game", f"there is no game {wanted.game!r}")
        mode, _, players_max = check_terms(wanted, Arena())
        self.wanted.append((wanted, identity.player_id))
        private = wanted.visibility is Visibility.PRIVATE
        return Created(
            match=MatchId(f"new{len(self.wanted)}"),
            mode=mode,
            players_max=players_max,
            code="ACDEFG" if private else "",
            reserved_until_ms=wanted.reserve_ms,
        )

    async def join_by_code(
        self, code: str, password: str, identity: Identity, *, network: str = ""
    ) -> tuple[MatchId, int]:
        self._check()
        self.networks.append(network)
        match = self.codes.get((code, password))
        if match is None:
            raise HostRefused(BAD_CODE, "the code or the password is wrong")
        return MatchId(match), 60_000

    async def bring(self, match_id: MatchId, players: Sequence[PlayerId]) -> int:
        self._check()
        self.brought.append((match_id, *players))
        return 60_000

    async def is_guest(self, match_id: MatchId, player_id: PlayerId) -> bool:
        self._check()
        return (match_id, player_id) in self.guests

    def _check(self) -> None:
        for error in (self.refusal, self.failure):
            if error is not None:
                raise error
