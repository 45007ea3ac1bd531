"""What operators watch of a node beyond what its parts show by themselves."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from importlib import metadata

from gameserver import emf
from gameserver.adapters.data_keys import DataKeys
from gameserver.app.parts import Base
from gameserver.errors import ConfigError
from gameserver.match.service import MatchService
from gameserver.match.traced import MatchTraces
from gameserver.metrics import Metrics
from gameserver.ports import Gate, Matches
from gameserver.session.traced import Followed, TracedGate, TracedMatches
from gameserver.spans import Spans

logger = logging.getLogger(__name__)

_LAG_PROBE_S = 0.25


def show(
    base: Base, matches: MatchService, keys: DataKeys | None, *, ready: Callable[[], bool]
) -> None:
    """Add the gauges of the whole node, and of parts that know nothing of metrics."""
    metrics, config, node = base.metrics, base.config, base.node
    metrics.labelled_gauge(
        "info",
        "1, for each node and its version",
        ("node", "version"),
        lambda: {(node, version()): 1},
    )
    metrics.gauge("ready", "1 while new sockets are taken", lambda: float(ready()))
    metrics.gauge(
        "sessions_max", "How many sessions this node takes", lambda: float(config.sessions_max)
    )
    metrics.gauge(
        "matches_max", "How many matches this node takes", lambda: float(config.matches_max)
    )
    metrics.labelled_gauge(
        "matches",
        "Matches of this node, by their game and state: running, paused or ended",
        ("game", "state"),
        matches.by_game,
    )
    metrics.labelled_gauge(
        "players",
        "Seats taken in matches of this node, those kept for players in their grace period too",
        ("game",),
        matches.players_by_game,
    )
    metrics.gauge(
        "events_uncommitted",
        "Key events stated that Redis does not have yet",
        lambda: float(matches.events_uncommitted),
    )
    metrics.gauge(
        "outbox_events",
        "Key events committed that the queue does not have yet",
        lambda: float(matches.events_unrelayed),
    )
    metrics.gauge("outbox_bytes", "Their size", lambda: float(matches.bytes_unrelayed))
    metrics.gauge(
        "outbox_oldest_age_seconds",
        "Since the step of the oldest of them, 0 if there is none",
        lambda: matches.oldest_unrelayed_s,
    )
    if keys is not None:
        metrics.gauge(
            "data_key_left_ratio",
            "How much of the data key may still be used; another is asked for at 0.5",
            lambda: keys.left,
        )


def tell_cloudwatch(stack: AsyncExitStack, base: Base) -> None:
    """Where a namespace is set: a line of ``emf`` on standard output at every interval, and a last
    one at the end."""
    config = base.config
    if not config.emf_namespace:
        return
    writer = emf.EmfWriter(
        emf.SERVER, namespace=config.emf_namespace, service="server", node=base.node
    )

    def write() -> None:
        try:
            line = writer.line(base.metrics.collect(), base.clock.wall_ms())
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except Exception:  # Matches are worth more than what is told of them.
            logger.exception("no line for CloudWatch")

    async def run() -> None:
        while True:
            await asyncio.sleep(config.emf_interval_ms / 1000)
            write()

    task = asyncio.get_running_loop().create_task(run())
    stack.callback(write)
    stack.callback(task.cancel)


async def watch_lag(metrics: Metrics) -> None:
    """How late a timer fires: the first sign of a loop that has too much to do."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LAG_PROBE_S
        await asyncio.sleep(_LAG_PROBE_S)
        metrics.loop_lag_ms.observe(max(0.0, (loop.time() - due) * 1000))


class Traced:
    """Puts what tells of traces around what does the work; nothing where none are kept."""

    def __init__(self, spans: Spans | None) -> None:
        self._spans = spans
        self._followed = Followed()
        self.matches = None if spans is None else MatchTraces(spans)

    def around_gate(self, gate: Gate) -> Gate:
        return gate if self._spans is None else TracedGate(gate, self._spans, self._followed)

    def around_matches(self, matches: Matches) -> Matches:
        if self._spans is None:
            return matches
        return TracedMatches(matches, self._spans, self._followed)


def build_traced(stack: AsyncExitStack, base: Base, *, kept: Spans | None) -> Traced:
    """By ``kept``, else as the settings say. Raises ``ConfigError`` without the extra ``otel``."""
    config = base.config
    if kept is None and config.traces_endpoint:
        try:
            from gameserver.adapters.otel import OtelSpans

            kept = otel = OtelSpans.to(
                config.traces_endpoint,
                service="gameserver",
                node=base.node,
                per_10000=config.traces_per_10000,
            )
        except ImportError:
            raise ConfigError(
                "GAMESERVER_TRACES_ENDPOINT needs OpenTelemetry: pip install 'gameserver[otel]'"
            ) from None
        stack.push_async_callback(otel.close)
    return Traced(kept)


def version() -> str:
    """Of the installed package; ``source`` where it runs from its sources."""
    try:
        return metadata.version("gameserver")
    except metadata.PackageNotFoundError:
        return "source"
