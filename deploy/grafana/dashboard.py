"""Write deploy/grafana/gameserver.json: `python -m deploy.grafana.dashboard`.

Import the file into Grafana 10 or newer; it asks for a Prometheus data source. Rows and panels are
the lists below; change them here, not in the JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("gameserver.json")
COLUMNS = 24
HEIGHT = 8
SOURCE = {"type": "prometheus", "uid": "${source}"}
SERVERS = '{job="gameserver",instance=~"$server"}'
WORKERS = '{job="worker"}'


@dataclass(frozen=True, slots=True)
class Query:
    """``legend``: Grafana's template of a line's name."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart over time. ``unit`` is one of Grafana's."""

    title: str
    unit: str
    queries: tuple[Query, ...]


def _count(name: str, legend: str, *, of: str = SERVERS, by: str = "instance") -> Query:
    """A second's worth of a counter."""
    return Query(f"sum by ({by}) (rate({name}{of}[$__rate_interval]))", legend)


def _quantiles(name: str, *, of: str = SERVERS) -> tuple[Query, ...]:
    return tuple(
        Query(
            f"histogram_quantile({share}, sum by (le) (rate({name}_bucket{of}[$__rate_interval])))",
            f"p{share * 100:g}",
        )
        for share in (0.5, 0.99)
    )


def _gauge(name: str, legend: str, *, of: str = SERVERS, how: str = "sum by (instance)") -> Query:
    return Query(f"{how} ({name}{of})", legend)


