"""Lines in CloudWatch's embedded metric format, made of what Prometheus is shown. Pure.

    {"_aws": {"Timestamp": ms, "CloudWatchMetrics": [{"Namespace": …, "Dimensions": [["service"]],
     "Metrics": [{"Name": …, "Unit": …}, …]}]}, "service": "server", "node": …, <name>: <number>, …}

AWS, "Specification: Embedded metric format". CloudWatch Logs reads the metrics from such lines
among the others of a log. Each pair of a metric and its dimensions costs money every month, so only
a chosen few go there, by service and not by node: the average over a service is then the average of
its tasks, which is what scaling goes by. ``node`` is a field to search by.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from math import isfinite

import msgspec
from prometheus_client.core import Metric

METRICS_MAX = 100
"""Of one line (AWS, as above)."""


class How(Enum):
    """What of a metric is told."""

    VALUE = "value"  # a gauge, summed over its labels
    GROWTH = "growth"  # of a counter since the last line, summed over its labels
    P99 = "p99"  # of what a histogram has observed since the last line


@dataclass(frozen=True, slots=True)
class Chosen:
    """``name``: as Prometheus knows it; of a histogram without ``_bucket``."""

    name: str
    how: How

    @property
    def shown(self) -> str:
        """The name in CloudWatch: the same, with the quantile before the unit."""
        if self.how is not How.P99:
            return self.name
        stem, _, unit = self.name.rpartition("_")
        return f"{stem}_p99_{unit}"

    @property
    def unit(self) -> str:
        """One of CloudWatch's units."""
        if self.name.endswith("_seconds"):
            return "Seconds"
        if self.name.endswith("_bytes"):
            return "Bytes"
        return "None" if self.name.endswith("_ratio") else "Count"


SERVER = (
    # By these deploy/ scales and alarms; the names are agreed.
    Chosen("gameserver_sessions", How.VALUE),
    Chosen("gameserver_handshakes_refused_total", How.GROWTH),
    Chosen("gameserver_store_errors_total", How.GROWTH),
    Chosen("gameserver_queue_errors_total", How.GROWTH),
    Chosen("gameserver_kms_errors_total", How.GROWTH),
    Chosen("gameserver_leases_lost_total", How.GROWTH),
    Chosen("gameserver_games_failed_total", How.GROWTH),
    Chosen("gameserver_matches_paused_total", How.GROWTH),
    Chosen("gameserver_commits_fenced_total", How.GROWTH),
    Chosen("gameserver_ticks_skipped_total", How.GROWTH),
    # These are for people.
    Chosen("gameserver_matches", How.VALUE),
    Chosen("gameserver_players", How.VALUE),
    Chosen("gameserver_tick_lateness_seconds", How.P99),
    Chosen("gameserver_commit_seconds", How.P99),
    Chosen("gameserver_outbox_oldest_age_seconds", How.VALUE),
    Chosen("gameserver_tickets_waiting", How.VALUE),
    Chosen("gameserver_data_key_left_ratio", How.VALUE),
)
WORKER = (
    Chosen("worker_backlog_per_worker", How.VALUE),
    Chosen("worker_live_workers", How.VALUE),
    Chosen("worker_parked_events", How.VALUE),
    Chosen("worker_dead_letter_messages", How.VALUE),
    Chosen("worker_oldest_event_age_seconds", How.VALUE),
    Chosen("worker_database_up", How.VALUE),
    Chosen("worker_queue_up", How.VALUE),
    Chosen("worker_events_total", How.GROWTH),
    Chosen("worker_event_age_seconds", How.P99),
)


class EmfWriter:
    """Makes a line at a time; remembers counts from one to the next. The first one tells what has
    grown since the start."""

    def __init__(
        self, chosen: Sequence[Chosen], *, namespace: str, service: str, node: str
    ) -> None:
        if len(chosen) > METRICS_MAX:
            raise ValueError(f"{len(chosen)} metrics; CloudWatch takes {METRICS_MAX} a line")
        self._chosen = chosen
        self._namespace = namespace
        self._service = service
        self._node = node
        self._counts: dict[str, float] = {}
        self._buckets: dict[str, list[float]] = {}

    def line(self, families: Iterable[Metric], at_ms: int) -> str:
        """The line for now, without its end. What is not there, or was not observed since the last
        line, is left out: CloudWatch then has no value, which is not 0."""
        shown = {family.name: family for family in families}
        values: dict[str, float] = {}
        definitions = []
        for chosen in self._chosen:
            family = shown.get(chosen.name.removesuffix("_total"))
            value = None if family is None else self._value(chosen, family)
            if value is not None and isfinite(value):
                values[chosen.shown] = value
                definitions.append({"Name": chosen.shown, "Unit": chosen.unit})
        directive = {
            "Namespace": self._namespace,
            "Dimensions": [["service"]],
            "Metrics": definitions,
        }
        document = {
            "_aws": {"Timestamp": at_ms, "CloudWatchMetrics": [directive]},
            "level": "info",
            "message": "metrics",
            "service": self._service,
            "node": self._node,
            **values,
        }
        return msgspec.json.encode(document).decode()

    def _value(self, chosen: Chosen, family: Metric) -> float | None:
        if chosen.how is How.P99:
            return self._quantile(chosen.name, family, 0.99)
        total = sum(one.value for one in family.samples if one.name == chosen.name)
        if chosen.how is How.VALUE:
            return total
        before, self._counts[chosen.name] = self._counts.get(chosen.name, 0.0), total
        return total - before

    def _quantile(self, name: str, family: Metric, share: float) -> float | None:
        buckets = [one for one in family.samples if one.name == f"{name}_bucket"]
        now = [one.value for one in buckets]
        before = self._buckets.get(name, [0.0] * len(now))
        self._buckets[name] = now
        grown = [new - old for new, old in zip(now, before, strict=True)]
        bounds = [float(one.labels["le"]) for one in buckets]
        return quantile(bounds, grown, share) if grown and grown[-1] else None


def quantile(bounds: Sequence[float], counts: Sequence[float], share: float) -> float:
    """As ``histogram_quantile`` of Prometheus: ``counts`` are cumulative, the last bound is
    infinite; evenly spread within a bucket, and the highest bound for all above it."""
    wanted, low, seen = share * counts[-1], 0.0, 0.0
    for bound, count in zip(bounds, counts, strict=True):
        if count >= wanted:
            if not isfinite(bound):
                break
            within = (wanted - seen) / (count - seen) if count > seen else 1.0
            return low + (bound - low) * within
        low, seen = bound, count
    return low
