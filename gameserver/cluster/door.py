"""What stands before every join, on the node where the player is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from gameserver.errors import JoinRefused
from gameserver.ids import MatchId, PlayerId
from gameserver.operating import Ban
from gameserver.ports import Identity
from gameserver.wire import from_client
from gameserver.wire.to_client import ErrorCode

ByCode = Callable[[str, str, Identity], Awaitable[MatchId]]


async def _no_codes(code: str, password: str, identity: Identity) -> MatchId:
    raise JoinRefused(ErrorCode.BAD_CODE, "there are no private matches here")


class Door:
    """``banned``: the ban of a player; ``by_code``: makes a player a guest of the match that a code
    and a password stand for. Both are set once the parts that know are there."""

    def __init__(self) -> None:
        self.banned: Callable[[PlayerId], Ban | None] = lambda _: None
        self.by_code: ByCode = _no_codes

    async def passed(self, request: from_client.Entry, identity: Identity) -> from_client.Entry:
        """What is asked for, by the match's id: codes and passwords go no further. Raises
        ``JoinRefused``, ``Unavailable``."""
        banned = self.banned(identity.player_id)
        if banned is not None:
            raise JoinRefused(ErrorCode.BANNED, banned.told)
        if isinstance(request, from_client.Watch) or not request.code:
            return request
        match = await self.by_code(request.code, request.password, identity)
        if request.match not in ("", match):
            raise JoinRefused(ErrorCode.BAD_CODE, "the code is that of another match")
        return msgspec.structs.replace(request, match=match, game="", mode="", code="", password="")
