"""Log-in through Amazon Cognito."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore import UNSIGNED
from botocore.exceptions import BotoCoreError, ClientError

from gameserver.config import Config
from gameserver.errors import IdentityUnavailable, TokenRefused

logger = logging.getLogger(__name__)


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What a log-in gives. ``expires_in``: seconds until the access and id tokens end."""

    access_token: str
    id_token: str
    refresh_token: str
    expires_in: int


class Login(Protocol):
    """Turns credentials into tokens. Both methods raise ``TokenRefused`` (401: wrong; 403: right,
    but the account has something to do first) or ``IdentityUnavailable``."""

    async def login(self, username: str, password: str) -> Tokens:
        """Tokens for a user name and password."""

    async def refresh(self, refresh_token: str) -> Tokens:
        """New access and id tokens; the refresh token stays the same unless it was rotated."""


# Whether the user exists is nobody's business, so a wrong name and a wrong password look alike.
_WRONG = ("wrong_credentials", "User name or password is wrong.", 401)
_REFUSALS: dict[str, tuple[str, str, int]] = {
    "NotAuthorizedException": _WRONG,
    "UserNotFoundException": _WRONG,
    "InvalidParameterException": _WRONG,
    "UserNotConfirmedException": ("user_not_confirmed", "Confirm the account first.", 403),
    "PasswordResetRequiredException": ("password_reset_required", "Reset the password first.", 403),
    "UserLambdaValidationException": ("login_refused", "The user pool refused the log-in.", 403),
    "ForbiddenException": ("login_refused", "The user pool refused the log-in.", 403),
}


class CognitoLogin:
    """``Login`` by InitiateAuth (AWS: "InitiateAuth", Amazon Cognito user pools API reference).

    The app client must be a public one (no secret) with ``USER_PASSWORD_AUTH`` and
    ``REFRESH_TOKEN_AUTH`` enabled. The call needs no AWS credentials.
    """

    def __init__(self, config: Config) -> None:
        self._client_id = config.cognito_client_ids[0]
        self._region = config.aws_region
        self._endpoint_url = config.cognito_endpoint_url or None
        self._timeout_s = config.http_timeout_ms / 1000
        self._stack = AsyncExitStack()
        self._client: Any = None

    async def __aenter__(self) -> Self:
        self._client = await self._stack.enter_async_context(
            get_session().create_client(
                "cognito-idp",
                region_name=self._region,
                endpoint_url=self._endpoint_url,
                config=AioConfig(
                    signature_version=UNSIGNED,
                    connect_timeout=self._timeout_s / 4,
                    read_timeout=self._timeout_s / 2,
                    # One retry and no more: the person at the form is the better retrier.
                    retries={"total_max_attempts": 2, "mode": "standard"},
                    max_pool_connections=32,
                ),
            )
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()
        self._client = None

    async def login(self, username: str, password: str) -> Tokens:
        """See ``Login``."""
        return await self._initiate(
            "USER_PASSWORD_AUTH", {"USERNAME": username, "PASSWORD": password}, refresh_token=""
        )

    async def refresh(self, refresh_token: str) -> Tokens:
        """See ``Login``."""
        return await self._initiate(
            "REFRESH_TOKEN_AUTH", {"REFRESH_TOKEN": refresh_token}, refresh_token=refresh_token
        )

    async def _initiate(
        self, flow: str, parameters: dict[str, str], *, refresh_token: str
    ) -> Tokens:
        try:
            answer = await self._client.initiate_auth(
                AuthFlow=flow, AuthParameters=parameters, ClientId=self._client_id
            )
        except ClientError as error:
            raise _explain(error, flow) from None
        except (BotoCoreError, TimeoutError, OSError) as error:
            logger.warning(
                "cognito did not answer", extra={"flow": flow, "error": type(error).__name__}
            )
            raise IdentityUnavailable("Amazon Cognito did not answer") from error
        result = answer.get("AuthenticationResult")
        if not result:
            challenge = str(answer.get("ChallengeName", "unknown")).lower()
            raise TokenRefused(
                "challenge_required",
                f"The account has to answer the challenge {challenge} first; "
                "log in through the user pool's own pages.",
                status=403,
            )
        return Tokens(
            access_token=result["AccessToken"],
            id_token=result.get("IdToken", ""),
            refresh_token=result.get("RefreshToken", refresh_token),
            expires_in=result["ExpiresIn"],
        )


def _explain(error: ClientError, flow: str) -> TokenRefused | IdentityUnavailable:
    code = error.response.get("Error", {}).get("Code", "")
    if code in _REFUSALS:
        if code == "InvalidParameterException":
            # Also what a pool without this flow answers, which an operator has to know.
            logger.warning("cognito refused the parameters", extra={"flow": flow})
        word, message, status = _REFUSALS[code]
        if flow == "REFRESH_TOKEN_AUTH" and status == 401:
            word, message = "wrong_refresh_token", "The session has ended; log in again."
        return TokenRefused(word, message, status=status)
    logger.warning("cognito failed", extra={"flow": flow, "cognito_code": code})
    return IdentityUnavailable(f"Amazon Cognito answered {code}")
