"""Spans by OpenTelemetry: the optional extra ``gameserver[otel]``. Also the worker's.

They leave by OTLP over HTTP, in batches, from a thread of their own; an exporter that falls behind
loses spans, and holds nobody up.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

_KINDS = {
    "handshake": SpanKind.SERVER,
    "relay": SpanKind.PRODUCER,
    "worker batch": SpanKind.CONSUMER,
}
_CLOSE_MS = 3_000


class OtelSpan:
    """Implements ``spans.Span``."""

    __slots__ = ("_span",)

    def __init__(self, span: Any) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"

    def end(self, *, error: str = "", **attributes: str | int) -> None:
        self._span.set_attributes(attributes)
        if error:
            self._span.set_status(Status(StatusCode.ERROR, error))
        self._span.end()


class OtelSpans:
    """Implements ``spans.Spans``; ``close`` sends what is left."""

    def __init__(
        self, processor: SpanProcessor, *, service: str, node: str, per_10000: int
    ) -> None:
        """``per_10000``: how many of so many traces are kept."""
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(per_10000 / 10_000)),
            resource=Resource.create({"service.name": service, "service.instance.id": node}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("gameserver")

    @classmethod
    def to(cls, endpoint: str, *, service: str, node: str, per_10000: int) -> OtelSpans:
        """To a collector, as ``http://127.0.0.1:4318``."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        return cls(BatchSpanProcessor(exporter), service=service, node=node, per_10000=per_10000)

    def start(
        self, name: str, *, parent: str = "", at: float | None = None, **attributes: str | int
    ) -> OtelSpan | None:
        """See ``spans.Spans``."""
        context = None
        if parent and (remote := _read(parent)) is not None:
            context = set_span_in_context(NonRecordingSpan(remote))
        span = self._tracer.start_span(
            name,
            context=context,
            kind=_KINDS.get(name, SpanKind.INTERNAL),
            start_time=None if at is None else _wall_ns(at),
            attributes=attributes,
        )
        return OtelSpan(span) if span.is_recording() else None

    async def close(self) -> None:
        """Send what is left, within a few seconds."""
        await asyncio.to_thread(self._provider.force_flush, _CLOSE_MS)
        await asyncio.to_thread(self._provider.shutdown)


def _wall_ns(at: float) -> int:
    return time.time_ns() - int((asyncio.get_running_loop().time() - at) * 1e9)


def _read(traceparent: str) -> SpanContext | None:
    """W3C, "Trace Context", 3.2; what is not one begins a trace of its own."""
    parts = traceparent.split("-")
    try:
        version, trace, span, flags = parts
        context = SpanContext(
            trace_id=int(trace, 16),
            span_id=int(span, 16),
            is_remote=True,
            trace_flags=TraceFlags(int(flags, 16)),
        )
    except ValueError:
        return None
    return context if version == "00" and context.is_valid else None
