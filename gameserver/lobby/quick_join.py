"""Which of the open matches a player who does not care gets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from gameserver.ids import MatchId


class OpenMatch(Protocol):
    """A match that takes players."""

    @property
    def match_id(self) -> MatchId: ...
    @property
    def players(self) -> int: ...
    @property
    def players_max(self) -> int: ...


MatchT = TypeVar("MatchT", bound=OpenMatch)


def choose(matches: Iterable[MatchT]) -> MatchT | None:
    """The fullest match with a free seat, of equally full ones the oldest; ``None`` if all are
    full. Filling one match before opening the next gives players company, and lets matches that
    empty end."""
    return min(
        (match for match in matches if match.players < match.players_max),
        key=lambda match: (-match.players, match.match_id),
        default=None,
    )
