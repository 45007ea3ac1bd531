"""A gate and matches that tell of what they do: put around the usual ones where traces are kept.

One handshake in many begins a trace. What its player does is followed for as long as it is among
the newest ``FOLLOWED_MAX``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from gameserver.errors import JoinRefused, TokenRefused
from gameserver.game.contract import AnyGame
from gameserver.ids import PlayerId
from gameserver.ports import (
    Admission,
    Connection,
    Credentials,
    Gate,
    Identity,
    Matches,
    Overloaded,
    Seated,
    SessionPort,
    Subscriber,
)
from gameserver.spans import Spans, following
from gameserver.wire import from_client

FOLLOWED_MAX = 1_000


class Followed:
    """Which players' traces go on where."""

    def __init__(self) -> None:
        self._players: OrderedDict[PlayerId, str] = OrderedDict()

    def note(self, player_id: PlayerId, traceparent: str) -> None:
        self._players[player_id] = traceparent
        self._players.move_to_end(player_id)
        if len(self._players) > FOLLOWED_MAX:
            self._players.popitem(last=False)

    def take(self, player_id: PlayerId) -> str:
        """Where the player's trace goes on, asked once; or nothing."""
        return self._players.pop(player_id, "")


class TracedGate:
    """Implements ``ports.Gate``."""

    def __init__(self, gate: Gate, spans: Spans, followed: Followed) -> None:
        self._gate = gate
        self._spans = spans
        self._followed = followed

    async def admit(self, credentials: Credentials) -> Admission:
        """See ``ports.Gate``."""
        span = self._spans.start("handshake")
        if span is None:
            return await self._gate.admit(credentials)
        try:
            with following(span.traceparent):
                admission = await self._gate.admit(credentials)
        except (TokenRefused, Overloaded) as refused:
            span.end(error=refused.code)
            raise
        except BaseException as error:
            span.end(error=type(error).__name__)
            raise
        span.end()
        self._followed.note(admission.identity.player_id, span.traceparent)
        return admission

    def open(self, connection: Connection, admission: Admission) -> SessionPort:
        """See ``ports.Gate``."""
        return self._gate.open(connection, admission)


class TracedMatches:
    """Implements ``ports.Matches``."""

    def __init__(self, matches: Matches, spans: Spans, followed: Followed) -> None:
        self._matches = matches
        self._spans = spans
        self._followed = followed

    @property
    def games(self) -> Mapping[str, AnyGame]:
        return self._matches.games

    async def join(
        self, request: from_client.Entry, identity: Identity, subscriber: Subscriber
    ) -> Seated:
        """See ``ports.Matches``."""
        parent = self._followed.take(identity.player_id)
        span = self._spans.start("join", parent=parent) if parent else None
        if span is None:
            return await self._matches.join(request, identity, subscriber)
        try:
            with following(span.traceparent):
                seated = await self._matches.join(request, identity, subscriber)
        except JoinRefused as refused:
            span.end(error=refused.code)
            self._followed.note(identity.player_id, parent)  # It will ask again.
            raise
        except BaseException as error:
            span.end(error=type(error).__name__)
            raise
        span.end(match=seated.handle.match_id, game=seated.game.name)
        return seated
