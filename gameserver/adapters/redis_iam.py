"""Amazon ElastiCache's IAM authentication: a signed request in the place of a password.

    the role's credentials ──► a presigned GET of the cache ──► AUTH user token, at each connect

A token opens connections for 15 minutes; what happens when those come of age, see
``redis_connection``.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import Any
from urllib.parse import urlencode

from aiobotocore.session import get_session
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from redis.credentials import CredentialProvider
from redis.exceptions import ConnectionError as RedisConnectionError

from gameserver.config import Config

logger = logging.getLogger(__name__)

TOKEN_S = 900
"""AWS, "Authenticating with IAM": a token is valid for 15 minutes."""
TOKEN_KEPT_S, TOKEN_LASTS_S = 300.0, 600.0
"""For how long one token is used for new connections, and for how long if no other can be made.
Botocore renews a role's credentials 10 minutes before their end at the latest, so they do not end
earlier than that."""
TOKEN_MAKING_S = 10.0
TOKEN_RETRY_S = 1.0


def sign(config: Config, credentials: ReadOnlyCredentials) -> str:
    """A token for ``redis_iam_user`` of ``redis_iam_cache``."""
    query = {"Action": "connect", "User": config.redis_iam_user}
    if config.redis_iam_serverless:
        query["ResourceType"] = "ServerlessCache"
    # ElastiCache keeps names in lower case, whatever was typed.
    url = f"http://{config.redis_iam_cache.lower()}/?{urlencode(query)}"
    request = AWSRequest(method="GET", url=url)
    SigV4QueryAuth(credentials, "elasticache", config.aws_region, expires=TOKEN_S).add_auth(request)
    return str(request.url).removeprefix("http://")


class IamTokens(CredentialProvider):
    """Makes tokens, one at a time, without blocking the loop. Credentials come from where botocore
    finds them: the environment, or the task's role on ECS."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._session: Any = get_session()
        self._token = ""
        self._fresh_until = self._lasts_until = -math.inf
        self._retry_at = -math.inf
        self._making: asyncio.Task[None] | None = None

    async def get_credentials_async(self) -> tuple[str, str]:
        """User and token. Raises redis-py's ``ConnectionError`` where there are no credentials,
        and no token that still lasts."""
        if not self._fresh():
            # Its own task, because a caller whose time is up must not end it for the others.
            try:
                await asyncio.shield(self._make())
            except RedisConnectionError:
                if time.monotonic() >= self._lasts_until:
                    raise
        return self._config.redis_iam_user, self._token

    def ready(self) -> bool:
        """Whether there is a token at hand; if not, it is being made now."""
        if self._fresh():
            return True
        if time.monotonic() >= self._retry_at:
            self._make()
        return False

    def _fresh(self) -> bool:
        return time.monotonic() < self._fresh_until

    def _make(self) -> asyncio.Task[None]:
        if self._making is None:
            self._making = asyncio.get_running_loop().create_task(self._request())
            self._making.add_done_callback(self._made)
        return self._making

    async def _request(self) -> None:
        try:
            async with asyncio.timeout(TOKEN_MAKING_S):
                credentials = await self._session.get_credentials()
                if credentials is None:
                    raise RedisConnectionError("no AWS credentials found")
                self._token = sign(self._config, await credentials.get_frozen_credentials())
        except Exception as error:
            # Of botocore, of its HTTP client or of a program that it asks: all mean the same.
            raise RedisConnectionError(f"no IAM token: {type(error).__name__}: {error}") from error
        now = time.monotonic()
        self._fresh_until, self._lasts_until = now + TOKEN_KEPT_S, now + TOKEN_LASTS_S

    def _made(self, task: asyncio.Task[None]) -> None:
        self._making = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._retry_at = time.monotonic() + TOKEN_RETRY_S
            logger.warning("IAM authentication failed", extra={"error": str(error)})
