"""Good and bad requests that schemathesis makes of the OpenAPI document, against a true server.

Every answer is held to the document: status, content type, headers, body; what the document forbids
must be refused, and what it allows must not be.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test

from gameserver.adapters.http_endpoints import ENDPOINTS, openapi
from gameserver.config import Config
from tests.adapters.http_world import Operators, info, serving
from tests.adapters.test_http_friends import friends_of
from tests.adapters.test_http_profiles import desk
from tests.fakes.memory_connected import MemoryConnected
from tests.fakes.memory_tables import MemoryProfiles

REQUESTS = 170
"""About so many in all, so that more endpoints do not make a longer test."""
EXAMPLES = max(4, REQUESTS // len(ENDPOINTS))
MANY = 10_000_000
DOCUMENT: dict[str, Any] = json.loads(openapi())
LIMITS = [name for name in Config.__struct_fields__ if name.endswith("_per_minute")]

OPERATIONS = [(method, path) for path, each in DOCUMENT["paths"].items() for method in each]


@pytest.fixture(scope="module")
def described() -> Any:
    """The document, and what it cannot say."""
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.config.generation.update(modes=list(GenerationMode))
    # What no schema can say (a cursor that was given, a time to come) is refused with 422, so that
    # 400 stays for what the document forbids; nor can it say which version is there (412).
    schema.config.checks.positive_data_acceptance.expected_statuses += ["412", "422"]
    # A text over its bound may be over that of the whole body first.
    schema.config.checks.negative_data_rejection.expected_statuses += ["413"]
    return schema


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server in a thread of its own, without limits in the way; the bearer may do everything."""
    world = Operators(running=[info(f"m{number}") for number in range(9)])
    world.operations.matches = {f"m{number}" for number in range(9)}
    loop = asyncio.new_event_loop()
    started: list[str] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        world.profiles = desk(MemoryProfiles())
        world.friends = friends_of(world, MemoryConnected(lambda: loop.time() * 1000))
        no_limits = dict.fromkeys(LIMITS, MANY)
        async with serving(world, **no_limits) as ask:
            started.append(ask.url)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait()
    yield started[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


def test_all_checks_are_on() -> None:
    load_all_checks()
    assert set(CHECKS.get_all_names()) >= {
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "positive_data_acceptance",
        "missing_required_header",
        "unsupported_method",
        "use_after_free",
        "ensure_resource_availability",
        "ignored_auth",
    }


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def call_and_validate(case: schemathesis.Case, url: str) -> None:
    case.call_and_validate(base_url=url, headers={"Authorization": "Bearer good"})


# `schema.parametrize()` would make all requests when tests are looked for: that takes many seconds,
# in each process of a run.
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_what_is_served_is_what_is_described(
    method: str, path: str, described: Any, url: str
) -> None:
    test = build_operation_test(
        config=described.config,
        operation=described[path][method],
        test_func=call_and_validate,
        given_kwargs={},
        feedback=FeedbackSources(),
    )
    test(url=url)
