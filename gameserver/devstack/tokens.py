"""Tokens as Amazon Cognito issues them, signed with the key that moto serves as its key set.

The key is the public test key inside the moto package: these tokens are worth nothing anywhere but
in the development stack and in tests.
"""

from __future__ import annotations

import gzip
import time
import uuid
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import RSAAlgorithm

from gameserver.devstack.process import DevstackError

KEY_ID = "dummy"
"""The ``kid`` of moto's only key."""
_BOTS = uuid.UUID("9f7cfa7e-7a3e-4c39-9d6c-0d2f6d8f1b11")


def bot_player(index: int) -> str:
    """The ``sub`` of bot number ``index``: the same on every machine and in every run."""
    return str(uuid.uuid5(_BOTS, str(index)))


def bot_name(index: int) -> str:
    """``bot-0001`` for 1."""
    return f"bot-{index:04d}"


class TokenMint:
    """Signs tokens for one user pool (``issuer``) and one app client."""

    def __init__(self, *, issuer: str, client_id: str) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self._key = _private_key()

    def token(
        self,
        player: str,
        *,
        username: str | None = None,
        groups: Sequence[str] = (),
        token_use: str = "access",
        expires_in_s: int = 3600,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """A token for ``player`` (the ``sub``). ``claims`` are put over the usual ones; a claim of
        ``None`` is left out. A negative ``expires_in_s`` makes a token that has ended."""
        now = int(time.time())
        issued = now if expires_in_s > 0 else now + expires_in_s - 1
        name = username if username is not None else player
        payload: dict[str, Any] = {
            "iss": self.issuer,
            "sub": player,
            "token_use": token_use,
            "iat": issued,
            "auth_time": issued,
            "exp": now + expires_in_s,
            "jti": str(uuid.uuid4()),
            "origin_jti": str(uuid.uuid4()),
        }
        if token_use == "access":
            scope = "aws.cognito.signin.user.admin"
            payload |= {"client_id": self.client_id, "username": name, "scope": scope}
        else:
            payload |= {"aud": self.client_id, "cognito:username": name}
        if groups:
            payload["cognito:groups"] = list(groups)
        payload |= claims or {}
        kept = {claim: value for claim, value in payload.items() if value is not None}
        return jwt.encode(kept, self._key, algorithm="RS256", headers={"kid": KEY_ID})


@cache
def _private_key() -> RSAPrivateKey:
    """Checked once: that takes a tenth of a second."""
    return cast(RSAPrivateKey, RSAAlgorithm.from_jwk(_private_jwk()))


def _private_jwk() -> str:
    # Read from the package's files: importing moto takes a second and patches boto3.
    spec = find_spec("moto")
    if spec is None or spec.origin is None:
        raise DevstackError("The package moto is missing; run `make setup`.")
    directory = Path(spec.origin).parent / "cognitoidp" / "resources"
    return gzip.decompress((directory / "jwks-private.json.gz").read_bytes()).decode()
