"""The generator of ``bench.http``: it takes answers apart however they arrive."""

from __future__ import annotations

import time

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from bench.http import Measured, _Connection, _line
from bench.http_profile import profiles
from bench.http_server import CALLS, PLAYER, services, token
from gameserver.adapters.http_api import HttpApi

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
NOT = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_answers_in_pieces(size: int) -> None:
    latencies: list[float] = []
    connection = _Connection(latencies)
    connection.due.extend([time.perf_counter()] * 4)
    sent = OK + NOT + OK
    for start in range(0, len(sent), size):
        connection.data_received(sent[start : start + size])
    assert (len(latencies), connection.refused, len(connection.due)) == (3, 1, 1)
    assert connection.body_bytes == 5


async def test_every_call_that_is_measured_is_answered() -> None:
    key = generate_private_key(public_exponent=65_537, key_size=2048)
    api = HttpApi(services(key, await profiles(PLAYER)))
    port = await api.start()
    headers = {"Authorization": f"Bearer {token(key)}"}
    try:
        async with aiohttp.ClientSession(headers=headers) as http:
            for name, path in CALLS.items():
                async with http.get(f"http://127.0.0.1:{port}{path}") as answer:
                    told = await answer.json()
                    assert answer.status == 200, (name, told)
                    if name == "own profile":
                        assert told["email"] == "ada@mail.example"
    finally:
        await api.close()


def measured(latency_ms: float, cpu_us: float, refused: int = 0) -> Measured:
    return Measured(
        latencies_ms=[latency_ms] * 100, cpu_us=cpu_us, sent=100, refused=refused, body_bytes=5
    )


def test_a_line_holds_medians_and_the_ratio() -> None:
    ours = [measured(1.0, 300), measured(9.0, 900), measured(2.0, 400)]
    bare = [measured(0.5, 200)] * 3
    line = _line("list", ours, bare)
    assert line == "| list | 5 | 2.00 | 2.00 | 2.0 | 400 | 0.50 | 0.50 | 200 | 2.0 |"


def test_refused_requests_are_no_measurement() -> None:
    with pytest.raises(AssertionError):
        _line("list", [measured(1, 1, refused=1)], [measured(1, 1)])
