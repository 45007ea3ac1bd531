"""Bad tokens, each with its code, against keys of our own; then the real thing of the dev stack."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gameserver.adapters.cognito import NAME_CHARS_MAX, CognitoVerifier
from gameserver.adapters.jwks import JwksCache
from gameserver.adapters.wall_clock import WallClock
from gameserver.errors import IdentityUnavailable, TokenRefused
from gameserver.metrics import Metrics
from gameserver.wire.from_client import TOKEN_CHARS_MAX
from tests.adapters.jwks_server import JwksServer, jwk

ISSUER = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_pool"
CLIENT = "client-of-ours"
NOW_S = 1_800_000_000

OURS = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
THEIRS = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
PUBLIC_PEM = OURS.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)

ACCESS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "6f1c2d",
    "token_use": "access",
    "client_id": CLIENT,
    "username": "ada",
    "exp": NOW_S + 3600,
    "iat": NOW_S - 10,
    "origin_jti": "o-1",
}
ID = {key: value for key, value in ACCESS.items() if key not in ("client_id", "username")} | {
    "token_use": "id",
    "aud": CLIENT,
    "cognito:username": "ada",
    "cognito:groups": ["admin", "testers"],
}


class SetClock:
    def __init__(self) -> None:
        self.ms = NOW_S * 1000

    def wall_ms(self) -> int:
        return self.ms


@pytest_asyncio.fixture
async def jwks() -> AsyncIterator[JwksServer]:
    server = JwksServer()
    server.keys = [jwk(OURS, "k1")]
    await server.start()
    yield server
    await server.close()


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest_asyncio.fixture
async def verifier(jwks, http, clock, metrics) -> AsyncIterator[CognitoVerifier]:
    cache = JwksCache(jwks.url, http=http, cooldown_ms=1, max_age_ms=60_000, metrics=metrics)
    yield CognitoVerifier(
        cache,
        issuer=ISSUER,
        client_ids=[CLIENT, "another"],
        clock=clock,
        leeway_ms=5_000,
        metrics=metrics,
    )
    await cache.close()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(
    claims: dict[str, Any],
    *,
    key: Any = OURS,
    headers: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    """A token; a change to ``None`` leaves the claim out."""
    merged = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode(merged, key, algorithm="RS256", headers={"kid": "k1"} | (headers or {}))


def signed_raw(payload: bytes, header: dict[str, Any] | bytes | None = None) -> str:
    """A token with our good signature over any bytes."""
    algorithm = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
    head = (
        header
        if isinstance(header, bytes)
        else json.dumps(header or {"alg": "RS256", "kid": "k1"}).encode()
    )
    signing_input = f"{b64(head)}.{b64(payload)}"
    return f"{signing_input}.{b64(algorithm.sign(signing_input.encode(), OURS))}"


def with_hmac_of_public_key() -> str:
    """The classic confusion: HS256 with the public key, which everybody has, as the secret."""
    head = b64(json.dumps({"alg": "HS256", "kid": "k1"}).encode())
    signing_input = f"{head}.{b64(json.dumps(ACCESS).encode())}"
    digest = hmac.new(PUBLIC_PEM, signing_input.encode(), hashlib.sha256).digest()
    return f"{signing_input}.{b64(digest)}"


def unsigned(algorithm: str) -> str:
    head = b64(json.dumps({"alg": algorithm, "kid": "k1"}).encode())
    return f"{head}.{b64(json.dumps(ACCESS).encode())}."


def tampered(part: int) -> str:
    parts = signed(ACCESS).split(".")
    if part == 1:
        parts[1] = b64(json.dumps(ACCESS | {"sub": "somebody-else"}).encode())
    else:
        parts[2] = b64(bytes(256))
    return ".".join(parts)


def swapped() -> str:
    """The signature of one good token below the claims of another."""
    return ".".join(
        [*signed(ACCESS, sub="x").split(".")[:2], signed(ACCESS, sub="y").split(".")[2]]
    )


THEIR_JWK = jwk(THEIRS, "k1")
DEEP = b'{"a":' + b"[" * 2500 + b"]" * 2500 + b"}"

REFUSED = {
    "empty": ("", "malformed"),
    "noise": ("noise", "malformed"),
    "two parts": ("a.b", "malformed"),
    "four parts": (signed(ACCESS) + ".x", "malformed"),
    "not ascii": ("é.é.é", "malformed"),
    "dots": ("..", "malformed"),
    "bad base64": ("!!.??.**", "malformed"),
    "padding in the middle": ("a=a=.b.c", "malformed"),
    "header not json": (signed_raw(b"{}", b"nonsense"), "malformed"),
    "header a list": (signed_raw(b"{}", b"[]"), "malformed"),
    "header too deep": (signed_raw(b"{}", DEEP), "malformed"),
    "header not utf-8": (signed_raw(b"{}", b'{"alg":"\xff"}'), "malformed"),
    "kid a number": (signed_raw(b"{}", {"alg": "RS256", "kid": 1}), "malformed"),
    "kid too long": (signed_raw(b"{}", {"alg": "RS256", "kid": "k" * 300}), "malformed"),
    "critical extension": (
        signed_raw(b"{}", {"alg": "RS256", "kid": "k1", "crit": ["x"], "x": 1}),
        "malformed",
    ),
    "unencoded payload": (
        signed_raw(b"{}", {"alg": "RS256", "kid": "k1", "crit": ["b64"], "b64": False}),
        "malformed",
    ),
    "too long": ("a" * (TOKEN_CHARS_MAX + 1), "too_long"),
    "too long but good": (signed(ACCESS, padding="x" * TOKEN_CHARS_MAX), "too_long"),
    "none": (unsigned("none"), "wrong_alg"),
    "None": (unsigned("None"), "wrong_alg"),
    "no alg": (signed_raw(b"{}", {"kid": "k1"}), "wrong_alg"),
    "HS256 with the public key": (with_hmac_of_public_key(), "wrong_alg"),
    "RS512": (
        jwt.encode(ACCESS, OURS, algorithm="RS512", headers={"kid": "k1"}),
        "wrong_alg",
    ),
    "forged kid": (signed(ACCESS, key=THEIRS, headers={"kid": "k2"}), "unknown_key"),
    "kid is a path": (signed(ACCESS, headers={"kid": "../../etc/passwd"}), "unknown_key"),
    "no kid": (signed_raw(json.dumps(ACCESS).encode(), {"alg": "RS256"}), "unknown_key"),
    "their key, our kid": (signed(ACCESS, key=THEIRS), "bad_signature"),
    "jwk in the header": (
        signed(ACCESS, key=THEIRS, headers={"jwk": THEIR_JWK}),
        "bad_signature",
    ),
    "tampered claims": (tampered(1), "bad_signature"),
    "tampered signature": (tampered(2), "bad_signature"),
    "swapped signature": (swapped(), "bad_signature"),
    "no signature": (signed(ACCESS).rpartition(".")[0] + ".", "bad_signature"),
    "payload not json": (signed_raw(b"nonsense"), "malformed"),
    "payload a list": (signed_raw(b"[]"), "malformed"),
    "payload not utf-8": (signed_raw(b'{"iss":"\xff"}'), "malformed"),
    "payload too deep": (signed_raw(DEEP), "malformed"),
    "other pool": (signed(ACCESS, iss=ISSUER + "2"), "wrong_issuer"),
    "issuer with a slash": (signed(ACCESS, iss=ISSUER + "/"), "wrong_issuer"),
    "no issuer": (signed(ACCESS, iss=None), "wrong_issuer"),
    "refresh token": (signed(ACCESS, token_use="refresh"), "wrong_use"),
    "no use": (signed(ACCESS, token_use=None), "wrong_use"),
    "other client": (signed(ACCESS, client_id="not-ours"), "wrong_client"),
    "other audience": (signed(ID, aud="not-ours"), "wrong_client"),
    "access token with aud only": (signed(ACCESS, client_id=None, aud=CLIENT), "wrong_client"),
    "id token with client_id only": (signed(ID, aud=None, client_id=CLIENT), "wrong_client"),
    "no exp": (signed(ACCESS, exp=None), "missing_claim"),
    "no sub": (signed(ACCESS, sub=None), "missing_claim"),
    "expired": (signed(ACCESS, exp=NOW_S - 5), "expired"),
    "expired long ago": (signed(ACCESS, exp=0), "expired"),
    "not yet valid": (signed(ACCESS, nbf=NOW_S + 6), "not_yet_valid"),
    "from the future": (signed(ACCESS, iat=NOW_S + 6), "not_yet_valid"),
    "exp a string": (signed_raw(json.dumps(ACCESS | {"exp": "9"}).encode()), "malformed"),
    "exp true": (signed_raw(json.dumps(ACCESS | {"exp": True}).encode()), "malformed"),
    "exp null": (signed_raw(json.dumps(ACCESS | {"exp": None}).encode()), "missing_claim"),
    "exp infinite": (signed_raw(json.dumps(ACCESS | {"exp": 1e300}).encode()), "malformed"),
    "exp negative": (signed_raw(json.dumps(ACCESS | {"exp": -1}).encode()), "malformed"),
    "sub a number": (signed_raw(json.dumps(ACCESS | {"sub": 5}).encode()), "malformed"),
    "sub empty": (signed(ACCESS, sub=""), "malformed"),
    "sub too long": (signed(ACCESS, sub="s" * 129), "malformed"),
    "sub with a space": (signed(ACCESS, sub="a b"), "malformed"),
    "sub with a line": (signed(ACCESS, sub="a\n"), "malformed"),
    "aud a list": (signed_raw(json.dumps(ID | {"aud": [CLIENT]}).encode()), "malformed"),
    "groups a string": (signed(ID, **{"cognito:groups": "admin"}), "malformed"),
    "too many groups": (signed(ID, **{"cognito:groups": ["g"] * 129}), "malformed"),
    "a long group": (signed(ID, **{"cognito:groups": ["g" * 129]}), "malformed"),
}


@pytest.mark.parametrize(("token", "code"), REFUSED.values(), ids=REFUSED.keys())
async def test_refused(verifier, metrics, caplog, token: str, code: str) -> None:
    caplog.set_level("DEBUG")
    with pytest.raises(TokenRefused) as refused:
        await verifier.verify(token)
    assert (refused.value.code, refused.value.status) == (code, 401)
    assert metrics.tokens_refused == 1
    if len(token) > 10:
        assert token not in str(refused.value) + caplog.text


@pytest.mark.parametrize("header", ["jku", "x5u"])
async def test_key_urls_in_the_header_are_not_followed(verifier, jwks, header: str) -> None:
    attacker = JwksServer()
    attacker.keys = [jwk(THEIRS, "evil")]
    await attacker.start()
    token = signed(ACCESS, key=THEIRS, headers={"kid": "evil", header: attacker.url})
    with pytest.raises(TokenRefused, match="not signed by this user pool"):
        await verifier.verify(token)
    assert attacker.asked == 0
    assert jwks.asked >= 1
    await attacker.close()


async def test_access_token(verifier, metrics) -> None:
    identity = await verifier.verify(signed(ACCESS))
    assert identity.player_id == "6f1c2d"
    assert identity.name == "ada"
    assert identity.groups == ()
    assert identity.expires_ms == (NOW_S + 3600) * 1000
    assert identity.token_use == "access"
    assert identity.origin_jti == "o-1"
    assert metrics.tokens_refused == 0


async def test_id_token(verifier) -> None:
    identity = await verifier.verify(signed(ID))
    assert identity.token_use == "id"
    assert identity.groups == ("admin", "testers")
    assert identity.name == "ada"


async def test_a_second_client_is_ours_too(verifier) -> None:
    await verifier.verify(signed(ACCESS, client_id="another"))


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"username": "x" * 200}, "x" * NAME_CHARS_MAX),
        ({"username": "a\u0000\u202eb\n"}, "ab"),
        ({"username": "\u200b \t", "name": "Ada"}, "Ada"),
        ({"username": None}, "6f1c2d"),
    ],
)
async def test_names_can_be_shown(verifier, claims: dict[str, Any], name: str) -> None:
    assert (await verifier.verify(signed(ACCESS, **claims))).name == name


async def test_leeway_and_the_clock_that_counts(verifier, clock) -> None:
    token = signed(ACCESS, exp=NOW_S + 60, nbf=NOW_S, iat=NOW_S)
    for at_s in (NOW_S - 5, NOW_S, NOW_S + 60, NOW_S + 64.999):
        clock.ms = int(at_s * 1000)
        await verifier.verify(token)
    clock.ms = (NOW_S - 6) * 1000
    with pytest.raises(TokenRefused, match="not valid yet"):
        await verifier.verify(token)
    clock.ms = (NOW_S + 65) * 1000
    with pytest.raises(TokenRefused, match="expired"):
        await verifier.verify(token)


async def test_no_key_set_at_all(verifier, jwks) -> None:
    jwks.status = 500
    with pytest.raises(IdentityUnavailable):
        await verifier.verify(signed(ACCESS))


async def test_tokens_of_the_development_pool(cognito, http, metrics) -> None:
    cache = JwksCache(
        cognito.jwks_url, http=http, cooldown_ms=1000, max_age_ms=60_000, metrics=metrics
    )
    verifier = CognitoVerifier(
        cache,
        issuer=cognito.issuer,
        client_ids=[cognito.client_id],
        clock=WallClock(),
        leeway_ms=5_000,
        metrics=metrics,
    )
    access = await verifier.verify(cognito.token("player-1", username="ada"))
    assert (access.player_id, access.name, access.token_use) == ("player-1", "ada", "access")
    id_ = await verifier.verify(cognito.token("player-1", token_use="id", groups=["admin"]))
    assert (id_.player_id, id_.groups, id_.token_use) == ("player-1", ("admin",), "id")
    with pytest.raises(TokenRefused) as refused:
        await verifier.verify(cognito.token("player-1", expires_in_s=-60))
    assert refused.value.code == "expired"
    assert metrics.jwks_fetches == 1
    await cache.close()
