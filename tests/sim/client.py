"""A simulated player: joins on any node, plays, loses the connection, comes back, leaves.

``Client`` is the player's side and belongs to no process. ``Session`` is what its node has of it,
and runs in that node's process: while the node is stopped it hears and does nothing.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from gameserver.errors import JoinRefused, Unavailable
from gameserver.game.contract import LeaveReason
from gameserver.ids import MatchId, PlayerId
from gameserver.ports import Identity, Seated, SeatHandle
from gameserver.wire import from_client, to_client
from gameserver.wire.frame import Broadcast, Frame
from tests.sim.games import Add

if TYPE_CHECKING:
    from tests.sim.node import Node
    from tests.sim.world import World

KINDS = (("tally", "four"), ("tally", "two"), ("turns", "four"))
ANSWER_S = 4.0
SILENT_S = 6.0
"""A client that hears nothing for so long gives its connection up."""
_WIRE_S = 0.001


class Client:
    """One player, with one connection at a time."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.framed_at = world.loop.time()
        self._world = world
        self._random = random.Random(f"{world.seed}{name}")
        self._identity = Identity(
            player_id=PlayerId(name), name=name, groups=(), expires_ms=0, token_use="access"
        )
        self._match = ""
        self._resume: from_client.Resume | None = None
        self._retired = False

    def retire(self) -> None:
        """Play no more."""
        self._retired = True

    async def play(self) -> None:
        """Until retired."""
        while not self._retired:
            if self._world.open_nodes:
                await self._connect(self._random.choice(self._world.open_nodes))
            await asyncio.sleep(0.05 + self._random.random() * 0.5)

    async def _connect(self, node: Node) -> None:
        session = Session(self, self._world, node)
        joining = node.process.spawn(session.join(self._request(), self._identity))
        joining.add_done_callback(self._world.task_done)
        await asyncio.wait(
            {joining, node.process.gone},
            timeout=ANSWER_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if session.seated is not None:
            await self._sit(node, session, session.seated)
        elif session.refusal in ("unknown_match", "match_full", "refused", "already_joined"):
            self._match, self._resume = "", None
        session.hang_up()

    def _request(self) -> from_client.Join:
        if self._match:
            return from_client.Join(match=self._match, resume=self._resume)
        game, mode = self._random.choice(KINDS)
        return from_client.Join(game=game, mode=mode)

    async def _sit(self, node: Node, session: Session, seated: Seated) -> None:
        loop, chance = self._world.loop, self._random
        self._match = seated.joined.match
        self.framed_at = loop.time()
        seq = seated.joined.input_seq
        until = loop.time() + chance.random() * 12
        while node.process.alive and session.reason is None and not self._retired:
            now = loop.time()
            if now > min(until, node.moves_at) or now > self.framed_at + SILENT_S:
                break
            seq += 1
            session.send(seq, Add(1 + chance.randrange(4)))
            await asyncio.sleep(0.02 + chance.random() * 0.2)
        self._resume = from_client.Resume(session.epoch, session.seq)
        if session.reason in ("ended", "over", "lost"):
            self._match, self._resume = "", None
        elif node.process.alive and session.reason is None:
            if self._retired or chance.random() < 0.3:
                session.leave()
                self._match, self._resume = "", None
            elif chance.random() < 0.2:
                session.hang_up()
                await asyncio.sleep(chance.random() * 6)


class Session:
    """Implements ``ports.Subscriber``, as ``gameserver.session`` does, for one connection."""

    line = None

    def __init__(self, client: Client, world: World, node: Node) -> None:
        self.seated: Seated | None = None
        self.refusal = ""
        self.reason: str | None = None
        self.epoch = 0
        self.seq = 0
        self._client = client
        self._world = world
        self._node = node
        self._match = MatchId("")
        self._handle: SeatHandle | None = None
        self._closed = False

    # ── the client's side: what it does arrives a moment later, if the node still runs ───────

    def send(self, seq: int, data: Add) -> None:
        self._node.process.call_later(_WIRE_S, self._input, seq, data)

    def say(self, word: from_client.Word) -> None:
        self._node.process.call_later(_WIRE_S, self._say, word)

    def leave(self) -> None:
        self._closed = True
        self._node.process.call_later(_WIRE_S, self._leave)

    def hang_up(self) -> None:
        """The connection is gone. Idempotent."""
        self._closed = True
        self._node.process.call_later(_WIRE_S, self._gone)

    # ── the node's side ──────────────────────────────────────────────────────────────────────

    async def join(self, request: from_client.Join, identity: Identity) -> None:
        try:
            seated = await self._node.cluster.join(request, identity, self)
        except JoinRefused as refused:
            self.refusal = str(refused.code)
        except Unavailable:
            self.refusal = to_client.ErrorCode.UNAVAILABLE
        else:
            if self._closed:
                seated.handle.detach()
                return
            self._take(seated)

    def _take(self, seated: Seated) -> None:
        joined = seated.joined
        self._handle = seated.handle
        self._match = MatchId(joined.match)
        self.epoch, self.seq = joined.epoch, joined.seq
        # The first frame may be that of the tick that `joined` names.
        self._tell("joined", joined.epoch, joined.tick - 1, joined.seq)
        self.seated = seated
        for missed in seated.missed:
            self.announce(missed)
        if seated.frame is not None:
            self.frame(seated.frame)

    def _input(self, seq: int, data: Add) -> None:
        if self._handle is not None:
            self._handle.input(seq, data)

    def _say(self, word: from_client.Word) -> None:
        if self._handle is not None:
            self._handle.say(word)

    def _leave(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.leave(LeaveReason.LEFT)

    def _gone(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.detach()

    def frame(self, frame: Frame) -> None:
        if self._closed or self.seated is None:
            return
        self._client.framed_at = self._world.loop.time()
        self.epoch = frame.epoch
        self._tell("framed", frame.epoch, frame.tick)
        runner = self._node.service._registry.runners.get(self._match)
        # Who joins a match that stands still is shown how it stands, and told that it does.
        if runner is not None and not runner.still and frame.epoch == runner.play.epoch:
            self._world.shown(self._node.name, self._match, frame.epoch)

    def announce(self, message: Broadcast) -> None:
        if self._closed or self.seated is None or not message.seq:
            return
        self.seq = message.seq
        self._tell("announced", message.seq)

    def tell_alone(self, message: Broadcast) -> None:
        said = message.message
        if not self._closed and isinstance(said, to_client.Said):
            self._tell("line_told", said.number, said.text)

    def polled(self, polled: bool) -> None:
        """There is no socket."""

    def left(self, reason: str) -> None:
        self.reason = reason
        self._handle = None

    def _tell(self, what: str, *values: int | str) -> None:
        # The match guards itself against what subscribers raise, so it goes the other way round.
        try:
            for checker in self._world.checkers:
                getattr(checker, what)(self._client.name, self._match, *values)
        except AssertionError as violated:
            self._world.fail(violated)
