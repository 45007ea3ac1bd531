"""Where proposals of matchmaking become matches: on the calmest node of their region."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from gameserver.cluster.calls import Calls
from gameserver.cluster.peers import Peers
from gameserver.errors import Unavailable
from gameserver.ids import MatchId
from gameserver.matchmaking import Booking, Proposal, Queue, Vacancy
from gameserver.ports import LocalMatches, MatchStore

OPEN = "open"


class Order(msgspec.Struct, frozen=True, array_like=True):
    """To the node that shall have the match, or has it (``is_backfill``)."""

    match: MatchId
    booking: Booking
    is_backfill: bool
    arrive_ms: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Order).decode
_YES, _NO = b"1", b"0"


class ClusterVenue:
    """Implements ``matchmaking_ports.Venue``. ``region``: where this node stands, and ``load``
    the share of a core that it uses."""

    def __init__(
        self,
        *,
        node: str,
        region: str,
        local: LocalMatches,
        store: MatchStore,
        peers: Peers,
        calls: Calls,
        load: Callable[[], float],
    ) -> None:
        self._node = node
        self._region = region
        self._local = local
        self._store = store
        self._peers = peers
        self._calls = calls
        self._load = load
        calls.serve(OPEN, self._ordered)

    def vacancies(self) -> Mapping[Queue, Sequence[Vacancy]]:
        """See ``matchmaking_ports.Venue``."""
        return self._local.vacancies()

    async def open(self, queue: Queue, proposal: Proposal, *, arrive_ms: int) -> bool:
        """See ``matchmaking_ports.Venue``. A match whose id somebody holds is asked for there: an
        earlier order may have been carried out."""
        holder = await self._store.holder(proposal.match)
        if proposal.is_backfill and not holder:
            if holder is None:
                return False
            raise Unavailable(f"match {proposal.match} is between two nodes")
        node = holder or self._choose(proposal.region)
        if node is None:
            return False
        half = proposal.spread / 2
        order = Order(
            match=proposal.match,
            booking=Booking(
                queue=queue,
                places=proposal.places,
                region=proposal.region,
                properties=proposal.properties,
                skill_low=proposal.skill - half,
                skill_high=proposal.skill + half,
                until_ms=arrive_ms,
            ),
            is_backfill=proposal.is_backfill,
            arrive_ms=arrive_ms,
        )
        return await self._calls.call(node, OPEN, _encode(order)) == _YES

    def _choose(self, region: str) -> str | None:
        """This node, or one of the region that is calmer; ``None`` where there is none."""
        here = not region or not self._region or self._region == region
        if self._local.draining or not here:
            return self._peers.calmest(region)
        return self._peers.calmer(self._load(), region) or self._node

    async def _ordered(self, body: bytes) -> bytes:
        order = _decode(body)
        if order.is_backfill:
            places = order.booking.places
            done = await self._local.reserve(order.match, places, arrive_ms=order.arrive_ms)
        else:
            done = await self._local.open_booked(order.match, order.booking)
        return _YES if done else _NO
