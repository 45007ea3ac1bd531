"""Who may connect to this node, and the sessions that did."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from gameserver.config import Config
from gameserver.errors import TokenRefused
from gameserver.ids import PlayerId, SessionId
from gameserver.metrics import Metrics
from gameserver.notification import Letter
from gameserver.operating import Ban, Bans
from gameserver.ports import (
    Admission,
    Clock,
    Connection,
    Credentials,
    Entropy,
    Identity,
    Matches,
    Overloaded,
    SessionRecords,
    Tickets,
    TokenVerifier,
)
from gameserver.revocation import Revocation, Revocations
from gameserver.session.services import Services
from gameserver.session.session import Session
from gameserver.whereabouts import SessionKeeper
from gameserver.wire import to_client
from gameserver.wire.close_codes import ADVICE, CloseCode
from gameserver.wire.frame import PlainToClient

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 2
DRAIN_SPREAD_MS = 1_000


class SessionGate:
    """Implements ``Gate`` and ``SessionsHere``: admits identities, opens sessions, sends them away
    on drain. Without a ``keeper`` players may have as many sessions as they like."""

    def __init__(
        self,
        *,
        config: Config,
        verifier: TokenVerifier,
        tickets: Tickets,
        matches: Matches,
        clock: Clock,
        entropy: Entropy,
        metrics: Metrics,
        revocations: Revocations,
        bans: Bans,
        records: SessionRecords | None = None,
        keeper: SessionKeeper | None = None,
    ) -> None:
        self._config = config
        self._verifier = verifier
        self._tickets = tickets
        self._entropy = entropy
        self._metrics = metrics
        self._revocations = revocations
        self._records = records
        self._bans = bans
        self._keeper = keeper
        self._sessions: dict[SessionId, Session] = {}
        self._of_player: dict[PlayerId, set[Session]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._emptied = asyncio.Event()
        self._services = Services(
            config=config,
            matches=matches,
            verifier=verifier,
            clock=clock,
            metrics=metrics,
            spawn=self._spawn,
            on_closed=self._forget,
            on_refreshed=None if records is None else self._refreshed,
            on_seat=None if keeper is None else keeper.seated,
        )
        self._draining = False
        metrics.gauge("sessions", "Open sessions", lambda: float(len(self._sessions)))

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return len(self._sessions)

    @property
    def players(self) -> list[PlayerId]:
        """Who has a session here."""
        return list(self._of_player)

    @property
    def identities(self) -> list[Identity]:
        """Of all sessions here."""
        return [session.identity for session in self._sessions.values()]

    @property
    def full(self) -> bool:
        """Whether the next socket would be refused for lack of room."""
        return len(self._sessions) >= self._config.sessions_max

    async def admit(self, credentials: Credentials) -> Admission:
        """Whom ``credentials`` let in. Raises ``TokenRefused``, ``AlreadyConnected``,
        ``Overloaded`` or ``Unavailable``."""
        self._check_room()
        try:
            if credentials.token is not None:
                identity = await self._verifier.verify(credentials.token)
            elif credentials.ticket is not None:
                identity = await self._tickets.redeem(credentials.ticket)
            else:
                raise TokenRefused("missing", "a token or a ticket is needed to connect")
            self._revocations.check(identity)
            if (ban := self._bans.of(identity.player_id)) is not None:
                [ban] = await self._bans.opened([ban])
                raise TokenRefused("banned", ban.told, status=403)
        except TokenRefused:
            self._metrics.tokens_refused += 1
            raise
        # Others were admitted meanwhile: look again, so that the limit holds under a storm.
        self._check_room()
        client, session_id = credentials.client, SessionId("")
        if self._keeper is not None:
            session_id = await self._keeper.admitted(identity, client)
        return Admission(identity=identity, client=client, session_id=session_id)

    def open(self, connection: Connection, admission: Admission) -> Session:
        """Start a session on an upgraded connection."""
        identity, keeper = admission.identity, self._keeper
        session = Session(
            session_id=admission.session_id or self._entropy.session_id(),
            connection=connection,
            identity=identity,
            services=self._services,
        )
        self._sessions[session.id] = session
        self._of_player.setdefault(identity.player_id, set()).add(session)
        if self._records is not None:
            self._records.opened(session.id, identity)
        if keeper is not None:
            keeper.opened(session.id, identity.player_id, admission.client)
        try:
            self._revocations.check(identity)
        except TokenRefused:  # Between the check and the upgrade.
            session.close(CloseCode.TOKEN_REVOKED)
        if (ban := self._bans.of(identity.player_id)) is not None:
            session.close(CloseCode.BANNED, ban.told)
        return session

    def revoked(self, revocation: Revocation) -> None:
        """Close the sessions that ``revocation`` ends."""
        for session in list(self._of_player.get(revocation.player_id, ())):
            if revocation.ends(session.identity):
                session.close(CloseCode.TOKEN_REVOKED, revocation.reason)

    def tell(self, player: PlayerId, message: PlainToClient) -> None:
        """Send ``message`` on every connection that the player has here."""
        for session in list(self._of_player.get(player, ())):
            session.tell(message)

    def banned(self, ban: Ban) -> None:
        """Close all sessions of the player."""
        self._close_all(ban.player, CloseCode.BANNED, ban.told)

    def kick(self, player_id: PlayerId, reason: str) -> int:
        """Close all sessions of the player; how many there were."""
        return self._close_all(player_id, CloseCode.KICKED, reason)

    def _close_all(self, player_id: PlayerId, code: CloseCode, reason: str) -> int:
        sessions = list(self._of_player.get(player_id, ()))
        for session in sessions:
            session.close(code, reason)
        return len(sessions)

    def replace(self, session_id: SessionId) -> None:
        """See ``SessionsHere``."""
        session = self._sessions.get(session_id)
        if session is not None:
            session.close(CloseCode.REPLACED, ADVICE[CloseCode.REPLACED].meaning)

    def deliver(self, player_id: PlayerId, letter: Letter) -> bool:
        """See ``SessionsHere``."""
        if player_id not in self._of_player:
            return False
        self._metrics.notifications_told += 1
        news = to_client.Notification(
            letter.id, letter.kind, letter.sender or None, letter.data, letter.at_ms
        )
        self.tell(player_id, news)
        return True

    def drain(self) -> None:
        """Take no more sockets and send every session away, spread over ``DRAIN_SPREAD_MS``."""
        self._draining = True
        for session in list(self._sessions.values()):
            after_ms = int(DRAIN_SPREAD_MS * (0.1 + 0.9 * self._entropy.jitter()))
            session.move_away(after_ms=after_ms, reason="this server is being replaced")

    def refuse_new(self) -> None:
        """Take no more sockets; the open ones stay."""
        self._draining = True

    async def settle(self) -> None:
        """Wait until all sessions and their tasks have ended (bounded by the caller)."""
        if self._sessions:
            self._emptied.clear()
            await self._emptied.wait()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _check_room(self) -> None:
        if self._draining:
            raise Overloaded(
                "draining", "this server is being replaced", retry_after_s=RETRY_AFTER_S
            )
        if self.full:
            raise Overloaded(
                "server_full", "this server has no free place", retry_after_s=RETRY_AFTER_S
            )

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.id, None)
        of_player = self._of_player.get(session.identity.player_id, set())
        of_player.discard(session)
        if not of_player:
            self._of_player.pop(session.identity.player_id, None)
        if not self._sessions:
            self._emptied.set()
        self._metrics.sessions_closed += 1
        if self._records is not None:
            self._records.closed(session.id)
        if self._keeper is not None:
            self._keeper.closed(session.id)

    def _refreshed(self, session: Session) -> None:
        if self._records is not None:
            self._records.refreshed(session.id, session.identity)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a session's task failed", exc_info=error)
