"""What the worker counts, for Prometheus. One registry a worker, so that tests can have many.

``docs/metrics.md`` lists all of them.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

_AGE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600)
_RECORD_BUCKETS = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)


class Metrics:
    """All names begin with ``worker_``; times are in seconds."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        ProcessCollector(registry=r)  # On Linux: what the kernel knows of the process.
        self.received = Counter("worker_messages_received", "Messages received", registry=r)
        self.deleted = Counter("worker_messages_deleted", "Messages done with", registry=r)
        self.undeleted = Counter(
            "worker_messages_undeleted", "Messages done with that will come again", registry=r
        )
        self.given_back = Counter(
            "worker_messages_given_back", "Messages made visible again at the end", registry=r
        )
        self.events = Counter(
            "worker_events", "Events by what became of them", ["outcome"], registry=r
        )
        self.dead_letters = Counter(
            "worker_dead_letters", "Messages sent to the dead-letter queue", ["reason"], registry=r
        )
        self.retries = Counter(
            "worker_retries", "Failures answered by trying again", ["error"], registry=r
        )
        self.batch_seconds = Histogram(
            "worker_batch_seconds", "Time to apply one batch, without its retries", registry=r
        )
        self.batch_records = Histogram(
            "worker_batch_records", "Records in one batch", buckets=_RECORD_BUCKETS, registry=r
        )
        self.event_age = Histogram(
            "worker_event_age_seconds",
            "From the step that stated the event until it is stored: a batch's oldest",
            buckets=_AGE_BUCKETS,
            registry=r,
        )
        self.maintenance = Counter(
            "worker_maintenance_runs",
            "Runs of the maintenance, by how they ended",
            ["outcome"],
            registry=r,
        )
        self.caught_up = Counter(
            "worker_matches_caught_up", "Matches counted that another had stored", registry=r
        )
        self.partitions = Gauge(
            "worker_event_partitions", "Partitions of events, without the default one", registry=r
        )
        self.buffered = Gauge("worker_buffer_messages", "Messages that wait here", registry=r)
        self.held = Gauge("worker_held_messages", "Messages received, not done with", registry=r)
        self.database_up = Gauge("worker_database_up", "1 while PostgreSQL answers", registry=r)
        self.queue_up = Gauge("worker_queue_up", "1 while SQS answers", registry=r)

        self.redrives = Counter(
            "worker_redrives",
            "Dead letters taken up by themselves: sent_back, parked, or failed and left",
            ["outcome"],
            registry=r,
        )
        # What all workers share; each that is asked gives about the same answer.
        self.queue_messages = Gauge(
            "worker_queue_messages", "About how many the queue holds", ["state"], registry=r
        )
        self.dead_letter_messages = Gauge(
            "worker_dead_letter_messages",
            "About how many the dead-letter queue holds, seen or held",
            registry=r,
        )
        self.parked = Gauge("worker_parked_events", "Dead letters parked", ["reason"], registry=r)
        self.oldest_age = Gauge(
            "worker_oldest_event_age_seconds",
            "Age of the oldest event held now or stored since the last look; 0 = none seen",
            registry=r,
        )
        self.live_workers = Gauge(
            "worker_live_workers", "Workers of this queue that live", registry=r
        )
        self.backlog = Gauge(
            "worker_backlog_per_worker", "Visible messages by live workers", registry=r
        )
        self.watch_failures = Counter(
            "worker_watch_failures",
            "Looks at queues and tables that were not answered",
            ["service"],
            registry=r,
        )

    def render(self) -> bytes:
        """The text format, version 0.0.4."""
        return generate_latest(self.registry)
