"""Sessions of all nodes, and letters that wait, in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gameserver.ids import PlayerId, SessionId
from gameserver.notification import Letter
from gameserver.whereabouts import LETTERS_MAX, Claim, Claimed, Connected, How


class MemoryConnected:
    """Implements ``whereabouts.ConnectedStore``. ``failure`` is raised by every call; ``now_ms``:
    the time by which leases end."""

    def __init__(self, now_ms: Callable[[], float]) -> None:
        self.failure: Exception | None = None
        self.calls = 0
        self._now_ms = now_ms
        self._entries: dict[PlayerId, tuple[float, Connected]] = {}
        self._letters: dict[PlayerId, list[tuple[float, Letter]]] = {}

    async def claim(self, claims: Sequence[Claim], *, ttl_ms: int) -> list[Claimed]:
        self._call()
        return [self._claim(one, ttl_ms) for one in claims]

    async def release(self, sessions: Sequence[tuple[PlayerId, SessionId]]) -> None:
        self._call()
        for player, session in sessions:
            there = self._there(player)
            if there is not None and there.session == session:
                del self._entries[player]

    async def find(self, players: Sequence[PlayerId]) -> list[Connected | None]:
        self._call()
        return [self._there(player) for player in players]

    async def post(
        self, player_id: PlayerId, letter: Letter, *, gone: str = ""
    ) -> Connected | None:
        self._call()
        there = self._there(player_id)
        if there is not None and there.session != gone:
            return there
        if letter.keep_ms:
            kept = [*self._waiting(player_id), (self._now_ms() + letter.keep_ms, letter)]
            self._letters[player_id] = kept[-LETTERS_MAX:]
        return None

    async def collect(self, players: Sequence[PlayerId]) -> list[list[Letter]]:
        self._call()
        found = [[letter for _, letter in self._waiting(player)] for player in players]
        for player in players:
            self._letters.pop(player, None)
        return found

    def _claim(self, claim: Claim, ttl_ms: int) -> Claimed:
        own, other = claim.connected, self._there(claim.player_id)
        won = True
        if other is not None and other.session == own.session:
            other = None
        if other is not None and claim.how is How.LATER:
            won = own.since_ms > other.since_ms
        if other is not None and claim.how is How.FREE:
            won = other.session == claim.instead_of or own.client == other.client != ""
        if won:
            self._entries[claim.player_id] = (self._now_ms() + ttl_ms, own)
        return Claimed(won=won, other=other, letters=bool(self._letters.get(claim.player_id)))

    def _there(self, player: PlayerId) -> Connected | None:
        until_ms, there = self._entries.get(player, (0.0, None))
        return there if until_ms > self._now_ms() else None

    def _waiting(self, player: PlayerId) -> list[tuple[float, Letter]]:
        now_ms = self._now_ms()
        return [each for each in self._letters.get(player, []) if each[0] > now_ms]

    def _call(self) -> None:
        self.calls += 1
        if self.failure is not None:
            raise self.failure
