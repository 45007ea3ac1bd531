"""What the gate tells the keeper of sessions, and does at its word."""

from __future__ import annotations

import pytest

from gameserver.errors import AlreadyConnected
from gameserver.ids import PlayerId, SessionId
from gameserver.notification import Letter
from gameserver.ports import Credentials, Identity
from gameserver.session.gate import SessionGate
from gameserver.wire import codec, from_client, to_client
from gameserver.wire.close_codes import CloseCode
from tests.adapters.ws_peer import until
from tests.session.parts import (
    FakeConnection,
    make_gate,
)

PLAYER = PlayerId("p1")


class Keeper:
    """Implements ``whereabouts.SessionKeeper``."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.refuses = False

    async def admitted(self, identity: Identity, client: str) -> SessionId:
        if self.refuses:
            raise AlreadyConnected("close the other one")
        return SessionId(f"of-{client}")

    def opened(self, session_id: SessionId, player_id: PlayerId, client: str) -> None:
        self.told.append(("opened", session_id, player_id, client))

    def seated(self, session_id: SessionId, game: str, match: str) -> None:
        self.told.append(("seated", session_id, game, match))

    def closed(self, session_id: SessionId) -> None:
        self.told.append(("closed", session_id))


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
def gate(keeper: Keeper) -> SessionGate:
    return make_gate(keeper=keeper)


async def test_the_keeper_hears_of_a_session_and_its_seats(
    gate: SessionGate, keeper: Keeper
) -> None:
    admission = await gate.admit(Credentials(token="x", client="tab"))
    connection = FakeConnection()
    session = gate.open(connection, admission)
    assert session.id == "of-tab"
    session.received(codec.encode_client(from_client.Join(ref=1, game="echo"), connection.format))
    await until(lambda: len(keeper.told) == 2)
    session.received(codec.encode_client(from_client.Leave(ref=2), connection.format))
    session.closed()
    assert keeper.told == [
        ("opened", "of-tab", "p1", "tab"),
        ("seated", "of-tab", "echo", "m1"),
        ("seated", "of-tab", "", ""),
        ("closed", "of-tab"),
    ]


async def test_who_is_refused_is_not_admitted(gate: SessionGate, keeper: Keeper) -> None:
    keeper.refuses = True
    with pytest.raises(AlreadyConnected):
        await gate.admit(Credentials(token="x"))


async def test_a_replaced_session_is_closed_and_no_other(gate: SessionGate) -> None:
    connections = {}
    for client in ("a", "b"):
        admission = await gate.admit(Credentials(token="x", client=client))
        connections[client] = FakeConnection()
        gate.open(connections[client], admission)
    gate.replace(SessionId("of-a"))
    gate.replace(SessionId("of-nobody"))
    assert connections["a"].closed_with is CloseCode.REPLACED
    assert connections["b"].closed_with is None


async def test_a_letter_is_told_to_who_is_here(gate: SessionGate) -> None:
    letter = Letter("id", 5, "gift", "", {"gold": 3}, 0)
    assert not gate.deliver(PLAYER, letter)
    connection = FakeConnection()
    gate.open(connection, await gate.admit(Credentials(token="x")))
    connection.messages()
    assert gate.deliver(PLAYER, letter)
    assert connection.messages() == [to_client.Notification("id", "gift", None, {"gold": 3}, 5)]
