"""A client of one AWS service, open as long as its owner is."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import cache
from types import TracebackType
from typing import Any, Self

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.loaders import Loader, create_loader


@cache
def _loader() -> Loader:
    """What botocore knows of AWS, read once for all clients of a process."""
    return create_loader()


class AwsClient:
    """Base of the adapters that call AWS over aiobotocore; used as ``async with``. Credentials come
    from where botocore finds them: the environment, or the task's role on ECS. ``endpoint_url``:
    AWS' own if empty."""

    def __init__(self, service: str, *, region: str, endpoint_url: str, options: AioConfig) -> None:
        self._service = service
        self._region = region
        self._endpoint_url = endpoint_url or None
        self._options = options
        self._stack = AsyncExitStack()
        self._client: Any = None

    async def __aenter__(self) -> Self:
        session = get_session()
        session.register_component("data_loader", _loader())
        self._client = await self._stack.enter_async_context(
            session.create_client(
                self._service,
                region_name=self._region,
                endpoint_url=self._endpoint_url,
                config=self._options,
            )
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()
        self._client = None
