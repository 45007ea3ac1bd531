"""What load balancers, probes and Prometheus ask.

Liveness depends on nothing but the event loop; readiness says whether new sockets are taken.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate, Reply, Text
from gameserver.adapters.http_services import Services


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The event loop lives."""

    status: str = "ok"


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """What players are told of a maintenance; ``until_ms``: ms since the Unix epoch."""

    message: str
    until_ms: int | None


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """``status``: ``ready``, or ``not_ready`` with the reason."""

    status: str
    reason: str | UnsetType = UNSET
    maintenance: Announcement | UnsetType = UNSET


_METRICS = Text("text/plain; version=0.0.4; charset=utf-8")


async def _alive(services: Services, call: Call[Nothing, Nothing]) -> Health:
    return Health()


async def _ready(services: Services, call: Call[Nothing, Nothing]) -> Reply:
    reason, maintenance = services.ready(), services.maintenance.current
    told: Announcement | UnsetType = UNSET
    if maintenance is not None:
        told = Announcement(message=maintenance.message, until_ms=maintenance.until_ms)
    if reason is None:
        return Reply(value=Readiness(status="ready", maintenance=told))
    body = Readiness(status="not_ready", reason=reason, maintenance=told)
    return Reply(value=body, status=503)


async def _metrics(services: Services, call: Call[Nothing, Nothing]) -> Reply:
    return Reply(value=services.metrics.render())


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/healthz",
        tag="health",
        summary="Whether the event loop lives",
        description="200 while it does, whatever has become of the services behind.",
        caller=Caller.INTERNAL,
        rate=Rate.NONE,
        handler=_alive,
        answers={200: Health},
    ),
    Endpoint(
        method="GET",
        path="/readyz",
        tag="health",
        summary="Whether new sockets are taken",
        description="Also what players are told, if the cluster is in maintenance.",
        caller=Caller.INTERNAL,
        rate=Rate.NONE,
        handler=_ready,
        answers={200: Readiness, 503: Readiness},
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        tag="health",
        summary="Counts of this node in the Prometheus text format",
        caller=Caller.INTERNAL,
        rate=Rate.NONE,
        handler=_metrics,
        answers={200: _METRICS},
    ),
)
