"""AWS' service models, which botocore reads anew for every session, read once for all of them.

Reading takes most of the CPU time of a client. Nothing else is shared: botocore builds each client
itself, of the same models.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from aiobotocore.session import get_session
from botocore.loaders import Loader

_read: dict[tuple[str, ...], dict[Any, Any]] = {}
"""What was read, by the directories it was looked for in."""


@cache
def share() -> None:
    """From now on the loaders of this process have one cache for the same directories."""
    made = Loader.__init__

    def make(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        self._cache = _read.setdefault(tuple(self.search_paths), {})

    Loader.__init__ = make


def read(*services: str) -> None:
    """Read what clients of ``services`` are built of, so that forks of this process need not."""
    share()
    loader = get_session().get_component("data_loader")
    for service in services:
        loader.load_service_model(service, "service-2", api_version=None)
        loader.load_service_model(service, "endpoint-rule-set-1", api_version=None)
    for name in ("endpoints", "partitions", "sdk-default-configuration", "_retry"):
        loader.load_data(name)
