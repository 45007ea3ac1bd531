"""The project's own programs as services of the stack, and where they are reached."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gameserver.devstack.process import Service

_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


class Program(Service):
    """A program with its settings in the environment and a URL that says that it is ready."""

    stop_timeout_s = 30.0
    death_signal = signal.SIGKILL

    def __init__(
        self,
        *,
        name: str,
        log: Path,
        argv: list[str],
        environ: Callable[[], Mapping[str, str]],
        ready_url: str,
    ) -> None:
        super().__init__(name=name, log=log)
        self.ready_url = ready_url
        self._argv = argv
        self._environ = environ

    def argv(self) -> list[str]:
        return self._argv

    def environ(self) -> Mapping[str, str]:
        return self._environ()

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.ready_url, timeout=5):
                return True
        except OSError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Where one game server is reached."""

    name: str
    ws_url: str
    api_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """Settings put over the stack's own, by full name (``GAMESERVER_GRACE_MS``)."""

    gameserver: Mapping[str, str] = field(default_factory=dict)
    worker: Mapping[str, str] = field(default_factory=dict)


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment with ``own`` over it, and without any way to a real account."""
    inherited = {
        key: value
        for key, value in os.environ.items()
        if key not in ("AWS_PROFILE", "AWS_SESSION_TOKEN")
    }
    return {**inherited, **_CREDENTIALS, "PYTHONUNBUFFERED": "1", **own}
