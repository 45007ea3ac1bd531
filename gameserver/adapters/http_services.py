"""What the handlers of the HTTP API work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gameserver.adapters.http_auth import Accounts
from gameserver.adapters.http_idempotency import AnswerStore
from gameserver.config import Config
from gameserver.friendship import FriendDesk
from gameserver.hosting import Hosting
from gameserver.letters import LetterDesk
from gameserver.listing import Bulletin
from gameserver.matchmaking_ports import Matchmaking
from gameserver.metrics import Metrics
from gameserver.notification import Notifier
from gameserver.operating import AuditLog, Bans, Operations
from gameserver.parties import Parties
from gameserver.players.port import ProfileDesk
from gameserver.ports import Clock, MaintenanceControl, Replays, Tickets, TokenVerifier
from gameserver.records.port import Boards, History
from gameserver.revocation import Revocations
from gameserver.watching import FigureStore, People


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One field for each part of the server that an endpoint may ask something of. ``ready``
    answers why no new sockets are accepted, or ``None``; ``profiles`` and ``friends`` are ``None``
    where none are kept, ``history``, ``boards`` and ``letters`` where no database is set."""

    config: Config
    clock: Clock
    verifier: TokenVerifier
    tickets: Tickets
    accounts: Accounts
    matches: Bulletin
    hosting: Hosting
    parties: Parties
    history: History | None
    boards: Boards | None
    operations: Operations
    bans: Bans
    audit: AuditLog
    maintenance: MaintenanceControl
    revocations: Revocations
    replays: Replays
    metrics: Metrics
    answers: AnswerStore
    matchmaking: Matchmaking
    ready: Callable[[], str | None]
    notifier: Notifier
    figures: FigureStore
    people: People
    letters: LetterDesk | None = None
    profiles: ProfileDesk | None = None
    friends: FriendDesk | None = None
