"""News of tickets, from the master of their queue to the sockets of their players."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from gameserver.ids import PlayerId
from gameserver.matchmaking import Proposal, Queue, Stage, Ticket, TicketId, Update
from gameserver.matchmaking_ports import NodeCalls
from gameserver.wire import to_client

TICKETS = "tickets"

Deliver = Callable[[PlayerId, to_client.Matchmaking], None]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Update]).decode


class Teller:
    """Implements ``matchmaking_ports.TicketUpdates``. Nobody knows on which nodes a player is
    connected, so every node hears; one message carries all tickets of a match."""

    def __init__(self, calls: NodeCalls, deliver: Deliver) -> None:
        self._calls = calls
        self._deliver = deliver
        calls.serve(TICKETS, self._heard)

    def tell(self, updates: Sequence[Update]) -> None:
        """See ``matchmaking_ports.TicketUpdates``."""
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


def updates_of(
    queue: Queue,
    proposal: Proposal,
    stage: Stage,
    tickets: Sequence[TicketId],
    *,
    match: str = "",
    deadline_ms: int = 0,
) -> list[Update]:
    """What has become of these tickets of a proposal."""
    players = iter(proposal.places)
    of_ticket = {
        ticket: tuple(next(players).player for _ in range(size))
        for ticket, size in zip(proposal.tickets, proposal.sizes, strict=True)
    }
    return [
        Update(
            ticket=ticket,
            queue=queue,
            players=of_ticket[ticket],
            stage=stage,
            match=match,
            deadline_ms=deadline_ms,
        )
        for ticket in tickets
    ]


def update_of(queue: Queue, ticket: Ticket, stage: Stage) -> Update:
    """What has become of a ticket by itself."""
    players = tuple(one.player for one in ticket.players)
    return Update(ticket=ticket.id, queue=queue, players=players, stage=stage)
