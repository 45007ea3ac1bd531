"""Who is there, asked of all nodes side by side.

operator ─► HTTP API of any node ─► ClusterPeople ─► every node: its sockets, and its matches' seats

Nothing is indexed: an operator's question costs each node a walk over its players, about a
millisecond for a few thousand, and costs nothing while nobody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from gameserver.cluster.calls import ask_all
from gameserver.ids import MatchId, PlayerId
from gameserver.matchmaking_ports import NodeCalls
from gameserver.operating import Seated
from gameserver.ports import Identity
from gameserver.watching import Gathered, SeatOf, Seen

TOPIC = "people"

SeatedIn = tuple[MatchId, str, Seated]
"""A match, its game, and who sits in it."""


class Ask(msgspec.Struct, array_like=True, frozen=True):
    """``player``: this one; else those whose id or name holds ``text``."""

    text: str
    player: PlayerId
    limit: int


_encode = msgspec.msgpack.Encoder().encode
_decode_ask = msgspec.msgpack.Decoder(Ask).decode
_decode_seen = msgspec.msgpack.Decoder(list[Seen]).decode


class ClusterPeople:
    """Implements ``watching.People``. ``sessions``: who has a socket here; ``seats``: of matches
    here; ``peers``: the names of the other nodes."""

    def __init__(
        self,
        *,
        node: str,
        calls: NodeCalls,
        peers: Callable[[], set[str]],
        sessions: Callable[[], Iterable[Identity]],
        seats: Callable[[], Iterable[SeatedIn]],
    ) -> None:
        self._node = node
        self._calls = calls
        self._peers = peers
        self._sessions = sessions
        self._seats = seats
        calls.serve(TOPIC, self._asked)

    async def find(self, text: str, *, limit: int) -> Gathered:
        """See ``People``."""
        return await self._gather(Ask(text.casefold(), PlayerId(""), limit + 1), limit)

    async def get(self, player_id: PlayerId) -> Gathered:
        """See ``People``."""
        return await self._gather(Ask("", player_id, 1), 1)

    async def _gather(self, ask: Ask, limit: int) -> Gathered:
        nodes = {self._node, *self._peers()}
        answers, silent = await ask_all(self._calls, nodes, TOPIC, _encode(ask))
        found: dict[PlayerId, Seen] = {}
        for answer in answers:
            for one in _decode_seen(answer):
                found[one.player] = _together(found.get(one.player), one)
        people = sorted(found.values(), key=lambda one: (one.name.casefold(), one.player))
        return Gathered(people=people[:limit], silent=silent, more=len(people) > limit)

    async def _asked(self, body: bytes) -> bytes:
        ask = _decode_ask(body)
        found: dict[PlayerId, Seen] = {}
        for one in self._here():
            if one.player not in found and len(found) >= ask.limit:
                continue
            if _means(ask, one):
                found[one.player] = _together(found.get(one.player), one)
        return _encode(list(found.values()))

    def _here(self) -> Iterator[Seen]:
        for identity in self._sessions():
            yield Seen(identity.player_id, identity.name, [self._node], [])
        for match, game, seat in self._seats():
            where = SeatOf(match, game, self._node, seat.connected)
            yield Seen(seat.player, seat.name, [], [where])


def _means(ask: Ask, one: Seen) -> bool:
    if ask.player:
        return one.player == ask.player
    return ask.text in one.name.casefold() or ask.text in one.player.casefold()


def _together(known: Seen | None, more: Seen) -> Seen:
    if known is None:
        return more
    return Seen(
        known.player,
        known.name,
        known.sockets + [node for node in more.sockets if node not in known.sockets],
        known.seats + more.seats,
    )
