"""Follows events of traces from the queue to their rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from gameserver import spans
from gameserver.spans import Span, Spans
from persistence_worker.apply import Verdict
from persistence_worker.buffer import Delivery
from persistence_worker.config import Config
from persistence_worker.errors import ConfigError


class BatchTrace:
    """One batch, from when it was taken up: ``stored``, then ``settled``."""

    def __init__(self, kept: Spans, batch: Sequence[Delivery]) -> None:
        self._spans = kept
        self._began = asyncio.get_running_loop().time()
        # Where an event stands in the batch → its id and its span.
        self._events: dict[int, tuple[str, Span]] = {}
        records = sum(len(delivery.intake.events) for delivery in batch)
        place = 0
        for delivery in batch:
            attribute = delivery.message.attributes.get(spans.ATTRIBUTE)
            traces = spans.decode(attribute) if attribute else {}
            for item in delivery.intake.events if traces else ():
                parent = traces.get(item.id)
                span = self._begun(parent, delivery, records) if parent else None
                if span is not None:
                    self._events[place] = (item.id, span)
                place += 1
            place += 0 if traces else len(delivery.intake.events)

    def _begun(self, parent: str, delivery: Delivery, records: int) -> Span | None:
        return self._spans.start(
            "worker batch",
            parent=parent,
            at=self._began,
            records=records,
            receives=delivery.message.receives,
            message=delivery.message.id,
        )

    def stored(self, verdicts: Sequence[Verdict]) -> None:
        """PostgreSQL has judged all of them, in their order."""
        for place, (name, span) in self._events.items():
            row = self._spans.start("row", parent=span.traceparent, at=self._began, event=name)
            if row is not None:
                row.end(outcome=verdicts[place].outcome.value)

    def settled(self) -> None:
        """Their messages are done with."""
        for _, span in self._events.values():
            span.end()


@asynccontextmanager
async def open_spans(config: Config, *, node: str) -> AsyncIterator[Spans | None]:
    """As the settings say. Raises ``ConfigError`` without the extra ``otel``."""
    if not config.traces_endpoint:
        yield None
        return
    try:
        from gameserver.adapters.otel import OtelSpans

        # It only follows what servers have begun, of which they keep few.
        kept = OtelSpans.to(
            config.traces_endpoint, service="persistence_worker", node=node, per_10000=0
        )
    except ImportError:
        raise ConfigError(
            "WORKER_TRACES_ENDPOINT needs OpenTelemetry: pip install 'gameserver[otel]'"
        ) from None
    try:
        yield kept
    finally:
        await kept.close()
