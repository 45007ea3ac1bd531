"""Which calls to AWS the programs really make, written down while they make them.

    code of ours ──► client of aiobotocore, or JsonCall ──► the recorder ──► moto, the SQS endpoint

Calls of the tests themselves and of the stand-ins are not ours, and are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiobotocore.client import AioBaseClient

from gameserver.adapters.aws_json import JsonCall
from tests.deploy.calls import NOT_SHIPPED, PACKAGES, ROOT, named_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """``module``: the file of ours that has asked the client."""

    module: str
    service: str
    operation: str
    given: Mapping[str, Any]


@contextmanager
def watching(told: Callable[[Call], None]) -> Iterator[None]:
    """Tell of each call of this process before it is made."""
    made, called = AioBaseClient._make_api_call, JsonCall.__call__

    def watched(self: AioBaseClient, operation: str, given: Mapping[str, Any]) -> Any:
        # Not async, so that who calls is still on the stack.
        if (module := _asking()) is not None:
            service = self.meta.service_model.service_name
            told(Call(module=module, service=service, operation=operation, given=given))
        return made(self, operation, given)

    def watched_call(self: JsonCall, given: Any) -> Any:
        if (module := _asking()) is not None:
            told(Call(module=module, service=self.service, operation=self.operation, given=given))
        return called(self, given)

    AioBaseClient._make_api_call = watched
    JsonCall.__call__ = watched_call  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        AioBaseClient._make_api_call = made
        JsonCall.__call__ = called  # type: ignore[method-assign]


def check_known(call: Call) -> None:
    """Fail where a call is made that reading the sources has not found: no role allows it."""
    known = named_in(call.module).get(call.service, frozenset())
    assert call.operation in known, f"{call} is not known to tests/deploy/calls.py"


def _asking() -> str | None:
    """The first file on the stack that is not botocore's, if it is one of ours."""
    frame = sys._getframe(2)
    while frame.f_back is not None and "botocore" in frame.f_code.co_filename:
        frame = frame.f_back
    path = Path(frame.f_code.co_filename)
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
    shipped = name.split("/")[0] in PACKAGES and not name.startswith(NOT_SHIPPED)
    return name if shipped else None
