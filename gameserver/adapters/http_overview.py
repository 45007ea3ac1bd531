"""The cluster at a glance, for an operators' console that asks every few seconds; and draining."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from gameserver.adapters.http_admin import MaintenanceShown, maintenance_shown
from gameserver.adapters.http_operators import NodeShown, Reason, node_shown
from gameserver.adapters.http_problem import NODE_SILENT, NOT_FOUND, Kind, Problem
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate, Reply
from gameserver.adapters.http_services import Services
from gameserver.errors import RecordsUnavailable, StoreUnavailable
from gameserver.letters import QueueSample
from gameserver.maintenance import TIME_MS_MAX
from gameserver.operating import LAST_NODE, OperationRefused
from gameserver.watching import KEPT_MS, SAMPLE_MS

LAST_NODE_KIND = Kind(LAST_NODE, 409, "No other node takes players.")


class OverviewAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``after_ms``: only samples that are younger, in ms since the Unix epoch; 0: all."""

    after_ms: Annotated[int, Meta(ge=0, le=TIME_MS_MAX)] = 0


class SampleShown(msgspec.Struct, frozen=True, kw_only=True):
    """All nodes together. ``players``: seats taken; ``lateness_p99_ms`` and ``load``: of the node
    that is worst off; ``outbox_events``: key events that the queue does not have yet;
    ``outbox_age_ms``: of the oldest."""

    at_ms: int
    nodes: int
    sessions: int
    players: int
    matches: int
    lateness_p99_ms: float
    load: float
    outbox_events: int
    outbox_age_ms: int


class QueueSampleShown(msgspec.Struct, frozen=True, kw_only=True):
    """What the persistence workers saw: messages of the queue, dead letters in theirs and parked
    ones; ``oldest_age_ms``: of the oldest event that is not stored."""

    at_ms: int
    workers: int
    visible: int
    held: int
    delayed: int
    dead_letters: int
    parked: int
    oldest_age_ms: int


class Known(StrEnum):
    """Whether there are figures."""

    KNOWN = "known"
    UNAVAILABLE = "unavailable"  # what keeps them does not answer now
    NOT_CONFIGURED = "not_configured"  # this server reads no database


class OverviewShown(msgspec.Struct, frozen=True, kw_only=True):
    """``at_ms``: this node's clock; ``sample_ms``: between two samples. Samples: oldest first, none
    where they are not ``known``."""

    at_ms: int
    sample_ms: int
    nodes: list[NodeShown]
    maintenance: MaintenanceShown
    samples: list[SampleShown]
    samples_known: Known
    queue: list[QueueSampleShown]
    queue_known: Known


Node = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,128}\Z")]


class NodeAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By its name."""

    node: Node


class DrainBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Kept in the record of operators' calls."""

    reason: Reason


async def _overview(services: Services, call: Call[OverviewAsked, Nothing]) -> OverviewShown:
    after_ms = call.params.after_ms
    samples, samples_known = await _samples(services, after_ms)
    queue, queue_known = await _queue(services, after_ms)
    return OverviewShown(
        at_ms=int(services.clock.wall_ms()),
        sample_ms=SAMPLE_MS,
        nodes=[node_shown(info) for info in services.operations.nodes()],
        maintenance=maintenance_shown(services.maintenance.current),
        samples=samples,
        samples_known=samples_known,
        queue=queue,
        queue_known=queue_known,
    )


async def _samples(services: Services, after_ms: int) -> tuple[list[SampleShown], Known]:
    try:
        found = await services.figures.since(after_ms)
    except StoreUnavailable:  # What the nodes say of themselves is worth showing all the same.
        return [], Known.UNAVAILABLE
    return [SampleShown(**msgspec.structs.asdict(one)) for one in found], Known.KNOWN


async def _queue(services: Services, after_ms: int) -> tuple[list[QueueSampleShown], Known]:
    if services.letters is None:
        return [], Known.NOT_CONFIGURED
    try:
        found: list[QueueSample] = await services.letters.samples(after_ms)
    except RecordsUnavailable:
        return [], Known.UNAVAILABLE
    return [QueueSampleShown(**msgspec.structs.asdict(one)) for one in found], Known.KNOWN


async def _drain(services: Services, call: Call[NodeAsked, DrainBody]) -> Reply:
    try:
        await services.operations.drain(call.params.node)
    except OperationRefused as refused:
        kind = LAST_NODE_KIND if refused.code == LAST_NODE else NOT_FOUND
        raise Problem(kind, f"{refused.message.capitalize()}.") from None
    return Reply()


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/admin/overview",
        tag="operators",
        summary="All nodes, and figures of the last hour",
        description=f"A sample every {SAMPLE_MS // 1000} s for {KEPT_MS // 60_000} minutes. Ask "
        "with `after_ms` of the last sample that you have.",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_overview,
        params=OverviewAsked,
        answers={200: OverviewShown},
        polled=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/nodes/{node}/drain",
        tag="operators",
        summary="Let a node hand its matches over and end",
        description="Answered once it has begun. Whatever runs the nodes starts another one.",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_drain,
        params=NodeAsked,
        body=DrainBody,
        answers={204: None},
        problems=(LAST_NODE_KIND, NODE_SILENT),
    ),
)
