"""Sessions that were ended before their tokens: signed out, or ended by an operator.

A JWT is good until its end wherever it is shown, so who must not come back is written down: one
session by its ``origin_jti``, or all sessions of a player that began up to a moment. Both are the
same in every token that is refreshed from a log-in, so a refreshed one is refused as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from gameserver.errors import TokenRefused
from gameserver.ids import PlayerId
from gameserver.ports import Identity


class Revocation(msgspec.Struct, frozen=True, array_like=True):
    """``origin_jti`` empty: all sessions of the player whose log-in was at ``at_ms`` (wall time) or
    before. ``reason``: told to those who are connected, in a few words."""

    player_id: PlayerId
    origin_jti: str
    at_ms: int
    reason: str

    def ends(self, identity: Identity) -> bool:
        """Whether it is meant for ``identity``. Log-ins are known to the second only: one in the
        second of the revocation is taken for an earlier one."""
        if self.player_id != identity.player_id:
            return False
        if self.origin_jti:
            return self.origin_jti == identity.origin_jti
        return identity.auth_ms <= self.at_ms


class RevocationLog(Protocol):
    """What all nodes have written down; every method may raise ``StoreUnavailable``."""

    async def add(self, revocation: Revocation) -> None:
        """Write it down, for as long as a token could show what it refuses."""

    async def since(self, position: str, *, wait_ms: int) -> tuple[list[Revocation], str]:
        """What was added after ``position``, and the next one; waits if there is nothing. The first
        position is empty. A part may come at a time; none at all means that there is no more."""


class Revocations(Protocol):
    """The revocations of the cluster, as this node knows them."""

    def check(self, identity: Identity) -> None:
        """Raises ``TokenRefused`` ``revoked``."""

    async def end_session(self, identity: Identity, *, reason: str) -> None:
        """The session of this token is over, on all nodes. Raises ``StoreUnavailable``."""

    async def end_all(self, player_id: PlayerId, *, reason: str) -> None:
        """All sessions that the player has are over, on all nodes. Raises ``StoreUnavailable``."""


OnRevoked = Callable[[Revocation], None]


def revoked() -> TokenRefused:
    """What a revoked token is refused with."""
    return TokenRefused("revoked", "the session was ended: log in again")
