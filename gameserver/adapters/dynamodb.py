"""Calls to Amazon DynamoDB over aiobotocore: bounded, with few retries, conditions as answers.

botocore retries what DynamoDB throttles or fails to answer, three tries in all, with jitter. So a
write may be carried out by a try whose answer was lost; the next one then finds its own item in the
way. A conditional write therefore compares what stood in its way with what it wanted to write.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from gameserver.adapters.aws_client import AwsClient
from gameserver.config import Config
from gameserver.errors import TableUnavailable
from gameserver.metrics import Metrics

logger = logging.getLogger(__name__)

Item = dict[str, dict[str, Any]]
"""As the service has it: ``{"name": {"S": "text"}, "count": {"N": "1"}, "blob": {"B": b""}}``."""

TRIES = 3
CONNECTIONS_MAX = 32
_REFUSED = "ConditionalCheckFailedException"
_CANCELLED = "TransactionCanceledException"
_OVERTAKEN = {"ConditionalCheckFailed", "TransactionConflict"}


class DynamoDb(AwsClient):
    """One client for all tables; use it as ``async with``. Credentials come from where botocore
    finds them: the environment, or the task's role on ECS."""

    def __init__(self, config: Config, *, metrics: Metrics) -> None:
        self._config = config
        self._metrics = metrics
        self._timeout_s = config.dynamodb_timeout_ms / 1000
        super().__init__(
            "dynamodb",
            region=config.aws_region,
            endpoint_url=config.dynamodb_endpoint_url,
            options=AioConfig(
                connect_timeout=self._timeout_s / TRIES,
                read_timeout=self._timeout_s / TRIES,
                max_pool_connections=CONNECTIONS_MAX,
                retries={"total_max_attempts": TRIES, "mode": "standard"},
            ),
        )

    async def get(self, table: str, key: Item) -> Item | None:
        """The item as it was written last in this region. Raises ``TableUnavailable``."""
        answer = await self._call("get_item", TableName=table, Key=key, ConsistentRead=True)
        return answer.get("Item")

    async def put(
        self, table: str, item: Item, *, condition: str, values: Mapping[str, Any] | None = None
    ) -> bool:
        """Write the whole item if ``condition`` holds, or if it is there already; false if
        something else is. Raises ``TableUnavailable``."""
        more = {"ExpressionAttributeValues": dict(values)} if values else {}
        try:
            await self._call(
                "put_item",
                TableName=table,
                Item=item,
                ConditionExpression=condition,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **more,
            )
        except ClientError as refused:
            return bool(refused.response.get("Item") == item)
        return True

    async def delete(
        self, table: str, key: Item, *, condition: str = "", values: Mapping[str, Any] | None = None
    ) -> bool:
        """Delete the item if ``condition`` holds; false if it does not. Raises
        ``TableUnavailable``."""
        more: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        if values:
            more["ExpressionAttributeValues"] = dict(values)
        try:
            await self._call("delete_item", TableName=table, Key=key, **more)
        except ClientError:
            return False
        return True

    async def transact(self, *writes: Mapping[str, Any]) -> bool:
        """All of ``writes`` (``TransactWriteItems``) or none; false where a condition does not
        hold, or another transaction is at one of the items. Raises ``TableUnavailable``."""
        try:
            await self._call("transact_write_items", TransactItems=list(writes))
        except ClientError as refused:
            reasons: Any = refused.response.get("CancellationReasons", ())
            codes = {reason.get("Code", "None") for reason in reasons} - {"None"}
            if not codes or not codes <= _OVERTAKEN:
                raise self._failed("transact_write_items", " ".join(sorted(codes))) from refused
            return False
        return True

    async def query(
        self, table: str, name: str, value: str, *, items_max: int | None = None
    ) -> list[Item]:
        """All items (or the first ``items_max``) whose partition key ``name`` is ``value``, page
        by page. Raises ``TableUnavailable``."""
        found: list[Item] = []
        start: Item | None = None
        while True:
            more = {"ExclusiveStartKey": start} if start else {}
            answer = await self._call(
                "query",
                TableName=table,
                ConsistentRead=True,
                KeyConditionExpression=f"{name} = :value",
                ExpressionAttributeValues={":value": {"S": value}},
                **more,
            )
            found += answer["Items"]
            start = answer.get("LastEvaluatedKey")
            if not start or (items_max is not None and len(found) >= items_max):
                return found[:items_max]

    async def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Raises ``TableUnavailable``, or ``ClientError`` for a condition that does not hold."""
        try:
            async with asyncio.timeout(self._timeout_s):
                answer: dict[str, Any] = await getattr(self._client, operation)(**arguments)
                return answer
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in (_REFUSED, _CANCELLED):
                self._metrics.table_conflicts += 1
                raise
            raise self._failed(operation, code) from error
        except (BotoCoreError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._failed(operation, type(error).__name__) from error

    def _failed(self, operation: str, why: str) -> TableUnavailable:
        self._metrics.table_errors += 1
        logger.warning("dynamodb failed", extra={"operation": operation, "error": why})
        return TableUnavailable(f"DynamoDB: {operation}: {why}")
