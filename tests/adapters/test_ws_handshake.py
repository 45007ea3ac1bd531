"""Every row of the handshake: what is asked, and the status and code that come back."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
import trustme

from gameserver.adapters import ws_opening
from gameserver.adapters.ws_server import tls_context
from tests.adapters.ws_peer import (
    ACCEPT,
    BINARY,
    KEY,
    ORIGIN,
    FakeGate,
    frame,
    http_request,
    until,
)

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"
MSGPACK, JSON = "gameserver.v1.msgpack", "gameserver.v1.json"

REFUSED = {
    "no credentials": (http_request(token=None), 401, "no_credentials"),
    "expired": (http_request(token="expired"), 401, "expired"),
    "forbidden": (http_request(token="banned"), 403, "banned"),
    "connected already": (http_request(token="twice"), 409, "already_connected"),
    "basic": (http_request(token=None, Authorization="Basic YTpi"), 401, "wrong_scheme"),
    "full": (http_request(token="full"), 503, "server_full"),
    "store down": (http_request(token="down"), 503, "unavailable"),
    "bug in the gate": (http_request(token="bug"), 500, "internal_error"),
    "unknown ticket": (http_request("/v1/play?ticket=t0", token=None), 401, "bad_ticket"),
    "header and ticket": (http_request("/v1/play?ticket=t1"), 400, "many_credentials"),
    "two tickets": (
        http_request("/v1/play?ticket=t1&ticket=t2", token=None),
        400,
        "many_credentials",
    ),
    "header and subprotocol": (
        http_request(Sec_WebSocket_Protocol=f"{MSGPACK}, bearer.{JWT}"),
        400,
        "many_credentials",
    ),
    "two headers": (http_request(extra=("Authorization: Bearer b",)), 400, "many_credentials"),
    "?token": (http_request("/v1/play?token=x"), 400, "token_in_url"),
    "?jwt": (http_request("/v1/play?jwt=x", token=None), 400, "token_in_url"),
    "?access_token": (http_request("/?access_token=x", token=None), 400, "token_in_url"),
    "?Access_Token": (http_request("/?Access_Token=x", token=None), 400, "token_in_url"),
    "jwt as ticket": (http_request(f"/?ticket={JWT}", token=None), 400, "token_in_url"),
    "jwt by another name": (http_request(f"/?t={JWT}", token=None), 400, "token_in_url"),
    "many fields": (http_request("/?" + "a=1&" * 40, token=None), 400, "bad_request"),
    "unknown subprotocol": (
        http_request(Sec_WebSocket_Protocol="gameserver.v2.msgpack"),
        400,
        "unknown_subprotocol",
    ),
    "bearer alone": (
        http_request(token=None, Sec_WebSocket_Protocol=f"bearer.{JWT}"),
        400,
        "unknown_subprotocol",
    ),
    "bad subprotocol": (http_request(Sec_WebSocket_Protocol="a b;c"), 400, "bad_request"),
    "other path": (http_request("/v1/other"), 404, "not_found"),
    "other path, no upgrade": (b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not_found"),
    "no upgrade": (b"GET /v1/play HTTP/1.1\r\nHost: a\r\n\r\n", 426, "upgrade_required"),
    "other upgrade": (http_request(Upgrade="h2c"), 426, "upgrade_required"),
    "post": (http_request(method="POST"), 405, "wrong_method"),
    "body": (http_request(extra=("Content-Length: 5",)), 400, "bad_request"),
    "chunked": (http_request(extra=("Transfer-Encoding: chunked",)), 400, "bad_request"),
    "http 1.0": (http_request(version="HTTP/1.0"), 505, "wrong_http_version"),
    "http 2": (http_request(version="HTTP/2.0"), 400, "bad_request"),
    "version 8": (http_request(Sec_WebSocket_Version="8"), 426, "wrong_websocket_version"),
    "no version": (http_request(drop=("Sec-WebSocket-Version",)), 426, "wrong_websocket_version"),
    "no key": (http_request(drop=("Sec-WebSocket-Key",)), 400, "bad_request"),
    "short key": (http_request(Sec_WebSocket_Key="YQ=="), 400, "bad_request"),
    "bad key": (http_request(Sec_WebSocket_Key="?" * 24), 400, "bad_request"),
    "two keys": (http_request(extra=(f"Sec-WebSocket-Key: {KEY}",)), 400, "bad_request"),
    "wrong origin": (http_request(Origin="https://evil.example"), 403, "wrong_origin"),
    "null origin": (http_request(Origin="null"), 403, "wrong_origin"),
    "origin with suffix": (http_request(Origin=ORIGIN + ".evil"), 403, "wrong_origin"),
    "two origins": (http_request(Origin=ORIGIN, extra=(f"Origin: {ORIGIN}",)), 400, "bad_request"),
    "no http at all": (b"\x16\x03\x01\x02\x00\x01\x00", 400, "bad_request"),
    "nonsense": (b"HELLO\r\n\r\n", 400, "bad_request"),
    "header without colon": (b"GET / HTTP/1.1\r\nnonsense\r\n\r\n", 400, "bad_request"),
    "header with nul": (http_request(extra=("X-A: a\0b",)), 400, "bad_request"),
    "folded header": (http_request(extra=("X-A: a", " b")), 400, "bad_request"),
    "long line": (http_request(extra=("X-A: " + "a" * 9000,)), 431, "headers_too_large"),
    "long url": (http_request("/" + "a" * 9000), 431, "headers_too_large"),
    "many headers": (http_request(extra=("X-A: 1",) * 200), 431, "headers_too_large"),
    "long head": (http_request(extra=("X-A: " + "a" * 7000,) * 4), 431, "headers_too_large"),
    "endless head": (b"GET / HTTP/1.1\r\n" + b"a" * 40_000, 431, "headers_too_large"),
    "early data": (http_request() + frame(BINARY, b"x"), 400, "early_data"),
}


@pytest.mark.parametrize(("raw", "status", "code"), REFUSED.values(), ids=REFUSED.keys())
async def test_refused(serve, raw: bytes, status: int, code: str) -> None:
    harness = await serve()
    witness = await harness.upgraded()
    answer = await harness.ask(raw)
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["connection"] == "close"
    assert JWT.encode() not in answer.body
    assert ("retry-after" in answer.headers) == (status == 503)
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert harness.metrics.handshakes_refused == 1
    await witness.send(frame(BINARY, b"still here"))
    assert await witness.frame() == (BINARY, b"still here")
    await witness.close()


async def test_what_refusals_add(serve) -> None:
    harness = await serve()
    full = await harness.ask(http_request(token="full"))
    assert full.headers["retry-after"] == "7"
    version = await harness.ask(http_request(Sec_WebSocket_Version="8"))
    assert version.headers["sec-websocket-version"] == "13"
    method = await harness.ask(http_request(method="POST"))
    assert method.headers["allow"] == "GET"
    plain = await harness.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert plain.headers["upgrade"] == "websocket"


ACCEPTED = {
    "header": ("/v1/play", {}, None, b"good"),
    "root": ("/", {}, None, b"good"),
    "json": ("/v1/play", {"Sec_WebSocket_Protocol": JSON}, JSON, b"good"),
    "client's order": ("/", {"Sec_WebSocket_Protocol": f"x, {JSON}, {MSGPACK}"}, JSON, b"good"),
    "bearer": (
        "/",
        {"token": None, "Sec_WebSocket_Protocol": f"{MSGPACK}, bearer.{JWT}"},
        MSGPACK,
        JWT.encode(),
    ),
    "bearer first": (
        "/",
        {"token": None, "Sec_WebSocket_Protocol": f"bearer.{JWT}, {JSON}"},
        JSON,
        JWT.encode(),
    ),
    "scheme in lower case": ("/", {"Authorization": "bearer good"}, None, b"good"),
    "ticket": ("/v1/play?ticket=t1", {"token": None}, None, b"ticket"),
    "known origin": ("/", {"Origin": ORIGIN}, None, b"good"),
    "deflate declined": ("/", {"Sec_WebSocket_Extensions": "permessage-deflate"}, None, b"good"),
}


@pytest.mark.parametrize(
    ("path", "request_", "echoed", "name"), ACCEPTED.values(), ids=ACCEPTED.keys()
)
async def test_accepted(serve, path: str, request_: dict, echoed: str | None, name: bytes) -> None:
    harness = await serve()
    peer = await harness.peer()
    await peer.send(http_request(path, **request_))
    answer = await peer.answer()
    assert answer.status == 101
    assert answer.headers["sec-websocket-accept"] == ACCEPT
    assert answer.headers.get("sec-websocket-protocol") == echoed
    assert "sec-websocket-extensions" not in answer.headers
    session = harness.gate.sessions[0]
    assert session.identity.name.encode() == name
    assert session.connection.format == (echoed or MSGPACK)
    assert session.connection.remote == "127.0.0.1"
    assert harness.metrics.handshakes_accepted == 1
    assert harness.metrics.handshake_ms.count == 1
    await peer.close()


async def test_healthz(serve) -> None:
    harness = await serve()
    for _ in range(3):
        answer = await harness.ask(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (answer.status, answer.body) == (200, b"ok")
    assert harness.metrics.handshakes_refused == 0


async def test_a_ticket_works_once(serve) -> None:
    harness = await serve()
    request = http_request("/v1/play?ticket=t1", token=None)
    peer = await harness.peer()
    await peer.send(request)
    assert (await peer.answer()).status == 101
    assert (await harness.ask(request)).status == 401
    await peer.close()


async def test_no_origin_is_allowed_where_none_is_configured(serve) -> None:
    harness = await serve(origins=())
    assert (await harness.ask(http_request(Origin=ORIGIN))).status == 403
    await (await harness.upgraded()).close()


async def test_byte_by_byte(serve) -> None:
    harness = await serve()
    peer = await harness.peer()
    for byte in http_request():
        await peer.send(bytes([byte]))
    assert (await peer.answer()).status == 101
    await peer.close()


@pytest.mark.parametrize("sent", [b"", b"GET / HT", http_request()[:-2]])
async def test_too_slow(serve, sent: bytes) -> None:
    harness = await serve(handshake_ms=100)
    peer = await harness.peer()
    await peer.send(sent)
    answer = await peer.answer()
    assert (answer.status, answer.code) == (408, "too_slow")
    await peer.expect_end()
    await until(lambda: not harness.server._context.openings)


async def test_gate_too_slow(serve) -> None:
    harness = await serve(handshake_ms=100)
    answer = await harness.ask(http_request(token="slow"))
    assert (answer.status, answer.code) == (503, "unavailable")
    await until(lambda: harness.gate.cancelled == 1)
    assert harness.server._context.admitting == 0


@pytest.mark.parametrize("how", ["fin", "rst", "early data"])
async def test_given_up_while_the_gate_decides(serve, how: str) -> None:
    harness = await serve()
    peer = await harness.peer()
    await peer.send(http_request(token="slow"))
    await until(lambda: harness.gate.holding == 1)
    match how:
        case "fin" if harness.tls:
            await peer.close()
        case "fin":
            peer.writer.write_eof()
        case "rst":
            peer.writer.transport.abort()
        case _:
            await peer.send(b"x" * 100_000)
            assert (await peer.answer()).code == "early_data"
    await until(lambda: harness.gate.cancelled == 1)
    harness.gate.hold.set()
    await peer.close()
    await until(lambda: not harness.server._context.openings)
    assert harness.server._context.admitting == 0
    assert not harness.gate.sessions


async def test_a_refused_peer_that_stays_is_reset(serve, monkeypatch) -> None:
    monkeypatch.setattr(ws_opening, "LINGER_S", 0.05)
    harness = await serve()
    peer = await harness.peer()
    await peer.send(http_request(token=None))
    assert (await peer.answer()).status == 401
    await until(lambda: not harness.server._context.openings)
    await peer.close()


async def test_unauthenticated_max(serve) -> None:
    harness = await serve(unauthenticated_max=2)
    idle = [await harness.peer() for _ in range(2)]
    await until(lambda: len(harness.server._context.openings) == 2)
    third = await harness.peer()
    answer = await third.answer()
    assert (answer.status, answer.code) == (503, "too_many_handshakes")
    fourth = await harness.peer()
    assert (await fourth.answer()).status == 503
    if harness.tls is None:  # over TLS a client leaves with the answer, so that nobody lingers
        fifth = await harness.peer()
        await fifth.expect_end()  # reset without an answer: the lingering are bounded too
    for peer in (*idle, third, fourth):
        await peer.close()
    await until(lambda: not harness.server._context.openings)
    await (await harness.upgraded()).close()


async def test_sessions_max(serve) -> None:
    harness = await serve(sessions_max=2)
    first = await harness.upgraded()
    slow = await harness.peer()
    await slow.send(http_request(token="slow"))
    await until(lambda: harness.gate.holding == 1)
    answer = await harness.ask(http_request())
    assert (answer.status, answer.code) == (503, "server_full")
    assert int(answer.headers["retry-after"]) >= 1
    await slow.close()
    await until(lambda: harness.server._context.admitting == 0)
    second = await harness.upgraded()
    await first.close()
    await second.close()


async def test_connects_per_ip(serve) -> None:
    harness = await serve(connects_per_ip_per_s=2)
    assert (await harness.ask(http_request(token=None))).status == 401
    context = harness.server._context
    context.rate.take("127.0.0.1", context.loop.time() + 60)  # empties the bucket for a minute
    answer = await harness.ask(http_request())
    assert (answer.status, answer.code) == (503, "too_many_connects")
    assert 1 <= int(answer.headers["retry-after"]) <= 61
    assert (await harness.ask(b"GET /healthz HTTP/1.1\r\n\r\n")).status == 200


async def test_connects_behind_a_load_balancer_count_by_the_client(serve) -> None:
    harness = await serve(connects_per_ip_per_s=1, proxies_trusted=1)

    async def status(forwarded: str) -> int:
        # What stands further left than the balancer's own entry is the client's invention.
        extra = (f"X-Forwarded-For: 203.0.113.9, {forwarded}",)
        return int((await harness.ask(http_request(token="expired", extra=extra))).status)

    context = harness.server._context
    context.rate.take("198.51.100.1", context.loop.time() + 60)
    assert await status("198.51.100.1") == 503
    assert await status("198.51.100.2") == 401


async def test_draining(serve) -> None:
    harness = await serve()
    peer = await harness.upgraded()
    waiting = await harness.peer()
    await until(lambda: len(harness.server._context.openings) == 1)
    harness.server.stop_accepting()
    await waiting.send(http_request())
    assert (await waiting.answer()).code == "draining"
    with pytest.raises(OSError):
        await harness.peer()
    await peer.send(frame(BINARY, b"x"))
    assert await peer.frame() == (BINARY, b"x")
    await peer.close()
    await waiting.close()


async def test_close_ends_handshakes_and_connections(serve) -> None:
    harness = await serve()
    peer = await harness.upgraded()
    reading = await harness.peer()
    admitting = await harness.peer()
    await admitting.send(http_request(token="slow"))
    await until(lambda: harness.gate.holding == 1)
    closing = asyncio.create_task(harness.server.close())
    assert (await peer.close_code()).code == 1012
    await peer.close()
    await closing
    await reading.expect_end()
    await admitting.expect_end()
    assert harness.gate.cancelled == 1
    assert harness.server.connections == 0


async def test_a_gate_that_cannot_open_a_session(serve) -> None:
    harness = await serve()
    peer = await harness.upgraded(token="unopenable")
    assert (await peer.close_code()).code == 1011
    await peer.expect_end()


async def test_nodelay(serve) -> None:
    harness = await serve()
    peer = await harness.upgraded()
    sock = harness.gate.sessions[0].connection._transport.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    await peer.close()


async def test_metrics_show_sockets(serve) -> None:
    harness = await serve()
    peer = await harness.upgraded()
    text = harness.metrics.render().decode()
    assert "gameserver_ws_connections 1.0" in text
    assert "gameserver_ws_unauthenticated 0.0" in text
    await peer.close()


async def test_tls_slow_and_plain_peers(serve, tmp_path) -> None:
    certificate = trustme.CA().issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    path = str(tmp_path / "both.pem")
    harness = await serve(tls_cert_file=path, tls_key_file=path, handshake_ms=200)
    silent = await harness.peer(tls=False)
    await silent.expect_end()
    plain = await harness.peer(tls=False)
    await plain.send(http_request())
    assert not (await plain.rest()).startswith(b"HTTP")


def test_tls_is_1_2_or_newer(tmp_path) -> None:
    certificate = trustme.CA().issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    context = tls_context(str(tmp_path / "both.pem"), str(tmp_path / "both.pem"))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_logs_hold_no_credentials(serve, caplog) -> None:
    caplog.set_level("DEBUG")
    harness = await serve(FakeGate())
    await harness.ask(http_request(token=None, Sec_WebSocket_Protocol=f"x, bearer.{JWT}"))
    await harness.ask(http_request(f"/?token={JWT}", token=None))
    await harness.ask(http_request(token="bug"))
    peer = await harness.upgraded(token=JWT)
    await peer.close()
    assert JWT not in caplog.text
