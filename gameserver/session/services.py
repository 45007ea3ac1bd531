"""What all sessions of a node share."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gameserver.config import Config
from gameserver.ids import SessionId
from gameserver.metrics import Metrics
from gameserver.ports import Clock, Matches, TokenVerifier

if TYPE_CHECKING:
    from gameserver.session.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Where a session asks, and whom it tells of itself."""

    config: Config
    matches: Matches
    verifier: TokenVerifier
    clock: Clock
    metrics: Metrics
    spawn: Callable[[Coroutine[Any, Any, None]], object]
    on_closed: Callable[[Session], None]
    on_refreshed: Callable[[Session], None] | None = None
    on_seat: Callable[[SessionId, str, str], None] | None = None
    """Told of a session's seat: its game and match, both empty where it has none any more."""
