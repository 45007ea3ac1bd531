"""What is no request: answered like every other refusal, and told to nobody else."""

from __future__ import annotations

import asyncio
import json
import logging
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from tests.adapters.http_world import World, serving
from tests.fuzz.link import first_answer

SECRET = "eyJhbGciOiJSUzI1NiJ9.secret-of-one.signature"
BEARER = f"Authorization: Bearer {SECRET}\r\n".encode()
BEGIN = b"POST /v1/tickets HTTP/1.1\r\nHost: a\r\n" + BEARER
BROKEN = {
    "no protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "no method": b"\x00 / HTTP/1.1\r\n\r\n",
    "a token with a control character": BEGIN.replace(b".secret", b".\x01secret") + b"\r\n",
    "a token on a line without a name": b"GET / HTTP/1.1\r\n" + SECRET.encode() + b"\r\n\r\n",
    "a token in a folded line": BEGIN + b"X: y\r\n " + SECRET.encode() + b"\r\n\r\n",
    "a token as the method": SECRET.encode() + b" / HTTP/1.1\r\n\r\n",
    "a token as the version": b"GET / " + SECRET.encode() + b"\r\n\r\n",
    "two lengths": BEGIN + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
    "length and chunks": BEGIN + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a length that is none": BEGIN + b"Content-Length: +3\r\n\r\n",
    "after a good one": b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" + BEGIN + b"\x00: y\r\n\r\n",
}


async def answers(url: str, raw: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """All answers to ``raw``, until the server closes."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(raw)
    async with asyncio.timeout(60):
        data = await reader.read()
    writer.close()
    found = []
    while data:
        answer = first_answer(data)
        assert answer is not None, data
        found.append((answer[0].status, answer[0].headers, answer[0].body))
        data = answer[1]
    return found


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN)
async def test_what_is_no_request_is_a_problem_and_not_repeated(
    raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with serving(World()) as client:
            *before, (status, headers, body) = await answers(client.url, raw)
    assert [answer[0] for answer in before] == [200] * len(before)
    problem = json.loads(body)
    assert (status, problem["code"], problem["status"]) == (400, "bad_request", 400)
    assert problem["request_id"] == headers["x-request-id"]
    assert headers["content-type"].startswith("application/problem+json")
    assert headers["cache-control"] == "no-store"
    assert b"secret" not in body
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
    said = "".join(caplog.handler.format(record) for record in caplog.records)
    assert "secret" not in said and "127.0.0.1" not in said


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_lines_over_the_limit(raw: bytes) -> None:
    async with serving(World()) as client:
        ((status, _, body),) = await answers(client.url, raw)
    assert (status, json.loads(body)["code"]) == (431, "headers_too_large")


async def test_an_expectation_that_is_not_known_is_not_repeated() -> None:
    raw = b"GET /healthz HTTP/1.1\r\nHost: a\r\nExpect: secret\r\n\r\n"
    async with serving(World()) as client:
        ((status, _, body),) = await answers(client.url, raw)
        assert (status, json.loads(body)["code"]) == (417, "expectation_failed")
        assert b"secret" not in body
        good = raw.replace(b"secret", b"100-continue\r\nConnection: close")
        assert [one[0] for one in await answers(client.url, good)] == [100, 200]


LOGIN = b"POST /v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
UNFINISHED = {
    "less than it says": b"Content-Length: 31\r\n\r\n" + b'{"u',
    "a chunk that ends too soon": b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
}
WRONG = {
    "no chunk": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "no gzip": b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone",
}


@pytest.mark.parametrize("rest", UNFINISHED.values(), ids=UNFINISHED)
async def test_who_is_gone_in_the_middle_of_a_body_is_no_failure_of_ours(
    rest: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a phone that loses its network."""
    read, reading, world = web.Request.read, asyncio.Event(), World()

    async def noticed(self: web.Request) -> bytes:
        reading.set()
        return await read(self)

    monkeypatch.setattr(web.Request, "read", noticed)
    async with serving(world) as client:
        parts = urlsplit(client.url)
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(LOGIN + rest)
        async with asyncio.timeout(60):
            await reading.wait()
            writer.transport.abort()
            while not world.metrics.http_requests:  # noqa: ASYNC110 - a count has no event
                await asyncio.sleep(0)
    assert world.metrics.http_failures == 0
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("rest", WRONG.values(), ids=WRONG)
async def test_a_body_that_is_not_what_its_headers_say(
    rest: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(World()) as client:
        parts = urlsplit(client.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(LOGIN + rest)
        async with asyncio.timeout(60):
            assert (await reader.readline()).split()[1] == b"400"
        writer.close()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
