"""News of tickets, from the master of their queue to the sockets of their players."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from gameserver.ids import PlayerId
from gameserver.matchmaking import NodeCalls, Update
from gameserver.wire import to_client

TICKETS = "tickets"

Deliver = Callable[[PlayerId, to_client.Matchmaking], None]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Update]).decode


class Teller:
    """Implements ``matchmaking.TicketUpdates``. Nobody knows on which nodes a player is connected,
    so every node hears; one message carries all tickets of a match."""

    def __init__(self, calls: NodeCalls, deliver: Deliver) -> None:
        self._calls = calls
        self._deliver = deliver
        calls.serve(TICKETS, self._heard)

    def tell(self, updates: Sequence[Update]) -> None:
        """See ``matchmaking.TicketUpdates``."""
        if updates:
            self._calls.tell_all(TICKETS, _encode(list(updates)))

    async def _heard(self, body: bytes) -> bytes:
        for update in _decode(body):
            message = to_client.Matchmaking(
                ticket=update.ticket,
                game=update.queue.game,
                mode=update.queue.mode,
                state=str(update.stage),
                match=update.match,
                until_ms=update.deadline_ms,
            )
            for player in update.players:
                self._deliver(player, message)
        return b""
