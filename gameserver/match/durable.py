"""Waiting until what happened to a match is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from gameserver.errors import StoreUnavailable
from gameserver.ids import MatchId
from gameserver.match.runner import Runner

DURABLE_S = 2.0
_POLL_S = 0.005


async def until_durable(
    runners: Mapping[MatchId, Runner], runner: Runner, done: Callable[[], bool]
) -> None:
    """Returns when ``done``. Raises ``StoreUnavailable`` where that takes too long, or the match
    is not in ``runners`` any more: then the outcome is not known."""
    loop = asyncio.get_running_loop()
    until = loop.time() + DURABLE_S
    while not done():
        if loop.time() > until or runners.get(runner.match_id) is not runner:
            raise StoreUnavailable(f"what happened to {runner.match_id} is not durable yet")
        await asyncio.sleep(_POLL_S)
