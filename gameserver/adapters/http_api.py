"""The HTTP API: health, metrics, log-in, tickets and what is being played.

    GET  /healthz          200 while the event loop lives; depends on nothing else
    GET  /readyz           200 while new sockets are accepted, else 503 with the reason; also what
                           players are told, if the cluster is in maintenance
    GET  /metrics          Prometheus text format
    POST /v1/auth/login    {username, password} → Tokens
    POST /v1/auth/refresh  {refresh_token} → Tokens
    POST /v1/tickets       Bearer → {ticket, expires_ms}
    GET  /v1/matches       Bearer; ?game=&mode=&limit= → {matches, total}
    GET  /v1/games         → {games}
    …    /v1/admin/…       operators only: ``http_admin``

Errors are ``application/problem+json`` (RFC 9457) with a stable ``code``.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from aiohttp import hdrs, web

from gameserver.adapters.client_address import limit_key
from gameserver.adapters.http_admin import HttpAdmin
from gameserver.adapters.http_auth import AttemptLimit, Login, LoginBody, RefreshBody
from gameserver.adapters.http_problem import (
    Problem,
    allow_origin,
    check_origin,
    errors_and_log,
    json_response,
    retry_after,
)
from gameserver.adapters.http_request import identify, read_body
from gameserver.config import Config
from gameserver.game.contract import AnyGame
from gameserver.metrics import Metrics
from gameserver.ports import MaintenanceControl, Tickets, TokenVerifier

logger = logging.getLogger(__name__)

_LISTED_MAX = 500
_LISTED_DEFAULT = 100
_KEEPALIVE_S = 75.0  # Longer than an Application Load Balancer's 60 s, so that it never meets a
# connection that is just being closed (AWS: "Troubleshoot your ALB", HTTP 502).


class MatchInfo(Protocol):
    """A running match, as the list shows it."""

    @property
    def id(self) -> str: ...
    @property
    def game(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def players(self) -> int: ...
    @property
    def players_max(self) -> int: ...
    @property
    def tick(self) -> int: ...
    @property
    def state(self) -> str: ...


class Listing(Protocol):
    """What can be played, and what is being played on this node."""

    @property
    def games(self) -> Mapping[str, AnyGame]: ...

    def listing(self) -> Sequence[MatchInfo]: ...


class HttpApi:
    """The API's server. ``ready`` answers why no new sockets are accepted, or ``None``."""

    def __init__(
        self,
        config: Config,
        *,
        verifier: TokenVerifier,
        tickets: Tickets,
        login: Login,
        matches: Listing,
        maintenance: MaintenanceControl,
        metrics: Metrics,
        ready: Callable[[], str | None],
    ) -> None:
        self._config = config
        self._verifier = verifier
        self._tickets = tickets
        self._login = login
        self._matches = matches
        self._maintenance = maintenance
        self._admin = HttpAdmin(
            verifier=verifier, maintenance=maintenance, group=config.admin_group
        )
        self._metrics = metrics
        self._ready = ready
        self._attempts = AttemptLimit(config.auth_per_minute)
        self._issued = AttemptLimit(config.auth_per_minute)
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listen; the port that is bound. Raises ``OSError`` where it is taken."""
        config = self._config
        origins = frozenset(config.origins)
        app = web.Application(
            client_max_size=config.http_body_bytes_max,
            middlewares=[
                errors_and_log(timeout_s=config.http_timeout_ms / 1000),
                check_origin(origins),
            ],
        )
        app.on_response_prepare.append(allow_origin(origins))
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._render_metrics)
        app.router.add_post("/v1/auth/login", self._log_in)
        app.router.add_post("/v1/auth/refresh", self._refresh)
        app.router.add_post("/v1/tickets", self._issue_ticket)
        app.router.add_get("/v1/matches", self._list_matches)
        app.router.add_get("/v1/games", self._list_games)
        self._admin.add_to(app.router)
        self._runner = web.AppRunner(
            app,
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

    # ── operations ───────────────────────────────────────────────────────────────────────────────

    async def _healthz(self, request: web.Request) -> web.Response:
        return json_response({"status": "ok"})

    async def _readyz(self, request: web.Request) -> web.Response:
        reason, maintenance = self._ready(), self._maintenance.current
        told = {}
        if maintenance is not None:
            told["maintenance"] = {
                "message": maintenance.message,
                "until_ms": maintenance.until_ms,
            }
        if reason is not None:
            return json_response({"status": "not_ready", "reason": reason, **told}, status=503)
        return json_response({"status": "ready", **told})

    async def _render_metrics(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.render(),
            headers={hdrs.CONTENT_TYPE: "text/plain; version=0.0.4; charset=utf-8"},
        )

    # ── log-in ───────────────────────────────────────────────────────────────────────────────────

    async def _log_in(self, request: web.Request) -> web.Response:
        self._count_attempt(request)
        body = await read_body(request, LoginBody)
        return json_response(await self._login.login(body.username, body.password))

    async def _refresh(self, request: web.Request) -> web.Response:
        self._count_attempt(request)
        body = await read_body(request, RefreshBody)
        return json_response(await self._login.refresh(body.refresh_token))

    async def _issue_ticket(self, request: web.Request) -> web.Response:
        identity = await identify(request, self._verifier)
        _spend(self._issued, identity.player_id)
        # Taken before the issue, so that the answer never promises more than the store keeps.
        expires_ms = time.time_ns() // 1_000_000 + self._config.ticket_ttl_ms
        ticket = await self._tickets.issue(identity)
        return json_response(
            {"ticket": ticket, "expires_ms": min(expires_ms, identity.expires_ms)}, status=201
        )

    def _count_attempt(self, request: web.Request) -> None:
        key = limit_key(
            request.remote,
            ",".join(request.headers.getall("X-Forwarded-For", [])),
            proxies_trusted=self._config.proxies_trusted,
        )
        _spend(self._attempts, key)

    # ── what is played ───────────────────────────────────────────────────────────────────────────

    async def _list_matches(self, request: web.Request) -> web.Response:
        await identify(request, self._verifier)
        game = request.query.get("game", "")
        mode = request.query.get("mode", "")
        limit = _limit(request.query.get("limit", str(_LISTED_DEFAULT)))
        if game and game not in self._matches.games:
            known = ", ".join(sorted(self._matches.games))
            raise Problem(404, "unknown_game", f"There is no such game; there are: {known}.")
        found = [
            info
            for info in self._matches.listing()
            if (not game or info.game == game) and (not mode or info.mode == mode)
        ]
        return json_response({"matches": [_shown(i) for i in found[:limit]], "total": len(found)})

    async def _list_games(self, request: web.Request) -> web.Response:
        games = [
            {
                "name": name,
                "tick_rate": game.tick_rate,
                "modes": [
                    {
                        "name": mode_name,
                        "title": mode.title,
                        "players_min": mode.players_min,
                        "players_max": mode.players_max,
                    }
                    for mode_name, mode in game.modes.items()
                ],
            }
            for name, game in self._matches.games.items()
        ]
        return json_response({"games": games})


def _tls(config: Config) -> ssl.SSLContext | None:
    if not config.tls_cert_file:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(config.tls_cert_file, config.tls_key_file)
    return context


def _spend(limit: AttemptLimit, key: str) -> None:
    wait_s = limit.take(key, asyncio.get_running_loop().time())
    if wait_s:
        raise Problem(
            429, "too_many_attempts", "Too many attempts; wait.", headers=retry_after(wait_s)
        )


def _limit(text: str) -> int:
    limit = int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 0
    if not 1 <= limit <= _LISTED_MAX:
        raise Problem(400, "bad_query", f"limit must be a whole number from 1 to {_LISTED_MAX}.")
    return limit


def _shown(info: MatchInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "game": info.game,
        "mode": info.mode,
        "players": info.players,
        "players_max": info.players_max,
        "tick": info.tick,
        "state": info.state,
    }
