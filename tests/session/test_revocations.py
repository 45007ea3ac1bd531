"""Whose session is ended, and who is not let in any more."""

from __future__ import annotations

import msgspec
import pytest

from gameserver.adapters.wall_clock import SystemEntropy
from gameserver.errors import TokenRefused
from gameserver.ports import Admission, Credentials, Identity
from gameserver.revocation import Revocation
from gameserver.session.gate import SessionGate
from gameserver.wire.close_codes import CloseCode
from tests.fakes.memory_revocations import MemoryRevocations
from tests.session.parts import (
    NOW_MS,
    FakeConnection,
    FakeVerifier,
    identity,
    make_gate,
)


def who(player: str, jti: str = "s-1") -> Identity:
    return msgspec.structs.replace(identity(player), origin_jti=jti, auth_ms=NOW_MS - 1)


class Tickets:
    """Every ticket is ``ann``'s."""

    async def issue(self, identity: Identity) -> str:
        return "t"

    async def redeem(self, ticket: str) -> Identity:
        return who("ann")


@pytest.fixture
def revocations() -> MemoryRevocations:
    return MemoryRevocations()


@pytest.fixture
def gate(revocations: MemoryRevocations) -> SessionGate:
    return make_gate(
        verifier=FakeVerifier(who("ann")),
        tickets=Tickets(),
        entropy=SystemEntropy(),
        revocations=revocations,
    )


def connected(gate: SessionGate, one: Identity) -> FakeConnection:
    connection = FakeConnection()
    gate.open(connection, Admission(identity=one))
    return connection


async def test_only_what_is_ended_is_closed(gate: SessionGate) -> None:
    first, second = connected(gate, who("ann")), connected(gate, who("ann", "s-2"))
    other = connected(gate, who("ben"))
    gate.revoked(Revocation(who("ann").player_id, "s-1", NOW_MS, "signed out"))
    assert first.closed_with is CloseCode.TOKEN_REVOKED
    assert second.closed_with is None
    gate.revoked(Revocation(who("ann").player_id, "", NOW_MS, "signed out everywhere"))
    assert second.closed_with is CloseCode.TOKEN_REVOKED
    assert other.closed_with is None


@pytest.mark.parametrize("credentials", [Credentials(token="x"), Credentials(ticket="x")])
async def test_a_revoked_player_is_not_admitted(
    gate: SessionGate, revocations: MemoryRevocations, credentials: Credentials
) -> None:
    assert (await gate.admit(credentials)).identity.player_id == "ann"
    await revocations.end_all(who("ann").player_id, reason="ended")
    with pytest.raises(TokenRefused) as refused:
        await gate.admit(credentials)
    assert refused.value.code == "revoked"


async def test_one_that_is_revoked_between_check_and_upgrade_is_closed(
    gate: SessionGate, revocations: MemoryRevocations
) -> None:
    admitted = (await gate.admit(Credentials(token="x"))).identity
    await revocations.end_session(admitted, reason="signed out")
    assert connected(gate, admitted).closed_with is CloseCode.TOKEN_REVOKED


async def test_players_who_are_gone_leave_nothing_behind(gate: SessionGate) -> None:
    for number in range(3):
        gate.open(FakeConnection(), Admission(identity=who("ann", str(number)))).closed()
    assert not gate._of_player
    gate.revoked(Revocation(who("ann").player_id, "", NOW_MS, "ended"))
