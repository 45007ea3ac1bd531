"""What a session asks others and waits for. Each answer is what was asked for, or the ``Error``
that its client gets."""

from __future__ import annotations

import logging

from gameserver.errors import JoinRefused, TokenRefused, Unavailable
from gameserver.ids import SessionId
from gameserver.ports import Identity, Matches, Seated, Subscriber, TokenVerifier
from gameserver.wire import from_client
from gameserver.wire.to_client import Error, ErrorCode

logger = logging.getLogger(__name__)


async def seat(
    matches: Matches,
    message: from_client.Entry,
    identity: Identity,
    subscriber: Subscriber,
    *,
    session: SessionId,
) -> Seated | Error:
    """A seat in a match, or a place to watch it from."""
    who = {"player": identity.player_id, "session": session}
    try:
        seated = await matches.join(message, identity, subscriber)
    except JoinRefused as refused:
        return Error(ErrorCode(refused.code), refused.message, message.ref)
    except Unavailable:
        why = "the match store did not answer; try again"
    except Exception:
        # A defect of ours must not leave the player waiting for an answer.
        logger.exception("join failed", extra=who)
        why = "joining failed on the server; try again"
    else:
        logger.debug("joined", extra={**who, "match": seated.handle.match_id})
        return seated
    return Error(ErrorCode.UNAVAILABLE, why, message.ref)


async def identity(
    verifier: TokenVerifier, message: from_client.Refresh, former: Identity
) -> Identity | Error:
    """Who the new token is of: the same player as ``former``."""
    try:
        found = await verifier.verify(message.token)
    except TokenRefused as refused:
        return Error(ErrorCode.BAD_TOKEN, refused.message, message.ref)
    except Unavailable:
        why = "the token cannot be checked now; the old one still holds"
        return Error(ErrorCode.UNAVAILABLE, why, message.ref)
    if found.player_id != former.player_id:
        return Error(ErrorCode.BAD_TOKEN, "the token is another player's", message.ref)
    return found
