"""botocore's parser of answers with msgspec's JSON.

A body of SQS is JSON within a JSON string, so that every sixth character of it is an escape;
Python's own decoder takes each of them for a piece of its own.
"""

from __future__ import annotations

from typing import Any

import msgspec
from aiobotocore.parsers import AioJSONParser, AioResponseParserFactory
from aiobotocore.session import AioSession


class _Parser(AioJSONParser):  # type: ignore[misc]  # botocore has no types
    def _parse_body_as_json(self, body_contents: bytes) -> Any:
        try:
            return msgspec.json.decode(body_contents)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # Empty, no JSON, or what only Python takes for JSON, as a lone surrogate.
            return super()._parse_body_as_json(body_contents)


class _Parsers(AioResponseParserFactory):  # type: ignore[misc]
    def create_parser(self, protocol_name: str) -> Any:
        if protocol_name == "json":
            return _Parser(**self._defaults)
        return super().create_parser(protocol_name)


def read_json_faster(session: AioSession) -> None:
    """Let the clients of ``session`` read JSON by msgspec."""
    session.register_component("response_parser_factory", _Parsers())
