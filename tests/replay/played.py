"""Matches of the bundled games, played by random players over the fakes, and their recordings."""

from __future__ import annotations

import asyncio
from typing import Any

from gameserver.errors import JoinRefused
from gameserver.game.contract import AnyGame, LeaveReason
from gameserver.game.random import SeededRandom
from gameserver.game.random_input import input_maker
from gameserver.games.arena import Arena
from gameserver.games.echo import Echo
from gameserver.games.liars_dice import LiarsDice
from gameserver.ports import Seated
from gameserver.replay.player import Checked, Replay
from gameserver.replay.recording import Recording
from gameserver.wire.event_record import Chunk
from tests.fakes.memory_queue import MemorySink
from tests.match.house import House, Watcher


class RecordedArena(Arena):
    recorded = True


class RecordedDice(LiarsDice):
    recorded = True


class RecordedEcho(Echo):
    recorded = True


GAMES: dict[str, AnyGame] = {
    "arena": RecordedArena(),
    "liars_dice": RecordedDice(),
    "echo": RecordedEcho(),
}


class Table:
    """Players at one match, which moves from node to node."""

    def __init__(self, seed: int, game: str, mode: str, games: dict[str, AnyGame] = GAMES) -> None:
        self.random = SeededRandom(seed)
        self.game = game
        self.mode = mode
        self.games = games
        self.match = ""
        self.seated: dict[str, Seated] = {}
        self._make = input_maker(games[game].Input)
        self._seq: dict[str, int] = {}

    async def play(self, house: House, seconds: float) -> None:
        """Come, go and send anything, for so long or until the match is over."""
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            await self._come_and_go(house)
            if self.match and not house.service.runs(self.match):  # type: ignore[arg-type]
                return
            for player, seated in self.seated.items():
                for _ in range(self.random.choice((0, 1, 1, 2))):
                    seq = self._seq[player] = self._seq.get(player, 0) + 1
                    seated.handle.input(seq, self._make(self.random))
            await asyncio.sleep(self.random.between(1, 90) / 1000)

    async def _come_and_go(self, house: House) -> None:
        chance = self.random.below(100)
        if chance < 12 or len(self.seated) < 2:
            await self._join(house, f"p{self.random.below(8)}")
        elif chance < 14 and len(self.seated) > 2:
            player = self.random.choice(sorted(self.seated))
            self.seated.pop(player).handle.leave(LeaveReason.LEFT)

    async def _join(self, house: House, player: str) -> None:
        if player in self.seated:
            return
        try:
            seated, _ = await house.join(
                player, self.game, self.mode, match=self.match, watcher=Watcher()
            )
        except JoinRefused:
            return
        self.match = seated.joined.match
        self.seated[player] = seated
        self._seq[player] = max(self._seq.get(player, 0), seated.joined.input_seq)

    async def find_again(self, house: House) -> None:
        """After a failover: whoever sat there comes back to the new owner."""
        players, self.seated = sorted(self.seated), {}
        for player in players:
            await self._join(house, player)


async def played(
    seed: int,
    game: str,
    mode: str = "",
    *,
    failovers: int = 1,
    seconds: float = 6.0,
    games: dict[str, AnyGame] = GAMES,
    **config: Any,
) -> list[Chunk]:
    """The chunks of one match, whose owner is lost ``failovers`` times."""
    table = Table(seed, game, mode or next(iter(games[game].modes)), games)
    config = {"grace_ms": 1_000, "empty_match_ms": 1_000, **config}
    house = House(node="n1", games=games, **config)
    await house.service.start()
    await table.play(house, seconds)
    for number in range(2, failovers + 2):
        other = House(
            node=f"n{number}", games=games, store=house.store, queue=house.queue, **config
        )
        await house.service.stop()
        house = other
        await house.service.start()
        await asyncio.sleep(3)  # The lease runs out, and the sweep finds the match.
        await table.find_again(house)
        await table.play(house, seconds)
    for seated in table.seated.values():
        seated.handle.leave(LeaveReason.LEFT)
    await asyncio.sleep(10)
    await house.service.stop()
    sink = MemorySink()
    sink.drain(house.queue)
    return sink.recording(table.match)


def replayed(chunks: list[Chunk], game: AnyGame) -> list[Checked]:
    """What a replay says of each section."""
    replay = Replay(Recording(chunks), game)
    return [moment for moment in replay.run() if isinstance(moment, Checked)]