HERE = "{{instance}}"
ROWS: dict[str, tuple[Panel, ...]] = {
    "Players and matches": (
        Panel("Players connected", "short", (_gauge("gameserver_sessions", HERE),)),
        Panel(
            "Matches",
            "short",
            (_gauge("gameserver_matches", "{{game}} {{state}}", how="sum by (game, state)"),),
        ),
        Panel("Seats", "short", (_gauge("gameserver_players", "{{game}}", how="sum by (game)"),)),
        Panel(
            "Connects",
            "reqps",
            (
                _count("gameserver_handshakes_accepted_total", "taken", by="job"),
                _count("gameserver_handshakes_refused_total", "refused", by="job"),
                _count("gameserver_tokens_refused_total", "bad tokens", by="job"),
                _count("gameserver_sessions_closed_total", "closed", by="job"),
            ),
        ),
        Panel("Handshake", "s", _quantiles("gameserver_handshake_seconds")),
        Panel(
            "Room left",
            "percentunit",
            (Query(f"gameserver_sessions{SERVERS} / gameserver_sessions_max{SERVERS}", HERE),),
        ),
    ),
    "Ticks": (
        Panel("Lateness of steps", "s", _quantiles("gameserver_tick_lateness_seconds")),
        Panel("Length of steps", "s", _quantiles("gameserver_step_seconds")),
        Panel("Steps skipped", "ops", (_count("gameserver_ticks_skipped_total", HERE),)),
        Panel("Event loop", "s", _quantiles("gameserver_loop_lag_seconds")),
        Panel("CPU, cores", "short", (_count("process_cpu_seconds_total", HERE),)),
        Panel("Memory", "bytes", (_gauge("process_resident_memory_bytes", HERE),)),
    ),
    "Messages": (
        Panel(
            "Inputs",
            "ops",
            (
                _count("gameserver_inputs_received_total", "taken", by="job"),
                _count("gameserver_inputs_dropped_total", "dropped", by="job"),
                _count("gameserver_messages_bad_total", "bad messages", by="job"),
                _count("gameserver_messages_rate_limited_total", "over the rate", by="job"),
            ),
        ),
        Panel(
            "Snapshots",
            "ops",
            (
                _count("gameserver_snapshots_sent_total", "sent", by="job"),
                _count("gameserver_snapshots_replaced_total", "replaced", by="job"),
                _count("gameserver_slow_consumers_total", "slow consumers closed", by="job"),
            ),
        ),
        Panel(
            "Traffic",
            "Bps",
            (
                _count("gameserver_bytes_received_total", "in", by="job"),
                _count("gameserver_bytes_sent_total", "out", by="job"),
            ),
        ),
    ),
    "Durability": (
        Panel("Commits", "s", _quantiles("gameserver_commit_seconds")),
        Panel("From step to queue", "s", _quantiles("gameserver_relay_seconds")),
        Panel(
            "Events on their way",
            "short",
            (
                _gauge("gameserver_events_uncommitted", "not committed", how="sum by (job)"),
                _gauge("gameserver_outbox_events", "not relayed", how="sum by (job)"),
            ),
        ),
        Panel(
            "Oldest event in an outbox",
            "s",
            (_gauge("gameserver_outbox_oldest_age_seconds", HERE, how="max by (instance)"),),
        ),
        Panel(
            "Calls that fail",
            "ops",
            (
                _count("gameserver_store_errors_total", "Redis", by="job"),
                _count("gameserver_queue_errors_total", "SQS", by="job"),
                _count("gameserver_kms_errors_total", "KMS", by="job"),
                _count("gameserver_table_errors_total", "DynamoDB", by="job"),
                _count("gameserver_reads_failed_total", "PostgreSQL", by="job"),
                _count("gameserver_jwks_errors_total", "key set", by="job"),
            ),
        ),
        Panel(
            "Matches that move",
            "ops",
            (
                _count("gameserver_matches_adopted_total", "adopted", by="job"),
                _count("gameserver_leases_lost_total", "leases lost", by="job"),
                _count("gameserver_commits_fenced_total", "fenced", by="job"),
                _count("gameserver_matches_paused_total", "paused", by="job"),
                _count("gameserver_games_failed_total", "failed", by="job"),
            ),
        ),
        Panel(
            "Data key left",
            "percentunit",
            (_gauge("gameserver_data_key_left_ratio", HERE, how="min by (instance)"),),
        ),
    ),
    "Cluster and lobby": (
        Panel(
            "Players relayed between nodes",
            "short",
            (
                _gauge("gameserver_links_remote", "of matches elsewhere", how="sum by (job)"),
                _gauge("gameserver_guests", "of other nodes", how="sum by (job)"),
            ),
        ),
        Panel(
            "Matchmaking: wait of matched tickets",
            "s",
            _quantiles("gameserver_ticket_wait_seconds"),
        ),
        Panel(
            "Matchmaking: tickets",
            "short",
            (
                _gauge("gameserver_tickets_waiting", "waiting", how="sum by (job)"),
                _count("gameserver_tickets_enqueued_total", "come, a second", by="job"),
                _count("gameserver_tickets_matched_total", "matched, a second", by="job"),
                _count("gameserver_tickets_expired_total", "expired, a second", by="job"),
            ),
        ),
        Panel(
            "HTTP API",
            "reqps",
            (
                _count("gameserver_http_requests_total", "calls", by="job"),
                _count("gameserver_http_failures_total", "5xx", by="job"),
            ),
        ),
        Panel("HTTP API: time", "s", _quantiles("gameserver_http_seconds")),
        Panel(
            "Cache",
            "ops",
            (
                _count("gameserver_cache_hits_near_total", "near", by="job"),
                _count("gameserver_cache_hits_redis_total", "Redis", by="job"),
                _count("gameserver_cache_misses_total", "misses", by="job"),
                _count("gameserver_cache_errors_total", "errors", by="job"),
            ),
        ),
    ),
    "Worker": (
        Panel(
            "Events",
            "ops",
            (_count("worker_events_total", "{{outcome}}", of=WORKERS, by="outcome"),),
        ),
        Panel("From step to row", "s", _quantiles("worker_event_age_seconds", of=WORKERS)),
        Panel(
            "Oldest event in hand",
            "s",
            (_gauge("worker_oldest_event_age_seconds", "oldest", of=WORKERS, how="max by (job)"),),
        ),
        Panel(
            "Queue",
            "short",
            (
                _gauge("worker_queue_messages", "{{state}}", of=WORKERS, how="max by (state)"),
                _gauge("worker_backlog_per_worker", "each worker", of=WORKERS, how="avg by (job)"),
            ),
        ),
        Panel(
            "Dead letters",
            "short",
            (
                _gauge(
                    "worker_dead_letter_messages", "in the queue", of=WORKERS, how="max by (job)"
                ),
                _gauge(
                    "worker_parked_events", "parked: {{reason}}", of=WORKERS, how="max by (reason)"
                ),
                _count("worker_redrives_total", "redriven: {{outcome}}", of=WORKERS, by="outcome"),
            ),
        ),
        Panel("Batches", "s", _quantiles("worker_batch_seconds", of=WORKERS)),
        Panel(
            "Workers, and what they reach",
            "short",
            (
                _gauge("worker_live_workers", "live", of=WORKERS, how="max by (job)"),
                _gauge("worker_database_up", "reach PostgreSQL", of=WORKERS, how="sum by (job)"),
                _gauge("worker_queue_up", "reach SQS", of=WORKERS, how="sum by (job)"),
            ),
        ),
        Panel(
            "Failures answered by trying again",
            "ops",
            (_count("worker_retries_total", "{{error}}", of=WORKERS, by="error"),),
        ),
    ),
}


def dashboard() -> dict[str, Any]:
    """Grafana's model of the dashboard."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row, charts in ROWS.items():
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": row,
                "collapsed": False,
                "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
                "panels": [],
            }
        )
        top += 1
        for place, panel in enumerate(charts):
            x, width = place % 3 * (COLUMNS // 3), COLUMNS // 3
            y = top + place // 3 * HEIGHT
            panels.append(_chart(panel, len(panels) + 1, {"x": x, "y": y, "w": width, "h": HEIGHT}))
        top += -(-len(charts) // 3) * HEIGHT
    return {
        "uid": "gameserver",
        "title": "gameserver",
        "tags": ["gameserver"],
        "schemaVersion": 38,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "templating": {"list": [_source(), _server()]},
        "panels": panels,
    }


def _chart(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": {"fillOpacity": 8}},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {
                "refId": chr(ord("A") + place_),
                "datasource": SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend,
                "range": True,
            }
            for place_, query in enumerate(panel.queries)
        ],
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}


def _server() -> dict[str, Any]:
    query = 'label_values(gameserver_info{job="gameserver"}, instance)'
    return {
        "name": "server",
        "label": "Server",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": "servers"},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


def render() -> str:
    """The file."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(render())
    print(f"wrote {FILE.name}")
