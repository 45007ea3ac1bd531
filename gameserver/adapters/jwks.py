"""The key set of a Cognito user pool, fetched when needed and kept while it serves.

    kid known ───────────────────────────────────► its key (an old set is refreshed meanwhile)
    kid unknown ── cool-down over? ── fetch once ► its key, or none
    no set yet ─── fetch once ── failed ─────────► IdentityUnavailable

All who wait share one fetch. One that fails, or brings nothing usable, leaves the last good set.
Source: AWS, "Verifying JSON web tokens"; RFC 7517.
"""

from __future__ import annotations

import asyncio
import logging

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from jwt.utils import base64url_decode

from gameserver.errors import IdentityUnavailable
from gameserver.metrics import Metrics

logger = logging.getLogger(__name__)

BODY_BYTES_MAX = 65_536
KEYS_MAX = 32
KID_CHARS_MAX = 256
TIMEOUT_S = 3.0
FAILURE_PAUSE_S = 1.0
"""After a failed fetch and with no set at all, nothing is asked for this long: handshakes that
arrive meanwhile are answered 503 at once, and a Cognito in trouble is not flooded."""

_MODULUS_BITS = range(2048, 8193)  # shorter is weak (RFC 7518, section 3.3), longer costs too much
_BASE64_CHARS_MAX = 2048


class _Jwk(msgspec.Struct, frozen=True):
    kty: str = ""
    kid: str = ""
    use: str = "sig"
    alg: str = "RS256"
    n: str = ""
    e: str = ""


class _KeySet(msgspec.Struct, frozen=True):
    keys: list[msgspec.Raw]


class _FetchFailed(Exception):
    """Why the answer is of no use; for the log."""


_decode_set = msgspec.json.Decoder(_KeySet).decode
_decode_key = msgspec.json.Decoder(_Jwk).decode


def parse_key_set(body: bytes) -> dict[str, RSAPublicKey]:
    """The RS256 signing keys of a key set by ``kid``; other keys in it are passed over.

    Raises ``ValueError`` where it is no key set or holds too many keys.
    """
    try:
        listed = _decode_set(body).keys
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a key set: {error}") from error
    if len(listed) > KEYS_MAX:
        raise ValueError(f"{len(listed)} keys; at most {KEYS_MAX} are taken")
    found = {}
    for raw in listed:
        try:
            jwk = _decode_key(raw)
            key = _rsa_key(jwk)
        except (ValueError, RecursionError):
            key = None
        if key is not None:
            found[jwk.kid] = key
    return found


def _rsa_key(jwk: _Jwk) -> RSAPublicKey | None:
    if (jwk.kty, jwk.use, jwk.alg) != ("RSA", "sig", "RS256"):
        return None
    if not 1 <= len(jwk.kid) <= KID_CHARS_MAX or len(jwk.n) + len(jwk.e) > _BASE64_CHARS_MAX:
        return None
    modulus, exponent = (
        int.from_bytes(base64url_decode(number), "big") for number in (jwk.n, jwk.e)
    )
    if modulus.bit_length() not in _MODULUS_BITS or exponent.bit_length() > 32:
        return None
    return RSAPublicNumbers(exponent, modulus).public_key()


class JwksCache:
    """The keys behind ``url``. ``http`` belongs to the caller, who closes this before it."""

    def __init__(
        self,
        url: str,
        *,
        http: aiohttp.ClientSession,
        cooldown_ms: int,
        max_age_ms: int,
        metrics: Metrics,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._url = url
        self._http = http
        self._cooldown_s = cooldown_ms / 1000
        self._max_age_s = max_age_ms / 1000
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._metrics = metrics
        self._keys: dict[str, RSAPublicKey] = {}  # empty: none was ever fetched
        self._fetched_at = 0.0
        self._tried_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> RSAPublicKey | None:
        """The key named ``kid``, or ``None`` where the set has no such key.

        Raises ``IdentityUnavailable`` where there is no set at all.
        """
        now = asyncio.get_running_loop().time()
        pause_s = self._cooldown_s if self._keys else min(FAILURE_PAUSE_S, self._cooldown_s)
        may_fetch = (
            self._fetching is not None or self._tried_at is None or now - self._tried_at >= pause_s
        )
        key = self._keys.get(kid)
        if key is None and may_fetch:
            # Shielded: one client that hangs up must not cancel the fetch of all the others.
            await asyncio.shield(self._fetch_once(now))
            key = self._keys.get(kid)
        elif may_fetch and now - self._fetched_at >= self._max_age_s:
            self._fetch_once(now)
        if not self._keys:
            raise IdentityUnavailable("the user pool's key set could not be fetched")
        return key

    async def close(self) -> None:
        """End a fetch under way."""
        task = self._fetching
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _fetch_once(self, now: float) -> asyncio.Task[None]:
        if self._fetching is None:
            self._tried_at = now
            self._fetching = asyncio.create_task(self._fetch(), name="jwks-fetch")
        return self._fetching

    async def _fetch(self) -> None:
        """Replace the set; a failure is logged and counted, never raised."""
        self._metrics.jwks_fetches += 1
        try:
            keys = parse_key_set(await self._download())
            if not keys:
                raise _FetchFailed("no RS256 signing key in the set")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, _FetchFailed) as error:
            self._metrics.jwks_errors += 1
            logger.warning(
                "key set not fetched",
                extra={"error": str(error) or type(error).__name__, "kept": len(self._keys)},
            )
        else:
            self._keys = keys
            self._fetched_at = asyncio.get_running_loop().time()
        finally:
            self._fetching = None

    async def _download(self) -> bytes:
        async with self._http.get(
            self._url, timeout=self._timeout, allow_redirects=False
        ) as response:
            if response.status != 200:
                raise _FetchFailed(f"status {response.status}")
            body = bytearray()
            async for chunk in response.content.iter_chunked(8192):
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    raise _FetchFailed(f"over {BODY_BYTES_MAX} bytes")
            return bytes(body)
