"""What is no request: answered like every other refusal, and told to nobody else."""

from __future__ import annotations

import asyncio
import json
import logging
from urllib.parse import urlsplit

import pytest

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
    async with asyncio.timeout(20):
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
