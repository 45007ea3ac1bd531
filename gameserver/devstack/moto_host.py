"""moto's Cognito, KMS and DynamoDB as a process that finds its earlier data when it starts again.

    python -m gameserver.devstack.moto_host --port 30500 --data .run/data/moto

moto keeps everything in memory; this host writes that memory to ``state.pickle`` within a second of
a change and when it is asked to stop. So players who signed up, KMS keys (and what they encrypted)
and DynamoDB items outlive a restart. ``GET /_devstack/identity`` answers 200 with the ids of the
user pool, the app client and so on as soon as all of that exists.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from moto.moto_api._internal import mock_random
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from gameserver.devstack import emulation_options, moto_gaps, moto_setup, moto_state

IDENTITY_PATH = "/_devstack/identity"
_SAVE_EVERY_S = 1.0
_FIRST_SEED = 20_260_101
"""Makes the first identifiers, the demo player's ``sub`` among them, the same everywhere."""


class _Handler(MotoRequestHandler):
    """Logs refusals only: the rest would bury them."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if self.path != IDENTITY_PATH and str(code) >= "400":
            self.log("info", "%s %s %s", self.command, self.headers.get("X-Amz-Target", ""), code)


class Host:
    """The WSGI application: moto behind a lock, so that its memory can be written at any time."""

    def __init__(self, state: Path) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._state = state
        self._changed = False
        self._identity: bytes | None = None
        self.stopping = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == IDENTITY_PATH:
            body = self._identity
            start_response(
                "503 Service Unavailable" if body is None else "200 OK",
                [("Content-Type", "application/json")],
            )
            return [body or b"{}"]
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        with self._lock:
            self._changed = True
            if target.endswith(moto_gaps.CALLS):
                body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
                status, answer = moto_gaps.answer(target, body)
                start_response(status, [("Content-Type", "application/x-amz-json-1.1")])
                return [json.dumps(answer).encode()]
            return list(self._app(environ, start_response))

    def restore(self) -> None:
        """Load the earlier memory; without it, make the first identifiers predictable."""
        if self._state.exists():
            if moto_state.thaw(self._state.read_bytes()):
                return
            aside = self._state.with_suffix(".old")
            self._state.replace(aside)
            print(f"moto has another version than the one that wrote its data: kept as {aside}")
        mock_random.seed(_FIRST_SEED)

    def provisioned(self, identity: dict[str, str]) -> None:
        """From now on: ready, and random."""
        mock_random.seed(int.from_bytes(os.urandom(16), "big"))
        self._identity = json.dumps(identity).encode()

    def save(self) -> None:
        """Write what changed since the last time; a crash in between leaves the earlier file."""
        with self._lock:
            if not self._changed:
                return
            self._changed = False
            frozen = moto_state.freeze()
        unfinished = self._state.with_suffix(".new")
        unfinished.write_bytes(frozen)
        unfinished.replace(self._state)

    def save_until_stopped(self) -> None:
        """Save each second, and once more at the end."""
        while not self.stopping.wait(_SAVE_EVERY_S):
            self.save()
        self.save()


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    options = emulation_options.parse("Amazon Cognito, KMS and DynamoDB for development and tests")
    host = Host(options.data / "state.pickle")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: host.stopping.set())
    host.restore()
    server = make_server(options.host, options.port, host, threaded=True, request_handler=_Handler)
    threading.Thread(target=server.serve_forever, daemon=True, name="http").start()
    endpoint = f"http://{options.host}:{server.port}"
    host.provisioned(moto_setup.provision(endpoint, region=options.region))
    host.save_until_stopped()
    server.shutdown()


if __name__ == "__main__":
    main()
