"""Logs as one JSON object a line, in the game server's form; fields come from ``extra``."""

from __future__ import annotations

import logging
import sys
from time import gmtime, strftime
from typing import Any, TextIO

import msgspec

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_encode = msgspec.json.Encoder(enc_hook=str).encode


class JsonFormatter(logging.Formatter):
    """``{"at": "2026-01-31T12:00:00.000Z", "level": "info", "service": …, "message": …, …}``."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """UTC with milliseconds."""
        return f"{strftime('%Y-%m-%dT%H:%M:%S', gmtime(record.created))}.{record.msecs:03.0f}Z"

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON; what JSON lacks becomes text."""
        fields: dict[str, Any] = {
            "at": self.formatTime(record),
            "level": record.levelname.lower(),
            "service": "persistence_worker",
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields.update((key, value) for key, value in vars(record).items() if key not in _STANDARD)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return _encode(fields).decode()


def configure(level: str, *, stream: TextIO | None = None) -> None:
    """Log to ``stream`` (standard output, as containers expect); libraries from warnings on."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("persistence_worker").setLevel(level.upper())
