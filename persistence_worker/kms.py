"""AWS KMS over aiobotocore, for the commands that open sealed fields or wrap keys anew. The worker
itself never calls it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from gameserver.wire.envelope import KEY_ID_BYTES, DataKey, encryption_context
from persistence_worker.config import Config
from persistence_worker.errors import KeysUnavailable

_TRIES = 4


class Kms:
    """Every method raises ``KeysUnavailable``; short refusals are repeated by botocore."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def unwrap(self, key_id: bytes, wrapped: bytes) -> DataKey:
        """A data key, ready to open with. Needs ``kms:Decrypt``."""
        answer = await self._call(
            "decrypt", CiphertextBlob=wrapped, EncryptionContext=encryption_context(key_id)
        )
        return DataKey(key_id, answer["Plaintext"], wrapped)

    async def rewrap(self, key_id: bytes, wrapped: bytes, *, under: str) -> bytes:
        """The same data key under another KMS key; it does not leave KMS. Needs
        ``kms:ReEncryptFrom`` and ``kms:ReEncryptTo``."""
        assert len(key_id) == KEY_ID_BYTES
        context = encryption_context(key_id)
        answer = await self._call(
            "re_encrypt",
            CiphertextBlob=wrapped,
            SourceEncryptionContext=context,
            DestinationKeyId=under,
            DestinationEncryptionContext=context,
        )
        return bytes(answer["CiphertextBlob"])

    async def arn(self, key: str) -> str:
        """The full name of a key, given its id or an alias. Needs ``kms:DescribeKey``."""
        answer = await self._call("describe_key", KeyId=key)
        return str(answer["KeyMetadata"]["Arn"])

    async def _call(self, operation: str, **request: Any) -> Any:
        try:
            return await getattr(self._client, operation)(**request)
        except (BotoCoreError, ClientError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise KeysUnavailable(f"KMS: {type(error).__name__}: {error}") from error


@asynccontextmanager
async def open_kms(config: Config) -> AsyncIterator[Kms]:
    """KMS as the settings name it."""
    settings = AioConfig(
        connect_timeout=3,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": _TRIES},
    )
    async with get_session().create_client(
        "kms",
        region_name=config.aws_region,
        endpoint_url=config.kms_endpoint_url or None,
        config=settings,
    ) as client:
        yield Kms(client)
