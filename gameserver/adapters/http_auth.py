"""Accounts in a user pool of Amazon Cognito.

What Cognito refuses becomes a ``Problem``, except where the answer would tell whether somebody has
an account: then nothing is refused, or everything that can be wrong has one code.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from aiobotocore.config import AioConfig
from botocore import UNSIGNED
from botocore.exceptions import BotoCoreError, ClientError

from gameserver.adapters.aws_client import AwsClient
from gameserver.adapters.http_problem import Kind, Problem
from gameserver.config import Config
from gameserver.errors import IdentityUnavailable

logger = logging.getLogger(__name__)


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What a log-in gives. ``expires_in``: seconds until the access and id tokens end."""

    access_token: str
    id_token: str
    refresh_token: str
    expires_in: int


WRONG_CREDENTIALS = Kind("wrong_credentials", 401, "User name or password is wrong.")
WRONG_REFRESH_TOKEN = Kind("wrong_refresh_token", 401, "The session has ended; log in again.")
NOT_CONFIRMED = Kind("user_not_confirmed", 403, "Confirm the account first.")
RESET_REQUIRED = Kind("password_reset_required", 403, "Reset the password first.")
LOGIN_REFUSED = Kind("login_refused", 403, "The user pool refused the log-in.")
CHALLENGE_REQUIRED = Kind("challenge_required", 403, "Answer a challenge of the user pool first.")
SIGN_UP_REFUSED = Kind("sign_up_refused", 403, "The user pool takes no such account.")
NAME_TAKEN = Kind("name_taken", 409, "Somebody else has this name.")
WEAK_PASSWORD = Kind("weak_password", 422, "The user pool asks for a stronger password.")
BAD_ACCOUNT = Kind("bad_account", 422, "The user pool does not take this name or address.")
WRONG_CODE = Kind("wrong_code", 422, "The code is wrong or too old, or not for this name.")
OF_LOG_IN = (NOT_CONFIRMED, RESET_REQUIRED, LOGIN_REFUSED, CHALLENGE_REQUIRED)


class Accounts(Protocol):
    """The accounts of players. Every method raises ``IdentityUnavailable`` where the user pool does
    not answer, and ``Problem`` with a kind named beside it."""

    async def sign_up(self, username: str, password: str, email: str) -> None:
        """Make an account and send a code to ``email``. A name that is taken is not told of, unless
        the settings say so: ``NAME_TAKEN``. ``WEAK_PASSWORD``, ``BAD_ACCOUNT``,
        ``SIGN_UP_REFUSED``."""

    async def confirm(self, username: str, code: str) -> None:
        """The account may log in. ``WRONG_CODE``."""

    async def resend(self, username: str) -> None:
        """Send the code once more, if there is an account that waits for it."""

    async def login(self, username: str, password: str) -> Tokens:
        """Tokens for a user name and password. ``WRONG_CREDENTIALS``, ``OF_LOG_IN``."""

    async def refresh(self, refresh_token: str) -> Tokens:
        """New access and id tokens; the refresh token stays the same unless it was rotated.
        ``WRONG_REFRESH_TOKEN``, ``OF_LOG_IN``."""

    async def revoke(self, refresh_token: str) -> None:
        """The refresh token, and access tokens made of it, are worth nothing any more. No effect if
        it is not one."""

    async def sign_out_everywhere(self, access_token: str) -> None:
        """All refresh tokens of the account are worth nothing any more."""

    async def forgot(self, username: str) -> None:
        """Send a code for a new password, if there is such an account."""

    async def reset(self, username: str, code: str, password: str) -> None:
        """Set a new password. ``WRONG_CODE``, ``WEAK_PASSWORD``."""


_NO_ACCOUNT = dict.fromkeys(
    ("NotAuthorizedException", "UserNotFoundException", "InvalidParameterException"),
    WRONG_CREDENTIALS,
)
_LOG_IN = {
    **_NO_ACCOUNT,
    "UserNotConfirmedException": NOT_CONFIRMED,
    "PasswordResetRequiredException": RESET_REQUIRED,
    "UserLambdaValidationException": LOGIN_REFUSED,
    "ForbiddenException": LOGIN_REFUSED,
}
_REFRESH = {**_LOG_IN, **dict.fromkeys(_NO_ACCOUNT, WRONG_REFRESH_TOKEN)}
_SIGN_UP = {
    "InvalidPasswordException": WEAK_PASSWORD,
    "InvalidParameterException": BAD_ACCOUNT,
    "UserLambdaValidationException": SIGN_UP_REFUSED,
    "NotAuthorizedException": SIGN_UP_REFUSED,
    "ForbiddenException": SIGN_UP_REFUSED,
}
_CONFIRM = dict.fromkeys(
    (
        "CodeMismatchException",
        "ExpiredCodeException",
        "UserNotFoundException",
        "NotAuthorizedException",
        "InvalidParameterException",
        "AliasExistsException",
        "UserNotConfirmedException",
        "TooManyFailedAttemptsException",
        "LimitExceededException",
        "UserLambdaValidationException",
    ),
    WRONG_CODE,
)
_RESET = {**_CONFIRM, "InvalidPasswordException": WEAK_PASSWORD}
# What a call that sends a code says of the account; the caller is told of none of it.
_SEND = dict.fromkeys(
    (
        "UserNotFoundException",
        "InvalidParameterException",
        "NotAuthorizedException",
        "UserNotConfirmedException",
        "PasswordResetRequiredException",
        "LimitExceededException",
        "UserLambdaValidationException",
    )
)


