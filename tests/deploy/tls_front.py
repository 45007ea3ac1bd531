"""TLS in front of a service that has none, as AWS' endpoints are: HTTPS or nothing."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import suppress
from pathlib import Path

import trustme

from gameserver.devstack.process import LOOPBACK, free_port


class Authority:
    """A local authority, its certificate in ``file``."""

    def __init__(self, directory: Path) -> None:
        self._ca = trustme.CA()
        self._directory = directory
        self.file = directory / "authority.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def context(self) -> ssl.SSLContext:
        """Of a server on this machine."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(LOOPBACK).configure_cert(context)
        return context

    def files(self, name: str) -> tuple[Path, Path]:
        """A certificate for this machine and its key, as a program's settings name them."""
        issued = self._ca.issue_cert(LOOPBACK)
        certificate, key = self._directory / f"{name}.pem", self._directory / f"{name}-key.pem"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)
        return certificate, key


class TlsFront:
    """Forwards bytes to ``backend_port`` once a client has shaken hands; ``accepted`` counts
    those. It runs in a thread of its own, from ``start`` to ``stop``."""

    def __init__(self, backend_port: int, context: ssl.SSLContext) -> None:
        self.port = free_port()
        self.url = f"https://{LOOPBACK}:{self.port}"
        self.accepted = 0
        self._backend_port = backend_port
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server

    def start(self) -> None:
        self._thread.start()
        opening = asyncio.start_server(self._serve, LOOPBACK, self.port, ssl=self._context)
        self._server = asyncio.run_coroutine_threadsafe(opening, self._loop).result(10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        backend, forward = await asyncio.open_connection(LOOPBACK, self._backend_port)
        try:
            await asyncio.gather(_copy(client, forward), _copy(backend, answer))
        finally:
            forward.close()
            answer.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError, ssl.SSLError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    target.close()
