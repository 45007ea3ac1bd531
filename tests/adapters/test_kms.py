"""The KMS adapter against moto."""

from __future__ import annotations

from collections.abc import AsyncIterator

import boto3  # type: ignore[import-untyped]
import pytest

from gameserver.adapters.kms import Kms
from gameserver.config import Config
from gameserver.devstack.moto import Moto
from gameserver.devstack.process import free_port
from gameserver.errors import KeysUnavailable
from gameserver.metrics import Metrics


def config(moto: Moto, **given: str) -> Config:
    settings = {"kms_key_id": moto.identity["kms_key_id"], "kms_endpoint_url": moto.endpoint_url}
    return Config(**settings | given)  # type: ignore[arg-type]


@pytest.fixture
async def kms(moto: Moto) -> AsyncIterator[Kms]:
    async with Kms(config(moto), metrics=Metrics()) as kms:
        yield kms


async def test_a_key_comes_back_from_its_wrapped_form(kms: Kms) -> None:
    key = await kms.generate()
    again = await kms.unwrap(key.id, key.wrapped)
    sealed = key.cipher.encrypt(b"n" * 12, b"text", None)
    assert again.cipher.decrypt(b"n" * 12, sealed, None) == b"text"


async def test_a_wrapped_key_is_bound_to_its_id(kms: Kms) -> None:
    one, other = await kms.generate(), await kms.generate()
    with pytest.raises(KeysUnavailable):
        await kms.unwrap(other.id, one.wrapped)


async def test_a_rotated_kms_key_still_opens_what_it_wrapped_before(moto: Moto, kms: Kms) -> None:
    before = await kms.generate()
    client = boto3.client("kms", endpoint_url=moto.endpoint_url, region_name=moto.region)
    client.rotate_key_on_demand(KeyId=moto.identity["kms_key_id"])
    after = await kms.generate()
    for key in (before, after):
        assert (await kms.unwrap(key.id, key.wrapped)).id == key.id


async def test_errors_are_counted_and_told(moto: Moto) -> None:
    metrics = Metrics()
    async with Kms(config(moto, kms_key_id="alias/none"), metrics=metrics) as kms:
        with pytest.raises(KeysUnavailable, match="NotFoundException"):
            await kms.generate()
    nowhere = f"http://127.0.0.1:{free_port()}"
    async with Kms(config(moto, kms_endpoint_url=nowhere), metrics=metrics) as kms:
        with pytest.raises(KeysUnavailable, match="KMS"):
            await kms.generate()
    assert metrics.kms_errors == 2
