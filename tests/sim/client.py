"""A simulated player: joins, plays, loses the connection, comes back, leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gameserver.errors import JoinRefused, Unavailable
from gameserver.game.contract import LeaveReason
from gameserver.ids import MatchId, PlayerId
from gameserver.ports import Identity, Seated
from gameserver.wire import from_client
from gameserver.wire.frame import Broadcast, Frame
from tests.sim.games import Add

if TYPE_CHECKING:
    from tests.sim.world import Node, World

KINDS = (("tally", "four"), ("tally", "two"), ("turns", "four"))


class Client:
    """Implements ``ports.Subscriber``; one connection at a time."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.framed_at = 0.0
        self._world = world
        self._random = world.random.__class__(f"{world.seed}{name}")
        self._match = ""
        self._resume: from_client.Resume | None = None
        self._retired = False

    def retire(self) -> None:
        """Play no more."""
        self._retired = True

    async def play(self) -> None:
        """Until retired."""
        identity = Identity(
            player_id=PlayerId(self.name),
            name=self.name,
            groups=(),
            expires_ms=0,
            token_use="access",
        )
        while not self._retired:
            node = self._random.choice(self._world.alive)
            connection = Connection(self, self._world)
            try:
                seated = await node.service.join(self._request(), identity, connection)
            except JoinRefused as refused:
                if refused.code in ("unknown_match", "match_full", "refused", "already_joined"):
                    self._match, self._resume = "", None
            except Unavailable:
                pass
            except asyncio.CancelledError:
                # The node was killed under the join; to a client its connection is lost.
                task = asyncio.current_task()
                if node.alive or (task is not None and task.cancelling()):
                    raise
            else:
                await self._sit(node, connection, seated)
            await asyncio.sleep(0.05 + self._random.random() * 0.5)

    def _request(self) -> from_client.Join:
        if self._match:
            return from_client.Join(match=self._match, resume=self._resume)
        game, mode = self._random.choice(KINDS)
        return from_client.Join(game=game, mode=mode)

    async def _sit(self, node: Node, connection: Connection, seated: Seated) -> None:
        world, joined = self._world, seated.joined
        match_id = self._match = MatchId(joined.match)
        connection.sit(match_id, joined.epoch, joined.tick, joined.seq)
        for missed in seated.missed:
            connection.announce(missed)
        seq = joined.input_seq
        until = world.loop.time() + self._random.random() * 12
        while node.alive and connection.reason is None and world.loop.time() < until:
            if self._retired:
                break
            seq += 1
            seated.handle.input(seq, Add(1 + self._random.randrange(4)))
            await asyncio.sleep(0.02 + self._random.random() * 0.2)
        self._resume = from_client.Resume(joined.epoch, connection.seq)
        if connection.reason == "ended":
            self._match, self._resume = "", None
        elif node.alive and connection.reason is None:
            if self._retired or self._random.random() < 0.3:
                seated.handle.leave(LeaveReason.LEFT)
                self._match, self._resume = "", None
            else:
                seated.handle.detach()
                if self._random.random() < 0.2:
                    await asyncio.sleep(self._random.random() * 6)
        connection.close()


class Connection:
    """What one connection hears, passed on to the checkers."""

    line = None

    def __init__(self, client: Client, world: World) -> None:
        self.reason: str | None = None
        self.seq = 0
        self._client = client
        self._match = MatchId("")
        self._world = world
        self._closed = False

    def sit(self, match_id: MatchId, epoch: int, tick: int, seq: int) -> None:
        self._match, self.seq = match_id, seq
        for checker in self._world.checkers:
            checker.joined(self._client.name, match_id, epoch, tick, seq)

    def close(self) -> None:
        self._closed = True

    def frame(self, frame: Frame) -> None:
        if self._closed:
            return
        self._client.framed_at = self._world.loop.time()
        self._tell("framed", frame.epoch, frame.tick)

    def announce(self, message: Broadcast) -> None:
        if self._closed or not message.seq:
            return
        self.seq = message.seq
        self._tell("announced", message.seq)

    def polled(self, polled: bool) -> None: ...

    def left(self, reason: str) -> None:
        self.reason = reason

    def _tell(self, what: str, *values: int) -> None:
        # The match guards itself against what subscribers raise, so it goes the other way round.
        try:
            for checker in self._world.checkers:
                getattr(checker, what)(self._client.name, self._match, *values)
        except AssertionError as violated:
            self._world.fail(violated)
