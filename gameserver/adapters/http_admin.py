"""The operators' part of the HTTP API.

    GET    /v1/admin/maintenance  → {on, message, since_ms, until_ms, by}, or {on: false}
    PUT    /v1/admin/maintenance  {message, until_ms} → the same; turns it on, or changes it
    DELETE /v1/admin/maintenance  → {on: false}; also where it was off

Each asks for an access token whose ``cognito:groups`` holds the admin group. An ID token will not
do: it says who somebody is, not what its bearer may do (AWS, "Understanding the access token").
"""

from __future__ import annotations

import logging

from aiohttp import web

from gameserver.adapters.http_problem import Problem, json_response
from gameserver.adapters.http_request import identify, read_body
from gameserver.maintenance import Notice, shown
from gameserver.ports import Identity, MaintenanceControl, TokenVerifier

logger = logging.getLogger(__name__)

MAINTENANCE_PATH = "/v1/admin/maintenance"


class HttpAdmin:
    """Handlers for ``HttpApi``. ``group``: whose members are operators."""

    def __init__(
        self, *, verifier: TokenVerifier, maintenance: MaintenanceControl, group: str
    ) -> None:
        self._verifier = verifier
        self._maintenance = maintenance
        self._group = group

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve the paths above."""
        router.add_get(MAINTENANCE_PATH, self._show)
        router.add_put(MAINTENANCE_PATH, self._turn_on)
        router.add_delete(MAINTENANCE_PATH, self._turn_off)

    async def _show(self, request: web.Request) -> web.Response:
        await self._operator(request)
        return json_response(shown(self._maintenance.current))

    async def _turn_on(self, request: web.Request) -> web.Response:
        operator = await self._operator(request)
        notice = await read_body(request, Notice)
        try:
            maintenance = await self._maintenance.turn_on(notice, by=operator.name)
        except ValueError as error:
            raise Problem(400, "bad_body", f"The body is not what is asked for: {error}.") from None
        self._log("maintenance turned on", operator)
        return json_response(shown(maintenance))

    async def _turn_off(self, request: web.Request) -> web.Response:
        operator = await self._operator(request)
        await self._maintenance.turn_off()
        self._log("maintenance turned off", operator)
        return json_response(shown(None))

    async def _operator(self, request: web.Request) -> Identity:
        identity = await identify(request, self._verifier)
        if identity.token_use != "access":
            raise Problem(403, "access_token_needed", "Send the access token, not the ID token.")
        if self._group not in identity.groups:
            raise Problem(403, "not_an_operator", f"Only members of {self._group} may do this.")
        return identity

    def _log(self, what: str, operator: Identity) -> None:
        logger.warning(what, extra={"player_id": operator.player_id, "by": operator.name})
