"""The matchmaking store of a history, and players who come by a ticket."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gameserver.errors import TicketRefused, Unavailable
from gameserver.ids import MatchId, PlayerId
from gameserver.matchmaking import Change, Member, Queue, Stage, Ticket, TicketId, TicketView, Wish
from tests.fakes.memory_matchmaking import Line, MemoryMatchmaking
from tests.sim.checkers import Checker
from tests.sim.client import ANSWER_S, Client
from tests.sim.faults import Network, _OfNode

if TYPE_CHECKING:
    from tests.sim.node import Node
    from tests.sim.world import World

QUEUES = (Queue("tally", "ranked"), Queue("tally", "squad"))
PATIENCE_S = 15.0
LOOK_S = 0.4


class WatchedMatchmaking(MemoryMatchmaking):
    """Tells the checkers which tickets wait, and which are matched; by ``tell``, because whoever
    calls the store may guard itself against what it raises."""

    def __init__(
        self,
        now_ms: Callable[[], float],
        checkers: Sequence[Checker],
        tell: Callable[..., None],
    ) -> None:
        super().__init__(now_ms)
        self.checkers = checkers
        self._tell = tell

    def _say(self, line: Line, change: Change | None) -> None:
        super()._say(line, change)
        if change is not None and change.waiting is not None:
            for checker in self.checkers:
                self._tell(checker.waits, change.waiting, self.active())

    def matched(self, line: Line, ticket: TicketId, match: MatchId) -> None:
        super().matched(line, ticket, match)
        for checker in self.checkers:
            self._tell(checker.matched, ticket, match)

    def active(self) -> list[Ticket]:
        """All tickets that wait, or are in a proposal."""
        return [
            ticket
            for line in self.lines.values()
            for ticket in (*line.waiting.values(), *(held for _, held in line.busy.values()))
        ]

    def knows(self, ticket: TicketId) -> bool:
        """Whether anything is known of it."""
        return any(
            ticket in line.waiting or ticket in line.busy or ticket in line.ended
            for line in self.lines.values()
        )

    def under_way(self) -> list[MatchId]:
        """Proposals that have not come to an end."""
        return [pid for line in self.lines.values() for pid in line.proposals]


class FaultyMatchmaking(_OfNode):
    """One node's way to the matchmaking store, which is in the same Redis."""

    def __init__(self, store: MemoryMatchmaking, network: Network, node: str) -> None:
        super().__init__(network, node)
        self._store = store

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)

        async def call(*given: Any, **named: Any) -> Any:
            return await self._call(lambda: method(*given, **named))

        return call


class Seeker(Client):
    """A player who plays what matchmaking gives; now and then impatient, absent, or a stranger who
    tries a match that is not theirs."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._chance = random.Random(f"{world.seed}{name} seeks")
        self._keys = 0

    async def play(self) -> None:
        """Until retired; then the ticket is given up."""
        while not self._retired:
            if self._world.open_nodes:
                match = await self._seek()
                if self._chance.random() < 0.1 and self._world.rumour:
                    match = self._world.rumour
                if match:
                    self._world.rumour = match
                    await self._sit_in(match)
            await asyncio.sleep(0.05 + self._chance.random() * 0.5)
        until = self._world.loop.time() + 20
        while self._world.loop.time() < until:
            await self._ask(lambda node: node.lobby.cancel(self._player))
            await asyncio.sleep(0.5)

    @property
    def _player(self) -> PlayerId:
        return PlayerId(self.name)

    async def _sit_in(self, match: str) -> None:
        """Try for as long as seats are kept."""
        self._match, self._resume = match, None
        for _ in range(4):
            if not self._match or not self._world.open_nodes or self._retired:
                return
            await self._connect(self._chance.choice(self._world.open_nodes))
            await asyncio.sleep(0.2)

    async def _seek(self) -> str:
        """The match of a ticket; empty where it came to nothing."""
        loop, chance = self._world.loop, self._chance
        self._keys += 1
        queue, key = chance.choice(QUEUES), str(self._keys)
        member = Member(self._player)
        until = loop.time() + PATIENCE_S
        seen = ""
        while loop.time() < until and not self._retired:
            # Asked again as long as it is not known whether it was heard: the key is the same.
            view = await self._ask(lambda node: node.lobby.enter(queue, [member], Wish(), key=key))
            if view is not None:
                self._acknowledged(view)
                stage = view.standing.stage
                if stage is Stage.READY_CHECK and chance.random() < 0.8:
                    ready = chance.random() < 0.9
                    await self._ask(lambda node, r=ready: node.lobby.answer(self._player, ready=r))
                if view.standing.match is not None:
                    self._told(view, view.standing.match)
                    return view.standing.match
                if stage in (Stage.CANCELLED, Stage.DECLINED, Stage.EXPIRED):
                    return ""
                seen = view.ticket
                if chance.random() < 0.05:
                    return ""  # Forgets it, and takes another one; or plays elsewhere.
            elif chance.random() < 0.2:
                return ""  # Has lost patience, though it may have been heard.
            await asyncio.sleep(LOOK_S * (0.5 + chance.random()))
        if seen:
            await self._ask(lambda node: node.lobby.cancel(self._player))
        return ""

    async def _ask(self, ask: Callable[[Node], Any]) -> TicketView | None:
        """Ask any node; ``None`` where there is no answer, or a refusal."""
        if not self._world.open_nodes:
            return None
        node = self._chance.choice(self._world.open_nodes)
        found: list[TicketView] = []

        async def asking() -> None:
            try:
                found.append(await ask(node))
            except (TicketRefused, Unavailable):
                pass

        task = node.process.spawn(asking())
        task.add_done_callback(self._world.task_done)
        await asyncio.wait(
            {task, node.process.gone}, timeout=ANSWER_S, return_when=asyncio.FIRST_COMPLETED
        )
        return found[0] if found else None

    def _acknowledged(self, view: TicketView) -> None:
        for checker in self._world.checkers:
            self._world._checked(checker.acknowledged, view.ticket)

    def _told(self, view: TicketView, match: MatchId) -> None:
        for checker in self._world.checkers:
            self._world._checked(checker.told_match, self.name, view.ticket, match)
