"""``docs/protocol.md`` names what there is: messages, fields, codes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gameserver.wire import from_client, to_client
from gameserver.wire.close_codes import ADVICE
from gameserver.wire.to_client import ErrorCode

TEXT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("names", [from_client.JSON_NAMES, to_client.JSON_NAMES])
def test_every_message_stands_there_with_its_fields(names: dict[type[msgspec.Struct], str]) -> None:
    for kind, name in names.items():
        array = ", ".join([str(kind.__struct_config__.tag), *kind.__struct_fields__])
        assert f"| `[{array}]` | `{name}` |" in TEXT


@pytest.mark.parametrize("code", ErrorCode)
def test_every_error_code_stands_there(code: ErrorCode) -> None:
    assert f"`{code}`" in TEXT


def test_every_close_code_stands_there() -> None:
    for code, advice in ADVICE.items():
        retry, resume = ("yes" if each else "no" for each in (advice.retry, advice.resume))
        row = f"| {int(code)} | {code.name.lower()} | {advice.meaning} | {retry} | {resume} |"
        assert row in TEXT
