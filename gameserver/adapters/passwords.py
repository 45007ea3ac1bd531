"""Hashes of match passwords: scrypt, in a thread, a few at a time.

    scrypt$<log2 n>$<r>$<p>$<salt>$<hash>    salt and hash in base64

n = 2^14, r = 8: 16 MiB and some 40 ms each. The GIL is released meanwhile, so matches are stepped
on; at most two are worked on, and ``WAITING_MAX`` may wait.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode

from gameserver.errors import Unavailable

LOG_N, R, P = 14, 8, 1
LOG_N_MAX = 17
AT_ONCE = 2
WAITING_MAX = 64


class ScryptPasswords:
    """Implements ``hosting.Passwords``."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def hashed(self, password: str) -> str:
        """See ``Passwords``."""
        salt = secrets.token_bytes(16)
        digest = await self._scrypt(password, salt, LOG_N, R, P)
        return f"scrypt${LOG_N}${R}${P}${b64encode(salt).decode()}${b64encode(digest).decode()}"

    async def fits(self, password: str, stored: str) -> bool:
        """See ``Passwords``. What is no hash of ours fits nothing."""
        try:
            name, log_n, r, p, salt, digest = stored.split("$")
            numbers = int(log_n), int(r), int(p)
            known = b64decode(digest, validate=True)
            salted = b64decode(salt, validate=True)
        except ValueError:
            return False
        if name != "scrypt" or not 1 <= numbers[0] <= LOG_N_MAX:
            return False
        return hmac.compare_digest(await self._scrypt(password, salted, *numbers), known)

    async def _scrypt(self, password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
        if self._waiting >= WAITING_MAX:
            raise Unavailable("too many passwords are being checked")
        self._waiting += 1
        try:
            async with self._places:
                return await asyncio.to_thread(
                    hashlib.scrypt,
                    password.encode(),
                    salt=salt,
                    n=1 << log_n,
                    r=r,
                    p=p,
                    maxmem=256 * 1024 * 1024,
                    dklen=32,
                )
        finally:
            self._waiting -= 1
