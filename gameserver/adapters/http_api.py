"""The HTTP API's server: the endpoints behind their checks, on a port of its own.

    request ─► id, time limit, log ─► origin ─► router ─► http_dispatch ─► handler of an endpoint

What there is to call is declared in ``http_endpoints``; docs/http-api.md lists it.
"""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Sequence

import msgspec
from aiohttp import web

from gameserver.adapters.http_dispatch import Dispatcher
from gameserver.adapters.http_endpoints import ENDPOINTS
from gameserver.adapters.http_limits import HttpLimits
from gameserver.adapters.http_middleware import allow_origin, check_origin, errors_and_log
from gameserver.adapters.http_routes import Endpoint
from gameserver.adapters.http_server import Runner
from gameserver.adapters.http_services import Services
from gameserver.config import Config

logger = logging.getLogger(__name__)

_LETTERS = re.compile(r"\^(\[[0-9a-z-]+\]\{[0-9,]+\})\\Z")
_KEEPALIVE_S = 75.0  # Longer than an Application Load Balancer's 60 s, so that it never meets a
# connection that is just being closed (AWS: "Troubleshoot your ALB", HTTP 502).


class HttpApi:
    """Serves ``endpoints``, with what they ask for in ``services``."""

    def __init__(self, services: Services, *, endpoints: Sequence[Endpoint] = ENDPOINTS) -> None:
        self._services = services
        self._endpoints = endpoints
        self._runner: Runner | None = None

    def application(self) -> web.Application:
        """The application, not yet listening."""
        config = self._services.config
        origins = frozenset(config.origins)
        app = web.Application(
            client_max_size=config.http_body_bytes_max,
            middlewares=[
                errors_and_log(
                    timeout_s=config.http_timeout_ms / 1000,
                    metrics=self._services.metrics,
                    slow_s={
                        one.path: config.replay_ms / 1000 for one in self._endpoints if one.streamed
                    },
                ),
                check_origin(origins, self._endpoints),
            ],
        )
        app.on_response_prepare.append(allow_origin(origins, self._endpoints))
        dispatcher = Dispatcher(self._services, HttpLimits(config))
        for endpoint in self._endpoints:
            handler = dispatcher.handler(endpoint)
            app.router.add_route(endpoint.method, _routed(endpoint), handler)
            if endpoint.method == "GET":  # RFC 9110, 9.1: whoever has GET has HEAD.
                app.router.add_route("HEAD", _routed(endpoint), handler)
        return app

    async def start(self) -> int:
        """Listen; the port that is bound. Raises ``OSError`` where it is taken."""
        config = self._services.config
        self._runner = Runner(
            self.application(),
            handle_signals=False,
            access_log=None,
            keepalive_timeout=_KEEPALIVE_S,
            shutdown_timeout=2.0,
            max_line_size=config.header_bytes_max,
            max_field_size=config.header_bytes_max,
        )
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, config.http_host, config.http_port, ssl_context=_tls(config)
        )
        try:
            await site.start()
        except OSError:
            await self.close()
            raise
        port: int = self._runner.addresses[0][1]
        logger.info("http api listens", extra={"host": config.http_host, "port": port})
        return port

    async def close(self) -> None:
        """Stop listening, give requests under way 2 s, then end them."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()


def _routed(endpoint: Endpoint) -> str:
    """The path for aiohttp's router. A part whose pattern is one class of letters takes nothing
    else, so that a fixed path may stand beside it (``/v1/matches/join-by-code``)."""
    path = endpoint.path
    for field in msgspec.inspect.type_info(endpoint.params).fields:  # type: ignore[attr-defined]
        pattern = getattr(field.type, "pattern", None) or ""
        if found := _LETTERS.fullmatch(pattern):
            path = path.replace(f"{{{field.name}}}", f"{{{field.name}:{found[1]}}}")
    return path


def _tls(config: Config) -> ssl.SSLContext | None:
    if not config.tls_cert_file:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(config.tls_cert_file, config.tls_key_file)
    return context
