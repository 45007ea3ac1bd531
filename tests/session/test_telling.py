"""What a node tells a player who is connected to it, once or several times."""

from __future__ import annotations

from gameserver.ids import PlayerId
from gameserver.ports import Admission
from gameserver.wire import to_client
from tests.session.parts import (
    FakeConnection,
    identity,
    make_gate,
)

NEWS = to_client.Matchmaking("t", "arena", "duel", "matched", "m", 0)


async def test_every_connection_of_the_player_hears_and_no_other() -> None:
    gate = make_gate()
    connections = [FakeConnection() for _ in range(3)]
    players = ("p1", "p1", "p2")
    sessions = [
        gate.open(connection, Admission(identity=identity(player)))
        for connection, player in zip(connections, players, strict=True)
    ]
    for connection in connections:
        connection.messages()
    gate.tell(PlayerId("p1"), NEWS)
    gate.tell(PlayerId("nobody"), NEWS)
    assert [connection.messages() for connection in connections] == [[NEWS], [NEWS], []]
    sessions[0].closed()
    gate.tell(PlayerId("p1"), NEWS)
    assert [connection.messages() for connection in connections] == [[], [NEWS], []]
    for session in sessions[1:]:
        session.closed()
    gate.tell(PlayerId("p1"), NEWS)
    assert gate.sessions == 0
