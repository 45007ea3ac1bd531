"""What all matches of a node share, and what a match tells its node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gameserver.config import Config
from gameserver.ids import MatchId, PlayerId
from gameserver.match.committer import Committer
from gameserver.match.pacer import Slots
from gameserver.match.relay import Relay
from gameserver.match.traced import MatchTraces
from gameserver.matchmaking import Booking
from gameserver.metrics import Metrics
from gameserver.moderation import Judge
from gameserver.ports import Clock, Sealer

if TYPE_CHECKING:
    from gameserver.match.runner import Runner

LEASE_TRUSTED = 0.8
"""The share of its TTL for which a lease is trusted after its last confirmation: the rest is for
clocks that run at different speeds and for frames already on their way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Shared by the matches of a node."""

    node: str
    config: Config
    clock: Clock
    metrics: Metrics
    committer: Committer
    relay: Relay
    sealer: Sealer
    slots: Slots
    judge: Judge
    traces: MatchTraces | None = None


class Watcher(Protocol):
    """The node, seen from a match. Every method returns at once."""

    def seat_taken(self, runner: Runner, player_id: PlayerId) -> None:
        """The player has a seat in the match."""

    def seat_freed(self, runner: Runner, player_id: PlayerId) -> None:
        """The player has no seat in the match any more."""

    def finished(self, runner: Runner) -> None:
        """The end is committed: only the outbox is left to be relayed."""

    def again(self, runner: Runner, match_id: MatchId, booking: Booking) -> None:
        """Its players want another one: open it, then ``runner.company.votes.opened``."""

    def fenced(self, runner: Runner) -> None:
        """Another owner has the match."""

    def conflicted(self, runner: Runner) -> None:
        """The store is not where this match left it: acquire again, then
        ``runner.commits.takes_up``."""
