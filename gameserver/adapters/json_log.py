"""Logs as one JSON object a line; fields come from ``extra``, never from the message.

``remote``, a player's address, is cut to its network: logs are kept for long and read by many.
"""

from __future__ import annotations

import logging
import sys
from time import gmtime, strftime
from typing import Any

import msgspec

from gameserver import spans
from gameserver.adapters.client_address import network

_STANDARD = frozenset(
    vars(logging.LogRecord("", 0, "", 0, "", (), None))
    | {"message": 0, "asctime": 0, "taskName": 0}
)
_encode = msgspec.json.Encoder(enc_hook=str).encode


class JsonFormatter(logging.Formatter):
    """``{"at": "2026-01-31T12:00:00.000Z", "level": "info", "logger": …, "message": …, …}``."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """UTC with milliseconds."""
        return f"{strftime('%Y-%m-%dT%H:%M:%S', gmtime(record.created))}.{record.msecs:03.0f}Z"

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        fields: dict[str, Any] = {
            "at": self.formatTime(record),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields.update((key, value) for key, value in vars(record).items() if key not in _STANDARD)
        if trace := spans.current_id():
            fields["trace"] = trace
        if "remote" in fields:
            fields["remote"] = network(str(fields["remote"]))
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return _encode(fields).decode()


def configure(service: str, level: str) -> None:
    """Log to standard output, as containers expect."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # botocore and aiohttp tell of every request on info; what fails is logged by their callers.
    for noisy in ("botocore", "aiobotocore", "aiohttp.access", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