class CognitoAccounts(AwsClient):
    """``Accounts`` by the calls of Amazon Cognito that need no AWS credentials.

    The app client must be a public one (no secret) with ``USER_PASSWORD_AUTH`` and
    ``REFRESH_TOKEN_AUTH``, token revocation and ``PreventUserExistenceErrors`` enabled.
    """

    def __init__(self, config: Config) -> None:
        self._client_id = config.cognito_client_ids[0]
        self._tells_taken_names = config.signup_tells_taken_names
        super().__init__(
            "cognito-idp",
            region=config.aws_region,
            endpoint_url=config.cognito_endpoint_url,
            options=AioConfig(
                signature_version=UNSIGNED,
                connect_timeout=config.http_timeout_ms / 4000,
                read_timeout=config.http_timeout_ms / 2000,
                # One retry and no more: the person at the form is the better retrier.
                retries={"total_max_attempts": 2, "mode": "standard"},
                max_pool_connections=32,
            ),
        )

    async def sign_up(self, username: str, password: str, email: str) -> None:
        """See ``Accounts``."""
        taken = NAME_TAKEN if self._tells_taken_names else None
        await self._call(
            "sign_up",
            {**_SIGN_UP, "UsernameExistsException": taken},
            ClientId=self._client_id,
            Username=username,
            Password=password,
            UserAttributes=[{"Name": "email", "Value": email}],
        )

    async def confirm(self, username: str, code: str) -> None:
        """See ``Accounts``."""
        await self._call(
            "confirm_sign_up",
            _CONFIRM,
            ClientId=self._client_id,
            Username=username,
            ConfirmationCode=code,
        )

    async def resend(self, username: str) -> None:
        """See ``Accounts``."""
        await self._call(
            "resend_confirmation_code", _SEND, ClientId=self._client_id, Username=username
        )

    async def login(self, username: str, password: str) -> Tokens:
        """See ``Accounts``."""
        parameters = {"USERNAME": username, "PASSWORD": password}
        return await self._initiate("USER_PASSWORD_AUTH", parameters, _LOG_IN)

    async def refresh(self, refresh_token: str) -> Tokens:
        """See ``Accounts``."""
        parameters = {"REFRESH_TOKEN": refresh_token}
        return await self._initiate("REFRESH_TOKEN_AUTH", parameters, _REFRESH)

    async def revoke(self, refresh_token: str) -> None:
        """See ``Accounts``."""
        not_one = {"UnauthorizedException": None, "InvalidParameterException": None}
        await self._call("revoke_token", not_one, ClientId=self._client_id, Token=refresh_token)

    async def sign_out_everywhere(self, access_token: str) -> None:
        """See ``Accounts``."""
        # Verified a moment ago, so Cognito refuses it only if all of this was done before.
        done = {"NotAuthorizedException": None}
        await self._call("global_sign_out", done, AccessToken=access_token)

    async def forgot(self, username: str) -> None:
        """See ``Accounts``."""
        await self._call("forgot_password", _SEND, ClientId=self._client_id, Username=username)

    async def reset(self, username: str, code: str, password: str) -> None:
        """See ``Accounts``."""
        await self._call(
            "confirm_forgot_password",
            _RESET,
            ClientId=self._client_id,
            Username=username,
            ConfirmationCode=code,
            Password=password,
        )

    async def _initiate(
        self, flow: str, parameters: dict[str, str], refused: Mapping[str, Kind | None]
    ) -> Tokens:
        answer = await self._call(
            "initiate_auth",
            refused,
            AuthFlow=flow,
            AuthParameters=parameters,
            ClientId=self._client_id,
        )
        result = answer.get("AuthenticationResult")
        if not result:
            challenge = str(answer.get("ChallengeName", "unknown")).lower()
            raise Problem(
                CHALLENGE_REQUIRED,
                f"The account has to answer the challenge {challenge} first; "
                "log in through the user pool's own pages.",
            )
        return Tokens(
            access_token=result["AccessToken"],
            id_token=result.get("IdToken", ""),
            refresh_token=result.get("RefreshToken", parameters.get("REFRESH_TOKEN", "")),
            expires_in=result["ExpiresIn"],
        )

    async def _call(
        self, call: str, refused: Mapping[str, Kind | None], **arguments: Any
    ) -> Mapping[str, Any]:
        """Cognito's answer; empty where it refused with what ``refused`` has ``None`` for."""
        try:
            answer: Mapping[str, Any] = await getattr(self._client, call)(**arguments)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code not in refused:
                logger.warning("cognito failed", extra={"call": call, "cognito_code": code})
                raise IdentityUnavailable(f"Amazon Cognito answered {code}") from None
            if code == "InvalidParameterException":
                # Also what a pool without this flow answers, which an operator has to know.
                logger.warning("cognito refused the parameters", extra={"call": call})
            kind = refused[code]
            if kind is None:
                logger.info("cognito had nothing to do", extra={"call": call, "cognito_code": code})
                return {}
            raise Problem(kind) from None
        except (BotoCoreError, TimeoutError, OSError) as error:
            logger.warning(
                "cognito did not answer", extra={"call": call, "error": type(error).__name__}
            )
            raise IdentityUnavailable("Amazon Cognito did not answer") from error
        return answer
