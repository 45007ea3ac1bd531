"""SQL in files of its own: blocks of ``-- name: x``, each with a line that says what for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources


def read_statements(text: str) -> Mapping[str, str]:
    """The statements of a file, by name."""
    blocks = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return {name: body.strip() for name, body in zip(blocks[::2], blocks[1::2], strict=True)}


def statements_of(package: str, file: str) -> Mapping[str, str]:
    """The statements of a file of ``package``, by name."""
    return read_statements(resources.files(package).joinpath(file).read_text("utf-8"))
