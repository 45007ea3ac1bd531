"""Counts and distributions of one node, cheap enough for the hot path.

The hot path adds to plain attributes (a locked prometheus-client counter costs about a
microsecond); a collector turns them into the Prometheus text format when they are scraped. Times
are ms in here, and seconds for Prometheus, as is its custom: ``step_ms`` is shown as
``gameserver_step_seconds``. ``docs/metrics.md`` lists all of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

NAMESPACE = "gameserver"

# name → help. Attributes of `Metrics` with these names are counters that start at 0.
COUNTERS: dict[str, str] = {
    "handshakes_accepted": "WebSocket upgrades accepted",
    "handshakes_refused": "WebSocket upgrades refused (any reason)",
    "sessions_closed": "Sessions that have ended",
    "messages_received": "Messages decoded from clients",
    "messages_bad": "Messages refused: not understood, or not allowed in this state",
    "messages_rate_limited": "Messages dropped over the rate limit",
    "inputs_received": "Inputs queued for a tick",
    "inputs_dropped": "Inputs dropped over the limit of one tick",
    "fast_frames": "Inbound frames taken by the fast path",
    "slow_frames": "Inbound frames taken by the Sans-I/O protocol",
    "bytes_received": "Bytes read from sockets",
    "bytes_sent": "Bytes handed to sockets",
    "snapshots_sent": "Snapshots and deltas written",
    "snapshots_replaced": "Snapshots not written because a newer one replaced them",
    "reliable_sent": "Reliable messages written",
    "slow_consumers": "Sessions closed because their reliable queue was full",
    "ticks": "Steps completed",
    "ticks_skipped": "Steps skipped because the node was too far behind",
    "games_failed": "Matches ended by an exception in their game",
    "matches_started": "Matches created",
    "matches_adopted": "Matches continued from their checkpoint",
    "matches_ended": "Matches ended",
    "matches_paused": "Times a match was paused",
    "events_emitted": "Key events stated by matches",
    "events_committed": "Key events committed, and chunks of recordings",
    "events_relayed": "Key events taken by the queue, and chunks of recordings",
    "recording_bytes": "Bytes of recordings handed to commits",
    "commits": "Match commits written",
    "commits_fenced": "Commits refused because another owner holds the match",
    "commits_conflicting": "Commits refused because the stored version differs",
    "store_errors": "Calls to Redis that failed",
    "queue_errors": "Calls to SQS that failed",
    "kms_errors": "Calls to KMS that failed",
    "data_keys": "Data keys taken into use",
    "leases_lost": "Leases not renewed in time",
    "tokens_refused": "Tokens or tickets refused",
    "http_requests": "Calls of the HTTP API answered, those of load balancers and probes aside",
    "http_failures": "Calls of the HTTP API answered with 5xx",
    "jwks_fetches": "Key sets fetched",
    "jwks_errors": "Key set fetches that failed",
    "bus_interruptions": "Times messages between nodes were lost",
    "chat_lines": "Lines said in chats",
    "chat_limited": "Lines refused: too long, too many, no chat, no team",
    "chat_allowed": "Lines that the moderator let through",
    "chat_replaced": "Lines that the moderator replaced",
    "chat_refused": "Lines that the moderator refused",
    "chat_unjudged": "Lines on which the moderator failed or took too long",
    "tickets_enqueued": "Matchmaking tickets taken by this node",
    "ratings_missed": "Players who queued as newcomers because their rating was not known in time",
    "tickets_matched": "Tickets matched by this node's matchmakers",
    "tickets_declined": "Tickets ended by a ready check",
    "tickets_expired": "Tickets that waited for as long as their rules allow",
    "matches_formed": "Matches that matchmakers of this node have opened",
    "matches_backfilled": "Running matches that got players by matchmaking",
    "claims_refused": "Proposals of which a ticket was gone when they were claimed",
    "openings_failed": "Proposals whose tickets were put back: no match could be opened",
    "matchmakers_failed": "Times a matchmaker met a defect and began anew",
    "queues_lost": "Times this node lost the lease of a queue",
    "ecs_errors": "Calls to the ECS container agent that failed",
    "table_errors": "Calls to DynamoDB that failed",
    "table_conflicts": "Writes to DynamoDB refused because something newer is there",
    "sessions_recorded": "Session records written to DynamoDB",
    "sessions_unrecorded": "Changes of session records given up",
    "reads_failed": "Reads of history and leaderboards that failed",
    "sessions_replaced": "Sessions closed because their player connected elsewhere",
    "sessions_refused": "Handshakes refused because their player is connected already",
    "leases_unrenewed": "Times the leases of sessions could not be prolonged",
    "notifications_told": "Notifications told to sockets of this node",
    "notifications_dropped": "Notifications told to nobody, and not kept",
    "cache_hits_near": "Cached values found in this process",
    "cache_hits_redis": "Cached values found in Redis",
    "cache_misses": "Cached values not found",
    "cache_loads": "Loads of values to be cached",
    "cache_loads_overtaken": "Loads not kept because the value was invalidated meanwhile",
    "cache_flights_shared": "Callers that joined the load of another one",
    "cache_invalidations": "Invalidations asked of this node",
    "cache_near_resets": "Times all near copies were dropped because changes may have been missed",
    "cache_values_too_big": "Values not cached because of their size",
    "cache_errors": "Calls of the cache that failed, to Redis or by a load's time limit",
}

_TICK_BUCKETS_MS = (0.1, 0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 200, 500, 1000)
_CALL_BUCKETS_MS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_WAIT_BUCKETS_MS = (500, 1000, 2000, 5000, 10000, 20000, 30000, 60000, 120000, 300000, 900000)

# name → help, and upper bounds of the buckets.
HISTOGRAMS: dict[str, tuple[str, tuple[float, ...]]] = {
    "tick_lateness_ms": ("How late a step began", _TICK_BUCKETS_MS),
    "step_ms": ("How long a step took, frames included", _TICK_BUCKETS_MS),
    "commit_ms": ("How long a group commit took", _CALL_BUCKETS_MS),
    "relay_ms": ("Time from an event's step to its relay", _CALL_BUCKETS_MS),
    "handshake_ms": ("From accept to upgrade", _CALL_BUCKETS_MS),
    "http_ms": ("How long a call of the HTTP API took", _CALL_BUCKETS_MS),
    "ticket_wait_ms": ("How long matched tickets have waited", _WAIT_BUCKETS_MS),
    "form_ms": ("How long a matchmaker's round took", _CALL_BUCKETS_MS),
    "loop_lag_ms": ("How late a timer of the event loop fires", _TICK_BUCKETS_MS),
}

ByLabels = Mapping[tuple[str, ...], float]


class Histogram:
    """Counts per bucket; ``observe`` is one bisection and three additions."""

    __slots__ = ("bounds", "count", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.count = 0
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count ``value`` in its bucket (upper bounds are inclusive, as Prometheus has them)."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.count += 1
        self.total += value

    def observe_all(self, values: Sequence[float]) -> None:
        """``observe`` for each: many at once find what they touch in the caches."""
        bounds, counts = self.bounds, self.counts
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self.count += len(values)
        self.total += sum(values)

    def quantile(self, share: float) -> float:
        """An upper bound of the ``share`` quantile: the bound of the bucket that holds it."""
        wanted, seen = share * self.count, 0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            seen += count
            if seen >= wanted and self.count:
                return bound
        return float("inf") if self.count else 0.0


class Metrics(Collector):
    """The node's counters, histograms and gauges; gauges are read from callbacks when scraped."""

    handshakes_accepted: int
    handshakes_refused: int
    sessions_closed: int
    messages_received: int
    messages_bad: int
    messages_rate_limited: int
    inputs_received: int
    inputs_dropped: int
    fast_frames: int
    slow_frames: int
    bytes_received: int
    bytes_sent: int
    snapshots_sent: int
    snapshots_replaced: int
    reliable_sent: int
    slow_consumers: int
    ticks: int
    ticks_skipped: int
    games_failed: int
    matches_started: int
    matches_adopted: int
    matches_ended: int
    matches_paused: int
    events_emitted: int
    events_committed: int
    events_relayed: int
    recording_bytes: int
    commits: int
    commits_fenced: int
    commits_conflicting: int
    store_errors: int
    queue_errors: int
    kms_errors: int
    data_keys: int
    leases_lost: int
    tokens_refused: int
    http_requests: int
    http_failures: int
    jwks_fetches: int
    jwks_errors: int
    bus_interruptions: int
    chat_lines: int
    chat_limited: int
    chat_allowed: int
    chat_replaced: int
    chat_refused: int
    chat_unjudged: int
    tickets_enqueued: int
    ratings_missed: int
    tickets_matched: int
    tickets_declined: int
    tickets_expired: int
    matches_formed: int
    matches_backfilled: int
    claims_refused: int
    openings_failed: int
    matchmakers_failed: int
    queues_lost: int
    ecs_errors: int
    table_errors: int
    table_conflicts: int
    sessions_recorded: int
    sessions_unrecorded: int
    reads_failed: int
    sessions_replaced: int
    sessions_refused: int
    leases_unrenewed: int
    notifications_told: int
    notifications_dropped: int
    cache_hits_near: int
    cache_hits_redis: int
    cache_misses: int
    cache_loads: int
    cache_loads_overtaken: int
    cache_flights_shared: int
    cache_invalidations: int
    cache_near_resets: int
    cache_values_too_big: int
    cache_errors: int
    tick_lateness_ms: Histogram
    step_ms: Histogram
    commit_ms: Histogram
    relay_ms: Histogram
    handshake_ms: Histogram
    http_ms: Histogram
    ticket_wait_ms: Histogram
    form_ms: Histogram
    loop_lag_ms: Histogram

    __slots__ = (*COUNTERS, *HISTOGRAMS, "_gauges", "_labelled")

    def __init__(self) -> None:
        for name in COUNTERS:
            setattr(self, name, 0)
        for name, (_, bounds) in HISTOGRAMS.items():
            setattr(self, name, Histogram(bounds))
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self._labelled: dict[str, tuple[str, tuple[str, ...], Callable[[], ByLabels]]] = {}

    def gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Show ``read()`` as a gauge at every scrape."""
        self._gauges[name] = (meaning, read)

    def labelled_gauge(
        self, name: str, meaning: str, labels: tuple[str, ...], read: Callable[[], ByLabels]
    ) -> None:
        """Show ``read()``, a value for each tuple of the labels' values, at every scrape. Labels
        are for what has few values: a game, never a match or a player."""
        self._labelled[name] = (meaning, labels, read)

    def collect(self) -> Iterator[Metric]:
        """Everything, as prometheus-client asks for it."""
        for name, meaning in COUNTERS.items():
            yield CounterMetricFamily(f"{NAMESPACE}_{name}", meaning, value=getattr(self, name))
        for name, (meaning, _) in HISTOGRAMS.items():
            yield _in_seconds(exposed(name), meaning, getattr(self, name))
        for name, (meaning, read) in self._gauges.items():
            yield GaugeMetricFamily(f"{NAMESPACE}_{name}", meaning, value=read())
        for name, (meaning, labels, read_all) in self._labelled.items():
            family = GaugeMetricFamily(f"{NAMESPACE}_{name}", meaning, labels=labels)
            for values, value in read_all().items():
                family.add_metric(values, value)
            yield family

    def render(self) -> bytes:
        """The Prometheus text format; on Linux with what the kernel knows of the process."""
        registry = CollectorRegistry()
        registry.register(self)
        ProcessCollector(registry=registry)
        return generate_latest(registry)


def exposed(name: str) -> str:
    """The name in Prometheus of one of ``HISTOGRAMS``."""
    return f"{NAMESPACE}_{name.removesuffix('_ms')}_seconds"


def _in_seconds(name: str, meaning: str, histogram: Histogram) -> Metric:
    buckets, seen = [], 0
    for bound, count in zip(histogram.bounds, histogram.counts, strict=False):
        seen += count
        buckets.append((str(bound / 1000), float(seen)))
    buckets.append(("+Inf", float(histogram.count)))
    return HistogramMetricFamily(name, meaning, buckets=buckets, sum_value=histogram.total / 1000)
