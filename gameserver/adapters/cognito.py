"""Verifies the JWTs of an Amazon Cognito user pool.

The checks, in their order, and the code of each refusal (all 401):

    too_long         over ``TOKEN_CHARS_MAX`` characters: looked at no further
    malformed        not three base64url parts of JSON, or a claim of the wrong type or size
    wrong_alg        not RS256: ``none``, or HS256 signed with the public key (RFC 8725, 3.1)
    unknown_key      ``kid`` is not in the pool's key set; ``jku``, ``x5u`` and ``jwk`` are not read
    bad_signature
    wrong_issuer     another user pool
    wrong_use        ``token_use`` is neither ``access`` nor ``id``
    wrong_client     not an app client of ours: ``client_id`` of an access, ``aud`` of an ID token
    missing_claim    ``exp`` or ``sub`` is not there
    expired
    not_yet_valid    ``nbf`` or ``iat`` lies ahead

Source: AWS, "Verifying JSON web tokens" and "Understanding the access token".
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import jwt
import msgspec
from jwt.utils import base64url_decode
from msgspec import Meta

from gameserver.adapters.jwks import KID_CHARS_MAX, JwksCache
from gameserver.errors import TokenRefused
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from gameserver.ports import Clock, Identity
from gameserver.wire.from_client import TOKEN_CHARS_MAX

NAME_CHARS_MAX = 64
"""A longer display name is cut; it is shown to other players."""

_Seconds = Annotated[float, Meta(ge=0, le=253_402_300_799)]  # until the year 9999
_Word = Annotated[str, Meta(max_length=256)]


class _Header(msgspec.Struct, frozen=True):
    alg: _Word = ""
    kid: Annotated[str, Meta(max_length=KID_CHARS_MAX)] = ""


class _Claims(msgspec.Struct, frozen=True, rename={"groups": "cognito:groups"}):
    """What is read of a token. Cognito: a user is in at most 100 groups, of 128 characters each."""

    iss: _Word = ""
    token_use: _Word = ""
    client_id: _Word = ""
    aud: _Word = ""
    sub: Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,128}\Z")] | None = None
    exp: _Seconds | None = None
    nbf: _Seconds = 0
    iat: _Seconds = 0
    auth_time: _Seconds | None = None
    groups: Annotated[list[Annotated[str, Meta(max_length=128)]], Meta(max_length=128)] = []
    cognito_username: _Word = msgspec.field(default="", name="cognito:username")
    username: _Word = ""
    name: Annotated[str, Meta(max_length=2048)] = ""  # the size of a Cognito attribute
    origin_jti: _Word | None = None


_decode_header = msgspec.json.Decoder(_Header).decode
_decode_claims = msgspec.json.Decoder(_Claims).decode


class CognitoVerifier:
    """The ``TokenVerifier`` port for one user pool and its app clients."""

    def __init__(
        self,
        keys: JwksCache,
        *,
        issuer: str,
        client_ids: Collection[str],
        clock: Clock,
        leeway_ms: int,
        metrics: Metrics,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._client_ids = frozenset(client_ids)
        self._clock = clock
        self._leeway_s = leeway_ms / 1000
        self._metrics = metrics
        self._jws = jwt.PyJWS(algorithms=["RS256"])

    async def verify(self, token: str) -> Identity:
        """The token's identity. Raises ``TokenRefused``, or ``IdentityUnavailable`` where no key
        set is at hand."""
        try:
            header = _read_header(token)
            if header.alg != "RS256":
                raise TokenRefused("wrong_alg", "the token must be signed with RS256")
            key = await self._keys.key(header.kid)
            if key is None:
                raise TokenRefused("unknown_key", "the token is not signed by this user pool")
            try:
                verified = self._jws.decode_complete(token, key, algorithms=["RS256"])
            except jwt.InvalidSignatureError:
                raise TokenRefused("bad_signature", "the token's signature is wrong") from None
            except jwt.PyJWTError:
                raise _malformed() from None
            return self._identity(verified["payload"])
        except TokenRefused:
            self._metrics.tokens_refused += 1
            raise

    def _identity(self, payload: bytes) -> Identity:
        try:
            claims = _decode_claims(payload)
        except (ValueError, RecursionError):  # bad JSON, types, sizes or UTF-8, or nested too deep
            raise TokenRefused(
                "malformed", "a claim of the token has the wrong type or size"
            ) from None
        if claims.iss != self._issuer:
            raise TokenRefused("wrong_issuer", "the token is from another user pool")
        match claims.token_use:
            case "access":
                client = claims.client_id
            case "id":
                client = claims.aud
            case _:
                raise TokenRefused("wrong_use", "send an access token or an ID token")
        if client not in self._client_ids:
            raise TokenRefused("wrong_client", "the token is for another app client")
        if claims.sub is None or claims.exp is None:
            raise TokenRefused("missing_claim", "the token lacks exp or sub")
        # PyJWT would compare with the real time; this way simulated time counts.
        now_s = self._clock.wall_ms() / 1000
        if claims.exp + self._leeway_s <= now_s:
            raise TokenRefused("expired", "the token has expired: get a new one")
        if max(claims.nbf, claims.iat) - self._leeway_s > now_s:
            raise TokenRefused("not_yet_valid", "the token is not valid yet: check the clock")
        return Identity(
            player_id=PlayerId(claims.sub),
            name=_display_name(claims, claims.sub),
            groups=tuple(claims.groups),
            expires_ms=int(claims.exp * 1000),
            token_use=claims.token_use,
            origin_jti=claims.origin_jti,
            auth_ms=int((claims.iat if claims.auth_time is None else claims.auth_time) * 1000),
        )


def _malformed() -> TokenRefused:
    return TokenRefused("malformed", "this is not a JWT")


def _read_header(token: str) -> _Header:
    """The header, not yet verified: it only says which of our keys to try."""
    if len(token) > TOKEN_CHARS_MAX:
        raise TokenRefused("too_long", f"a token has at most {TOKEN_CHARS_MAX} characters")
    if not token.isascii() or token.count(".") != 2:
        raise _malformed()
    try:
        return _decode_header(base64url_decode(token.partition(".")[0]))
    except (ValueError, RecursionError):  # bad base64, bad UTF-8, bad JSON, or nested too deep
        raise _malformed() from None


def _display_name(claims: _Claims, sub: str) -> str:
    """A name that can be shown: printable, bounded, never empty."""
    for candidate in (claims.cognito_username, claims.username, claims.name):
        shown = "".join(filter(str.isprintable, candidate)).strip()[:NAME_CHARS_MAX].strip()
        if shown:
            return shown
    return sub[:8]
