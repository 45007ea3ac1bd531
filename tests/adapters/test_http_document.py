"""The OpenAPI document and the page made of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docs.generate_http_api import render
from gameserver.__main__ import main
from gameserver.adapters.http_endpoints import ENDPOINTS, openapi
from tests.adapters.http_world import World, serving

ROOT = Path(__file__).parent.parent.parent


def test_the_document_is_valid() -> None:
    # jsonschema's import builds 38 parsers: seconds, in every process that looks for tests.
    from openapi_spec_validator import OpenAPIV31SpecValidator

    OpenAPIV31SpecValidator(json.loads(openapi())).validate()


def test_operations_have_names_of_their_own() -> None:
    paths = json.loads(openapi())["paths"].values()
    names = [each["operationId"] for operations in paths for each in operations.values()]
    assert len(names) == len(set(names)) == len(ENDPOINTS)


async def test_it_is_served_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(World()) as ask:
        served, headers = await ask("GET", "/v1/openapi.json")
    assert headers["Content-Type"] == "application/openapi+json"
    assert main(["openapi"]) == 0
    assert json.loads(capsys.readouterr().out) == served


def test_the_page_is_the_one_made_of_the_endpoints() -> None:
    written = (ROOT / "docs" / "http-api.md").read_text()
    assert written == render(), "run `python -m docs.generate_http_api`"
