"""``python -m gameserver.healthcheck``: exit 0 if the server on this machine is alive.

A module of its own, because it is called every few seconds beside a server that keeps time: the
server's own parts, or an AWS library, would take most of a second of CPU to load.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys

from gameserver.config import Config, read
from gameserver.errors import ConfigError

TIMEOUT_S = 3.0
ALIVE, DEAD, WRONG_SETTINGS = 0, 1, 2


def ask(config: Config) -> int:
    """The status of ``/healthz``. Raises ``OSError`` or ``HTTPException`` without an answer."""
    host, port = "127.0.0.1", config.http_port
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    if config.tls_cert_file:
        # The certificate names the public host, not the loopback address asked here.
        unverified = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=unverified)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    finally:
        connection.close()


def main() -> int:
    """The exit code: 0 alive, 1 not, 2 wrong settings."""
    try:
        config = read(os.environ)
        status = ask(config)
    except ConfigError as error:
        return _say(str(error), WRONG_SETTINGS)
    except (OSError, http.client.HTTPException) as error:
        return _say(f"no answer from 127.0.0.1:{config.http_port}: {error}", DEAD)
    return ALIVE if status == 200 else _say(f"/healthz answered {status}", DEAD)


def _say(what: str, code: int) -> int:
    print(f"gameserver: {what}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
