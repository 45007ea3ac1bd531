"""What the handlers of the HTTP API work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gameserver.adapters.http_auth import Accounts
from gameserver.adapters.http_idempotency import AnswerStore
from gameserver.config import Config
from gameserver.game.contract import AnyGame
from gameserver.matchmaking_ports import Matchmaking
from gameserver.metrics import Metrics
from gameserver.players.port import ProfileDesk
from gameserver.ports import Clock, MaintenanceControl, Replays, Tickets, TokenVerifier
from gameserver.revocation import Revocations


class MatchInfo(Protocol):
    """A running match, as the list shows it."""

    @property
    def id(self) -> str: ...
    @property
    def game(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def players(self) -> int: ...
    @property
    def players_max(self) -> int: ...
    @property
    def tick(self) -> int: ...
    @property
    def state(self) -> str: ...


class Listing(Protocol):
    """What can be played, and what is being played on this node."""

    @property
    def games(self) -> Mapping[str, AnyGame]: ...

    def listing(self) -> Sequence[MatchInfo]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One field for each part of the server that an endpoint may ask something of. ``ready``
    answers why no new sockets are accepted, or ``None``; ``profiles`` is ``None`` where none are
    kept."""

    config: Config
    clock: Clock
    verifier: TokenVerifier
    tickets: Tickets
    accounts: Accounts
    matches: Listing
    maintenance: MaintenanceControl
    revocations: Revocations
    replays: Replays
    metrics: Metrics
    answers: AnswerStore
    matchmaking: Matchmaking
    ready: Callable[[], str | None]
    profiles: ProfileDesk | None = None
