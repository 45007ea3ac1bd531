"""Who may say what in a match's chat: the port for a moderator, and what happens where it fails.

# my_rules.py
from gameserver.moderation import Allow, Refuse, Replace, Spoken, Verdict

def moderate(spoken: Spoken) -> Verdict:          # or: async def
    return Refuse("be kind") if "idiot" in spoken.text else Allow()

GAMESERVER_CHAT_MODERATOR=my_rules:moderate
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from importlib import import_module
from typing import Protocol

import msgspec

from gameserver.config import Config
from gameserver.errors import ConfigError
from gameserver.metrics import Metrics

logger = logging.getLogger(__name__)

FAILED = "the line could not be checked; say it again"


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """A line before anyone has read it. ``team``: whom it is for; ``None``: everyone."""

    match: str
    game: str
    mode: str
    player: str
    name: str
    text: str
    team: str | None


class Allow(msgspec.Struct, frozen=True):
    """Say it."""


class Replace(msgspec.Struct, frozen=True):
    """Say this in its place, cut to what a line may have."""

    text: str


class Refuse(msgspec.Struct, frozen=True):
    """Do not say it; the speaker alone is told why."""

    reason: str


Verdict = Allow | Replace | Refuse


class Moderator(Protocol):
    """Any callable. One that is not async has to return at once: the matches wait for it."""

    def __call__(self, spoken: Spoken, /) -> Verdict | Awaitable[Verdict]: ...


def load(path: str) -> Moderator | None:
    """What ``module:attr`` names; ``None`` for an empty path. Raises ``ConfigError``."""
    if not path:
        return None
    module, _, attribute = path.partition(":")
    try:
        found: Moderator = getattr(import_module(module), attribute)
    except Exception as error:  # importing runs foreign code, which may raise anything
        raise ConfigError(f"GAMESERVER_CHAT_MODERATOR: {path!r}: {error!r}") from error
    if not callable(found):
        raise ConfigError(f"GAMESERVER_CHAT_MODERATOR: {path!r} cannot be called")
    return found


class Judge:
    """Asks the moderator. Where that raises, answers nonsense or takes too long, the line is
    refused or, by ``chat_moderator_fails``, let through; both are counted, and no text is logged.
    """

    def __init__(self, moderator: Moderator | None, config: Config, *, metrics: Metrics) -> None:
        self._moderator = moderator
        self._timeout_s = config.chat_moderator_ms / 1000
        self._otherwise: Verdict = (
            Allow() if config.chat_moderator_fails == "allow" else Refuse(FAILED)
        )
        self._metrics = metrics

    @property
    def is_needed(self) -> bool:
        """Without a moderator everything is let through."""
        return self._moderator is not None

    async def judge(self, spoken: Spoken) -> Verdict:
        """Raises nothing."""
        verdict = await self._asked(spoken)
        match verdict:
            case Allow():
                self._metrics.chat_allowed += 1
            case Replace():
                self._metrics.chat_replaced += 1
            case Refuse():
                self._metrics.chat_refused += 1
        return verdict

    async def _asked(self, spoken: Spoken) -> Verdict:
        moderator = self._moderator
        if moderator is None:
            return Allow()
        try:
            answer: object = moderator(spoken)
            if isinstance(answer, Awaitable):
                async with asyncio.timeout(self._timeout_s):
                    answer = await answer
            if isinstance(answer, Allow | Replace | Refuse):
                return answer
            why = type(answer).__name__
        except Exception as error:  # of foreign code; its text may quote the line
            why = type(error).__name__
        self._metrics.chat_unjudged += 1
        logger.error("moderator failed", extra={"error": why, "match": spoken.match})
        return self._otherwise
