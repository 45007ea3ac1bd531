"""Passwords for Amazon RDS by IAM: a presigned ``connect`` call that is good for 15 minutes.

    <host>:<port>/?Action=connect&DBUser=<user>&X-Amz-Algorithm=…&X-Amz-Signature=…

It is made anew for each connection, from the credentials of that moment; an open connection
outlives its token (AWS: "IAM database authentication for MariaDB, MySQL, and PostgreSQL").
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
from aiobotocore.session import get_session
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

from persistence_worker.errors import ConfigError, DatabaseUnavailable
from persistence_worker.postgres import Password

TOKEN_S = 900
PORT = 5432


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a token is for."""

    host: str
    port: int
    user: str


def account_of(dsn: str) -> Account:
    """The account that a DSN names. Raises ``ConfigError`` where a token for it would be unsafe,
    or is not possible."""
    parts = urlsplit(dsn)
    given = parse_qs(parts.query)
    if given.get("sslmode") != ["verify-full"]:
        # A token is a password: whoever answers in RDS' place could use it for 15 minutes.
        raise _wrong("needs sslmode=verify-full in WORKER_POSTGRES_DSN")
    if parts.password is not None or "password" in given or "passfile" in given:
        raise _wrong("makes the password itself: take it out of WORKER_POSTGRES_DSN")
    if {"host", "port", "user", "service"} & set(given) or "," in parts.netloc:
        raise _wrong("needs one host, port and user, before the path of WORKER_POSTGRES_DSN")
    if not parts.hostname or not parts.username:
        raise _wrong("needs a host and a user in WORKER_POSTGRES_DSN")
    return Account(host=parts.hostname, port=parts.port or PORT, user=unquote(parts.username))


def _wrong(what: str) -> ConfigError:
    return ConfigError(f"WORKER_POSTGRES_IAM {what}")


def passwords(dsn: str, *, region: str) -> Password:
    """Makes a token whenever it is asked; raises ``ConfigError`` as ``account_of``.

    Asked without AWS credentials it raises ``DatabaseUnavailable``.
    """
    account = account_of(dsn)
    session = get_session()

    async def password() -> str:
        try:
            credentials = await session.get_credentials()
            if credentials is None:
                raise DatabaseUnavailable("no AWS credentials found for the database's token")
            frozen = await credentials.get_frozen_credentials()
        except BotoCoreError as error:
            raise DatabaseUnavailable(f"no token for the database: {error}") from error
        return token(account, frozen, region=region)

    return password


def token(account: Account, credentials: Any, *, region: str) -> str:
    """The token of botocore's ``generate_db_auth_token``, without a client of a whole service."""
    request = AWSRequest(
        method="GET",
        url=f"https://{account.host}:{account.port}/",
        params={"Action": "connect", "DBUser": account.user},
    )
    SigV4QueryAuth(credentials, "rds-db", region, expires=TOKEN_S).add_auth(request)
    return str(request.url).removeprefix("https://")
