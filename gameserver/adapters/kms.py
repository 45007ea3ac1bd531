"""Data keys from AWS KMS, over aiobotocore.

    generate   GenerateDataKey(KeyId, AES_256, EncryptionContext {"gameserver:data-key": id})
    unwrap     Decrypt(CiphertextBlob, the same EncryptionContext)

Nothing here retries: the callers do, with their own patience. Credentials come from where botocore
finds them: the environment, or the task's role on ECS.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import aiohttp
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from gameserver.adapters.aws_client import AwsClient
from gameserver.config import Config
from gameserver.errors import KeysUnavailable
from gameserver.metrics import Metrics
from gameserver.wire.envelope import KEY_ID_BYTES, DataKey, encryption_context

_CONNECTIONS_MAX = 4
_CONNECT_TIMEOUT_S = 1.0
_READ_TIMEOUT_S = 3.0
_CALL_TIMEOUT_S = 5.0


class Kms(AwsClient):
    """Use it as ``async with``. Every call raises ``KeysUnavailable``."""

    def __init__(self, config: Config, *, metrics: Metrics) -> None:
        self._config = config
        self._metrics = metrics
        super().__init__(
            "kms",
            region=config.aws_region,
            endpoint_url=config.kms_endpoint_url,
            options=AioConfig(
                connect_timeout=_CONNECT_TIMEOUT_S,
                read_timeout=_READ_TIMEOUT_S,
                max_pool_connections=_CONNECTIONS_MAX,
                retries={"total_max_attempts": 1},
            ),
        )

    async def generate(self) -> DataKey:
        """A new data key under the key of the settings."""
        key_id = os.urandom(KEY_ID_BYTES)
        answer = await self._call(
            "generate_data_key",
            KeyId=self._config.kms_key_id,
            KeySpec="AES_256",
            EncryptionContext=encryption_context(key_id),
        )
        try:
            return DataKey(key_id, answer["Plaintext"], answer["CiphertextBlob"])
        except ValueError as error:
            raise self._failed(error) from error

    async def unwrap(self, key_id: bytes, wrapped: bytes) -> DataKey:
        """A data key of this node or another one; also one wrapped before KMS rotated its key."""
        answer = await self._call(
            "decrypt", CiphertextBlob=wrapped, EncryptionContext=encryption_context(key_id)
        )
        try:
            return DataKey(key_id, answer["Plaintext"], wrapped)
        except ValueError as error:
            raise self._failed(error) from error

    async def _call(self, operation: str, **request: Any) -> Any:
        try:
            async with asyncio.timeout(_CALL_TIMEOUT_S):
                return await getattr(self._client, operation)(**request)
        except (BotoCoreError, ClientError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> KeysUnavailable:
        self._metrics.kms_errors += 1
        return KeysUnavailable(f"KMS: {type(error).__name__}: {error}")
