"""What operators ask of the whole cluster: carried to the node that has the match, or to all.

operator ─► HTTP API of any node ─► ClusterOperations ─┬─ here ──► MatchDesk
                                                       └─ Ask ───► the owner's MatchDesk
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from gameserver.cluster.calls import Calls, ask_all
from gameserver.cluster.peers import READY, Peers
from gameserver.errors import NodeSilent
from gameserver.ids import MatchId, PlayerId
from gameserver.operating import (
    LAST_NODE,
    UNKNOWN_MATCH,
    UNKNOWN_NODE,
    Kicked,
    MatchDetail,
    OperationRefused,
)
from gameserver.ports import MatchStore, NodeInfo

TOPIC = "operate"


class MatchDesk(Protocol):
    """The matches of this node; see ``operating.Operations``."""

    def inspect(self, match_id: MatchId) -> MatchDetail: ...
    async def signal(self, match_id: MatchId, message: Any) -> Any: ...
    async def end(self, match_id: MatchId, reason: str) -> None: ...
    def kick(self, match_id: MatchId, player_id: PlayerId) -> None: ...
    def kick_player(self, player_id: PlayerId) -> list[MatchId]: ...


class Inspect(msgspec.Struct, array_like=True, tag=1, frozen=True):
    match: MatchId


class Signal(msgspec.Struct, array_like=True, tag=2, frozen=True):
    """``message``: JSON."""

    match: MatchId
    message: bytes


class End(msgspec.Struct, array_like=True, tag=3, frozen=True):
    match: MatchId
    reason: str


class Kick(msgspec.Struct, array_like=True, tag=4, frozen=True):
    match: MatchId
    player: PlayerId


class KickPlayer(msgspec.Struct, array_like=True, tag=5, frozen=True):
    player: PlayerId
    reason: str


class Drain(msgspec.Struct, array_like=True, tag=6, frozen=True):
    """Of the node that is asked."""


Order = Inspect | Signal | End | Kick | KickPlayer | Drain


class Outcome(msgspec.Struct, array_like=True, frozen=True):
    """``code``: why it was refused, or empty; ``value``: the answer."""

    code: str = ""
    message: str = ""
    value: bytes = b""


_encode = msgspec.msgpack.Encoder().encode
_decode_order = msgspec.msgpack.Decoder(Order).decode
_decode_outcome = msgspec.msgpack.Decoder(Outcome).decode
_decode_detail = msgspec.msgpack.Decoder(MatchDetail).decode
_decode_kicked = msgspec.msgpack.Decoder(Kicked).decode


class ClusterOperations:
    """Implements ``operating.Operations``. ``info``: what this node says of itself; ``runs``:
    whether a match is played here; ``close_sockets``: closes a player's sockets here, and says how
    many; ``drain``: lets this node begin to drain."""

    def __init__(
        self,
        *,
        node: str,
        desk: MatchDesk,
        store: MatchStore,
        peers: Peers,
        calls: Calls,
        info: Callable[[], NodeInfo],
        runs: Callable[[MatchId], bool],
        close_sockets: Callable[[PlayerId, str], int],
        drain: Callable[[], None],
    ) -> None:
        self._node = node
        self._desk = desk
        self._store = store
        self._peers = peers
        self._calls = calls
        self._info = info
        self._runs = runs
        self._close_sockets = close_sockets
        self._drain = drain
        calls.serve(TOPIC, self._ordered)

    def nodes(self) -> list[NodeInfo]:
        """See ``Operations``."""
        return sorted([self._info(), *self._peers.infos], key=lambda info: info.name)

    async def inspect(self, match_id: MatchId) -> MatchDetail:
        """See ``Operations``."""
        return _decode_detail(await self._order(match_id, Inspect(match_id)))

    async def signal(self, match_id: MatchId, message: Any) -> Any:
        """See ``Operations``."""
        order = Signal(match_id, msgspec.json.encode(message))
        return msgspec.json.decode(await self._order(match_id, order))

    async def end(self, match_id: MatchId, reason: str) -> None:
        """See ``Operations``."""
        await self._order(match_id, End(match_id, reason))

    async def kick(self, match_id: MatchId, player_id: PlayerId) -> None:
        """See ``Operations``."""
        await self._order(match_id, Kick(match_id, player_id))

    async def kick_everywhere(self, player_id: PlayerId, reason: str) -> Kicked:
        """See ``Operations``. All nodes are asked side by side; those that answer have done it,
        also where another one stays silent."""
        order = _encode(KickPlayer(player_id, reason))
        nodes = {self._node, *self._peers.names}
        answers, silent = await ask_all(self._calls, nodes, TOPIC, order)
        kicked = Kicked([], 0)
        for answer in answers:
            there = _decode_kicked(_decode_outcome(answer).value)
            kicked = Kicked(kicked.matches + there.matches, kicked.sockets + there.sockets)
        if silent:
            raise NodeSilent(f"done on all nodes but {', '.join(silent)}, which did not answer")
        return kicked

    async def drain(self, node: str) -> None:
        """See ``Operations``. Two that are drained in the same moment may leave none for as long as
        a new one takes to start: matches wait in Redis."""
        nodes = {info.name: info.state for info in self.nodes()}
        if node not in nodes:
            raise OperationRefused(UNKNOWN_NODE, f"there is no node {node}")
        if nodes[node] != READY:
            return
        if list(nodes.values()).count(READY) == 1:
            raise OperationRefused(LAST_NODE, f"{node} is the only node that takes players")
        await self._calls.call(node, TOPIC, _encode(Drain()))

    async def _order(self, match_id: MatchId, order: Order) -> bytes:
        outcome = _decode_outcome(
            await self._calls.call(await self._owner(match_id), TOPIC, _encode(order))
        )
        if outcome.code:
            raise OperationRefused(outcome.code, outcome.message)
        return outcome.value

    async def _owner(self, match_id: MatchId) -> str:
        if self._runs(match_id):
            return self._node
        holder = await self._store.holder(match_id)
        if holder is None:
            raise OperationRefused(UNKNOWN_MATCH, f"match {match_id} is not known, or over")
        if not holder:
            raise NodeSilent(f"match {match_id} is on its way to another node; try again")
        return holder

    async def _ordered(self, body: bytes) -> bytes:
        try:
            return _encode(Outcome(value=await self._carry_out(_decode_order(body))))
        except OperationRefused as refused:
            return _encode(Outcome(refused.code, refused.message))

    async def _carry_out(self, order: Order) -> bytes:
        match order:
            case Inspect():
                return _encode(self._desk.inspect(order.match))
            case Signal():
                message = msgspec.json.decode(order.message)
                return _json(await self._desk.signal(order.match, message))
            case End():
                await self._desk.end(order.match, order.reason)
            case Kick():
                self._desk.kick(order.match, order.player)
            case KickPlayer():
                matches = self._desk.kick_player(order.player)
                sockets = self._close_sockets(order.player, order.reason)
                return _encode(Kicked(matches, sockets))
            case Drain():
                self._drain()
        return b""


def _json(answer: Any) -> bytes:
    """A game's answer that JSON cannot hold is told as null: what was asked is done."""
    try:
        return msgspec.json.encode(answer)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return b"null"
