"""A key set over HTTP that can be slow, wrong or down."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


def jwk(key: RSAPrivateKey, kid: str, **changes: Any) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()

    def number(value: int) -> str:
        data = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    return {
        "kty": "RSA",
        "kid": kid,
        "use": "sig",
        "alg": "RS256",
        "n": number(numbers.n),
        "e": number(numbers.e),
    } | changes


class JwksServer:
    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.body: bytes | None = None  # instead of `keys`
        self.status = 200
        self.location: str | None = None
        self.asked = 0
        self.go = asyncio.Event()
        self.go.set()
        self.url = ""

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/jwks.json", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/jwks.json"

    async def close(self) -> None:
        self.go.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        await self.go.wait()
        headers = {"Location": self.location} if self.location else None
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        return web.Response(status=self.status, body=body, headers=headers)
