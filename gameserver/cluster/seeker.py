"""Finds a match again whose owner is gone."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from gameserver.errors import JoinRefused, StoreUnavailable
from gameserver.ports import Seated
from gameserver.wire.to_client import ErrorCode

if TYPE_CHECKING:
    from gameserver.cluster.link import Link
    from gameserver.cluster.matches import ClusterMatches

logger = logging.getLogger(__name__)

QUIET_S = 0.3
"""A shorter search is not worth a word to the player."""
RETRY_S = 0.15
_AGAIN = (
    ErrorCode.MATCH_ELSEWHERE,
    ErrorCode.UNAVAILABLE,
    ErrorCode.DRAINING,
    ErrorCode.SERVER_FULL,
)


class Seeker:
    """Looks for the matches of links, each until it is found, over, or the grace period is."""

    def __init__(self, cluster: ClusterMatches) -> None:
        self._cluster = cluster
        self._loop = asyncio.get_running_loop()

    async def seek(self, link: Link) -> None:
        """Returns when ``link`` has a seat again, or is over."""
        began = self._loop.time()
        while not link.closed:
            try:
                seated, owner = await self._cluster.placement.find(link.resumption(), link, again=1)
            except JoinRefused as refused:
                if refused.code not in _AGAIN:
                    over = refused.code == ErrorCode.UNKNOWN_MATCH
                    link.over("over" if over else "lost")
                    return
            except StoreUnavailable:
                pass
            else:
                self._found(link, seated, owner)
                return
            waited = self._loop.time() - began
            if waited > self._cluster.grace_s:
                link.over("lost")
                return
            if waited > QUIET_S and not link.closed:
                link.pause("the match moves to another server")
            await asyncio.sleep(RETRY_S * (0.5 + self._cluster.entropy.jitter()))

    def _found(self, link: Link, seated: Seated, owner: str) -> None:
        if link.closed:
            seated.handle.detach()
            return
        link.found(seated, owner)
        self._cluster.settled(link)
        logger.info(
            "match found again",
            extra={"match": link.match, "owner": owner or self._cluster.node},
        )
