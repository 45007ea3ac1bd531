"""Data keys in virtual time: renewed ahead, worn out, waited for."""

from __future__ import annotations

import asyncio

import pytest

from gameserver.adapters.data_keys import FLUSH_MESSAGES, DataKeys
from gameserver.errors import KeysUnavailable
from gameserver.wire import envelope
from tests.fakes.memory_keys import MemoryKms, data_keys
from tests.match.house import in_virtual_time

PLACE = ("t", 1)


async def key_in_use(keys: DataKeys) -> bytes:
    found = envelope.blob_key(keys.seal_blob(b"x", PLACE))
    assert found is not None
    return found[0]


@in_virtual_time
async def test_a_key_is_renewed_at_half_of_its_age() -> None:
    kms = MemoryKms()
    keys = await data_keys(kms, age_ms=100_000)
    task = asyncio.create_task(keys.run())
    first = await key_in_use(keys)
    await asyncio.sleep(49)
    assert await key_in_use(keys) == first
    await asyncio.sleep(2)
    assert await key_in_use(keys) != first
    await asyncio.sleep(1_000)
    assert kms.generated == 22
    task.cancel()


@in_virtual_time
async def test_a_key_is_renewed_at_half_of_its_messages_and_of_its_bytes() -> None:
    kms = MemoryKms()
    keys = await data_keys(kms, messages_max=10, bytes_max=1_000)
    task = asyncio.create_task(keys.run())
    for _ in range(4):
        keys.take(1)
    await asyncio.sleep(1)
    assert kms.generated == 1
    keys.take(1)
    await asyncio.sleep(1)
    assert kms.generated == 2
    keys.take(499)
    await asyncio.sleep(1)
    assert kms.generated == 2
    keys.take(1)
    await asyncio.sleep(1)
    assert kms.generated == 3
    task.cancel()


@in_virtual_time
async def test_an_outage_as_long_as_half_the_age_is_not_noticed() -> None:
    kms = MemoryKms()
    keys = await data_keys(kms, age_ms=100_000)
    task = asyncio.create_task(keys.run())
    kms.down = True
    await asyncio.sleep(94)
    async with asyncio.timeout(0.001):
        await keys.ready()
    kms.down = False
    await asyncio.sleep(16)
    assert kms.generated == 2
    task.cancel()


@in_virtual_time
async def test_a_worn_out_key_seals_nothing_and_who_waits_gets_the_next_one() -> None:
    kms = MemoryKms()
    keys = await data_keys(kms, age_ms=100_000)
    task = asyncio.create_task(keys.run())
    kms.down = True
    await asyncio.sleep(101)
    with pytest.raises(KeysUnavailable):
        keys.seal_blob(b"x", PLACE)
    waiting = asyncio.create_task(keys.ready())
    await asyncio.sleep(300)
    assert not waiting.done()
    kms.down = False
    await asyncio.sleep(16)
    assert waiting.done()
    keys.seal_blob(b"x", PLACE)
    task.cancel()


@in_virtual_time
async def test_no_message_is_sealed_beyond_the_bound() -> None:
    kms = MemoryKms()
    keys = await data_keys(kms, messages_max=FLUSH_MESSAGES + 3)
    kms.down = True
    for _ in range(4):
        await asyncio.wait_for(keys.ready(), 1)
        keys.take(1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(keys.ready(), 1)
    for _ in range(FLUSH_MESSAGES - 1):
        keys.take(1)
    with pytest.raises(KeysUnavailable):
        keys.take(1)


@in_virtual_time
async def test_a_node_without_kms_does_not_start() -> None:
    kms = MemoryKms()
    kms.down = True
    with pytest.raises(KeysUnavailable):
        await data_keys(kms)


@in_virtual_time
async def test_another_nodes_key_is_asked_for_once_and_held() -> None:
    kms = MemoryKms()
    ours, theirs = await data_keys(kms), await data_keys(kms)
    blobs = [theirs.seal_blob(b"state %d" % number, PLACE) for number in range(20)]
    opened = await asyncio.gather(*(ours.open_blob(blob, PLACE) for blob in blobs))
    assert opened == [b"state %d" % number for number in range(20)]
    assert kms.unwrapped == 1
    kms.down = True
    assert await ours.open_blob(blobs[0], PLACE) == b"state 0"
    assert await ours.open_blob(ours.seal_blob(b"own", PLACE), PLACE) == b"own"
    assert await ours.open_blob(b"never sealed", PLACE) == b"never sealed"
    with pytest.raises(KeysUnavailable):
        await ours.open_blob(b"gs1b\x00\x01w" + b"z" * 60, PLACE)
