"""The stock client of websockets, plain and over TLS."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.adapters.ws_peer import ORIGIN, until

SUBPROTOCOLS = ["gameserver.v1.msgpack", "bearer.abc.def.ghi"]


async def test_native_client(serve) -> None:
    harness = await serve()
    async with connect(
        f"ws://127.0.0.1:{harness.port}/v1/play",
        additional_headers={"Authorization": "Bearer good"},
        subprotocols=["gameserver.v1.json"],
    ) as client:
        assert client.subprotocol == "gameserver.v1.json"
        for text in ("{}", "é" * 1000, ""):
            await client.send(text)
            assert await client.recv() == text
        await (await client.ping())
    await until(lambda: harness.gate.sessions_open == 0)


async def test_browser_like_client(serve) -> None:
    harness = await serve()
    async with connect(
        f"ws://127.0.0.1:{harness.port}/v1/play", subprotocols=SUBPROTOCOLS, origin=ORIGIN
    ) as client:
        assert client.subprotocol == SUBPROTOCOLS[0]
        for message in (b"", b"x" * 10, b"x" * 1000):
            await client.send(message)
            assert await client.recv() == message
        await client.send([b"in ", b"three ", b"parts"])
        assert await client.recv() == b"in three parts"


async def test_refusal_is_readable(serve) -> None:
    harness = await serve()
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://127.0.0.1:{harness.port}/v1/play")
    assert refused.value.response.status_code == 401
    assert b"no_credentials" in refused.value.response.body


async def test_server_close(serve) -> None:
    harness = await serve()
    async with connect(f"ws://127.0.0.1:{harness.port}", subprotocols=SUBPROTOCOLS) as client:
        await client.send(b"bye")
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4007, "kicked")
    await until(lambda: harness.gate.sessions_open == 0)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_wss(serve, tmp_path, version: ssl.TLSVersion) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    for part in certificate.cert_chain_pems:
        part.write_to_path(tmp_path / "cert.pem", append=True)
    harness = await serve(
        tls_cert_file=str(tmp_path / "cert.pem"), tls_key_file=str(tmp_path / "key.pem")
    )
    tls = ssl.create_default_context()
    tls.minimum_version = tls.maximum_version = version
    authority.configure_trust(tls)
    url = f"wss://127.0.0.1:{harness.port}/v1/play"
    async with connect(url, ssl=tls, subprotocols=SUBPROTOCOLS) as client:
        for message in (b"", b"x" * 10, b"x" * 2000):
            await client.send(message)
            assert await client.recv() == message
        await client.send(b"bye")
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 4007
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, ssl=tls)
    assert refused.value.response.status_code == 401
    await until(lambda: harness.gate.sessions_open == 0)


async def test_fifty_clients_at_once(serve) -> None:
    harness = await serve()

    async def play(number: int) -> None:
        async with connect(f"ws://127.0.0.1:{harness.port}", subprotocols=SUBPROTOCOLS) as client:
            for turn in range(10):
                message = f"{number}/{turn}".encode()
                await client.send(message)
                assert await client.recv() == message

    await asyncio.gather(*(play(number) for number in range(50)))
    await until(lambda: harness.gate.sessions_open == 0)
    assert harness.metrics.handshakes_accepted == 50
