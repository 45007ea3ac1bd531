from __future__ import annotations

import asyncio

import pytest

from persistence_worker import intake
from persistence_worker.buffer import Buffer, Delivery
from persistence_worker.messages import Message
from tests.worker.builders import bundle, raw


def delivery(records: int, *, seq: int = 1) -> Delivery:
    body = bundle(*(raw("m1", seq + n) for n in range(records)))
    message = Message(id="i", receipt="r", body=body, receives=1, sent_at_ms=0, attributes={})
    return Delivery(message=message, intake=intake.read(body), invisible_until=0.0)


def of(messages_max: int = 100, bytes_max: int = 10**6) -> Buffer:
    return Buffer(messages_max=messages_max, bytes_max=bytes_max)


@pytest.mark.parametrize(
    ("sizes", "records_max", "taken"),
    [
        ([1, 1, 1], 10, 3),
        ([5, 5, 5], 10, 2),
        ([5, 6], 10, 1),
        ([50], 10, 1),
        ([50, 1], 10, 1),
        ([0, 0, 10, 1], 10, 3),
    ],
)
async def test_takes_what_fits_but_at_least_one(
    sizes: list[int], records_max: int, taken: int
) -> None:
    buffer = of()
    buffer.put([delivery(size) for size in sizes], reserved=0)
    assert len(await buffer.take(records_max)) == taken
    assert len(buffer) == len(sizes) - taken


async def test_reservations_wait_for_room() -> None:
    buffer = of(messages_max=20)
    await buffer.reserve(10)
    await buffer.reserve(10)
    waiting = asyncio.create_task(buffer.reserve(10))
    await asyncio.sleep(0)
    assert not waiting.done()
    buffer.put([], reserved=10)
    await waiting


async def test_bytes_make_full_too() -> None:
    buffer = of(bytes_max=10)
    await buffer.reserve(1)
    buffer.put([delivery(1)], reserved=1)
    waiting = asyncio.create_task(buffer.reserve(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    await buffer.take(1)
    await waiting


async def test_closing_lets_takers_finish() -> None:
    buffer = of()
    buffer.put([delivery(1), delivery(1)], reserved=0)
    buffer.close()
    assert len(await buffer.take(1)) == 1
    assert len(await buffer.take(1)) == 1
    assert await buffer.take(1) == []


async def test_closing_wakes_all_waiting_takers() -> None:
    buffer = of()
    takers = [asyncio.create_task(buffer.take(1)) for _ in range(3)]
    await asyncio.sleep(0)
    buffer.close()
    assert await asyncio.gather(*takers) == [[], [], []]
