"""What a region costs, worked out from measured figures, assumptions and list prices.

    players ─► tasks, nodes, bytes, calls ─► lines of (what, how many, dollars a month)

Measured figures are this project's own, with where they stand. Assumptions are marked as such:
change them to what your game does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deploy.cost import prices as p

SECONDS = p.HOURS * 3600
GB = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What a player does. ``peak`` players at the same time at the busiest hour."""

    peak: int
    average_share: float = 0.5  # assumed: a day's average to its peak
    monthly_per_peak: float = 20.0  # assumed: players a month for each one at the peak
    hz: float = 20.0  # snapshots and inputs a second (arena)
    snapshot_bytes: float = 200.0  # measured 184 to 192 (bench/results), and a frame's head
    input_bytes: float = 30.0  # 16 and what WebSocket puts around it
    connects_per_hour: float = 2.0  # assumed
    calls_per_hour: float = 20.0  # assumed: of the HTTP API, a player
    events_per_s: float = 0.02  # assumed: key events, a player
    recording_bytes_per_s: float = 110.0  # measured: arena, random inputs, a player

    @property
    def average(self) -> float:
        return self.peak * self.average_share


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The parameter ``Size`` of the templates; ``tests/deploy/test_cost.py`` compares."""

    name: str
    play: Play
    servers: tuple[int, int]  # at least, at most
    workers: tuple[int, int]
    redis_node: str
    shards: int
    replicas: int
    database: str
    storage_gib: int
    nat_gateways: int
    recordings_kept_days: int  # 0: matches are not recorded


CONNECTIONS_PER_SERVER = 500
"""What scaling aims at: 35 % of a core at 35 µs a cycle with TLS (docs/performance.md). The rest is
for joining, a neighbour's failure, and a core of Fargate's that is slower than the one measured."""
SERVER_CPU, SERVER_GIB = 1.0, 2.0
WORKER_CPU, WORKER_GIB = 0.5, 1.0
VALKEY_US_PER_CYCLE = 1.0  # measured 0.7 to 1.2
POSTGRES_US_PER_EVENT = 6.8  # measured
EVENT_BYTES = 326  # measured, with indexes
RELAY_CALLS_PER_S = 4.0  # a server's to SQS: a message each 250 ms at most
LOG_BYTES_PER_CONNECT = 2_000.0  # assumed
ENDPOINTS = 6  # of interfaces (network.yaml)
KEYS, SECRETS, ALARMS = 3, 4, 26
CUSTOM_METRICS = 19  # what the agents hand on, and errors in logs
WAF_RULES = 6
DAYS = 30.4

SIZES: Mapping[str, Size] = {
    one.name: one
    for one in (
        Size(
            name="small",
            play=Play(peak=1_000),
            servers=(2, 6),
            workers=(1, 4),
            redis_node="cache.t4g.small",
            shards=1,
            replicas=1,
            database="db.t4g.medium",
            storage_gib=100,
            nat_gateways=1,
            recordings_kept_days=7,
        ),
        Size(
            name="medium",
            play=Play(peak=10_000),
            servers=(3, 40),
            workers=(2, 8),
            redis_node="cache.m7g.large",
            shards=2,
            replicas=1,
            database="db.m7g.large",
            storage_gib=800,
            nat_gateways=3,
            recordings_kept_days=7,
        ),
        Size(
            name="large",
            play=Play(peak=100_000),
            servers=(6, 400),
            workers=(2, 40),
            redis_node="cache.m7g.xlarge",
            shards=6,
            replicas=1,
            database="db.r7g.2xlarge",
            storage_gib=2_000,
            nat_gateways=3,
            recordings_kept_days=0,
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing to pay for, a month."""

    what: str
    how_much: str
    dollars: float


def servers_at(players: float, size: Size) -> int:
    """Tasks that scaling keeps for so many players."""
    least, most = size.servers
    return min(most, max(least, math.ceil(players / CONNECTIONS_PER_SERVER)))


def steps(amount: float, prices: tuple[tuple[float, float], ...]) -> float:
    """A price that falls with the amount."""
    total, below = 0.0, 0.0
    for upto, price in prices:
        total += max(0.0, min(amount, upto) - below) * price
        below = upto
    return total


def stored_gib(size: Size, *, months: float = 1.0) -> float:
    """In PostgreSQL after so many months, recordings as long as they are kept."""
    play = size.play
    events = play.average * play.events_per_s * EVENT_BYTES * SECONDS * months
    kept_s = min(size.recordings_kept_days, months * DAYS) * 86_400
    return (events + play.average * play.recording_bytes_per_s * kept_s) / 2**30


def estimate(size: Size) -> list[Line]:
    """Every line of a region of this size, with the public side that all regions share."""
    return [
        *_tasks(size),
        *_stores(size),
        *_network(size),
        *_edge(size),
        *_calls(size),
        *_watching(size),
    ]


def total(lines: list[Line]) -> float:
    return sum(line.dollars for line in lines)


def _tasks(size: Size) -> Iterator[Line]:
    servers = servers_at(size.play.average, size)
    hour = SERVER_CPU * p.FARGATE_CPU_HOUR + SERVER_GIB * p.FARGATE_GIB_HOUR
    most = servers_at(size.play.peak, size)
    yield Line(
        what="servers (Fargate)",
        how_much=f"{servers} on average, {most} at the peak",
        dollars=servers * hour * p.HOURS,
    )
    workers = size.workers[0]
    hour = WORKER_CPU * p.FARGATE_CPU_HOUR + WORKER_GIB * p.FARGATE_GIB_HOUR
    yield Line(what="workers (Fargate)", how_much=str(workers), dollars=workers * hour * p.HOURS)


def _stores(size: Size) -> Iterator[Line]:
    nodes = size.shards * (1 + size.replicas)
    yield Line(
        what="Valkey (ElastiCache)",
        how_much=f"{nodes} × {size.redis_node}",
        dollars=nodes * p.REDIS_NODE_HOUR[size.redis_node] * p.HOURS,
    )
    yield Line(
        what="PostgreSQL (RDS, two zones)",
        how_much=size.database,
        dollars=p.DATABASE_HOUR[size.database] * p.HOURS,
    )
    yield Line(
        what="its disk (gp3, two zones)",
        how_much=f"{size.storage_gib} GiB; the first month fills {stored_gib(size):,.0f}",
        dollars=size.storage_gib * p.DATABASE_GIB_MONTH,
    )
    backups = stored_gib(size)  # the vault's snapshots; those of RDS are free up to the disk's size
    yield Line(
        what="backups in the vault",
        how_much=f"about {backups:,.0f} GiB",
        dollars=backups * p.BACKUP_GIB_MONTH,
    )
    yield Line(
        what="keys and secrets",
        how_much=f"{KEYS} and {SECRETS}",
        dollars=KEYS * p.KEY_MONTH + SECRETS * p.SECRET_MONTH,
    )


def _network(size: Size) -> Iterator[Line]:
    play, zones = size.play, size.nat_gateways
    yield Line(
        what="NAT gateways",
        how_much=str(zones),
        dollars=zones * (p.NAT_HOUR + p.ADDRESS_HOUR) * p.HOURS,
    )
    yield Line(
        what="endpoints in the VPC",
        how_much=f"{ENDPOINTS} in {zones} zone{'s' if zones > 1 else ''}",
        dollars=ENDPOINTS * zones * p.ENDPOINT_ZONE_HOUR * p.HOURS,
    )
    out_gb, in_gb = _traffic_gb(play)
    units = max(play.average / 3_000, (out_gb + in_gb) / p.HOURS)
    yield Line(
        what="load balancers",
        how_much=f"2, {units:,.1f} units on average",
        dollars=(2 * p.BALANCER_HOUR + 3 * p.ADDRESS_HOUR + units * p.BALANCER_UNIT_HOUR) * p.HOURS,
    )
    # The balancer sends to servers of all zones: two thirds of the bytes change theirs, which is
    # free with an ALB; checkpoints to Valkey are not.
    checkpoints_gb = play.average / 8 * 1.0 * 2_000 * SECONDS / GB
    yield Line(
        what="between zones: checkpoints",
        how_much=f"{checkpoints_gb:,.0f} GB, two thirds of it",
        dollars=checkpoints_gb * 2 / 3 * p.BETWEEN_ZONES_GB,
    )


def _traffic_gb(play: Play) -> tuple[float, float]:
    """To players and from them, a month."""
    cycles = play.average * play.hz * SECONDS
    return cycles * play.snapshot_bytes / GB, cycles * play.input_bytes / GB


def _edge(size: Size) -> Iterator[Line]:
    play = size.play
    out_gb, in_gb = _traffic_gb(play)
    yield Line(
        what="CloudFront: bytes to players",
        how_much=f"{out_gb:,.0f} GB",
        dollars=steps(out_gb, p.CLOUDFRONT_GB_STEPS),
    )
    yield Line(
        what="CloudFront: bytes from players",
        how_much=f"{in_gb:,.0f} GB",
        dollars=in_gb * p.CLOUDFRONT_TO_ORIGIN_GB,
    )
    requests = _requests(play)
    yield Line(
        what="CloudFront and WAF: requests",
        how_much=f"{requests / 1e6:,.1f} million",
        dollars=requests / 1e4 * p.CLOUDFRONT_TEN_THOUSAND
        + requests / 1e6 * p.WAF_MILLION
        + p.WAF_ACL
        + WAF_RULES * p.WAF_RULE,
    )
    users = play.peak * play.monthly_per_peak
    yield Line(
        what="Cognito",
        how_much=f"{users:,.0f} players a month",
        dollars=max(0.0, users - p.COGNITO_FREE_USERS) * p.COGNITO_USER,
    )


def _requests(play: Play) -> float:
    return play.average * (play.calls_per_hour + play.connects_per_hour) * p.HOURS


def _calls(size: Size) -> Iterator[Line]:
    play = size.play
    calls = play.average * play.calls_per_hour * p.HOURS
    yield Line(
        what="API Gateway",
        how_much=f"{calls / 1e6:,.1f} million",
        dollars=calls / 1e6 * p.GATEWAY_MILLION,
    )
    # Sent, received and deleted, in pieces of 64 KiB.
    sent = servers_at(play.average, size) * RELAY_CALLS_PER_S * SECONDS
    recorded = play.average * play.recording_bytes_per_s * bool(size.recordings_kept_days)
    sent += recorded * SECONDS / 65_536
    yield Line(
        what="SQS",
        how_much=f"{3 * sent / 1e6:,.0f} million",
        dollars=3 * sent / 1e6 * p.SQS_MILLION,
    )
    connects = play.average * play.connects_per_hour * p.HOURS
    writes, reads = 3 * connects, 2 * connects  # opened, refreshed, closed; a profile, consistent
    yield Line(
        what="DynamoDB",
        how_much=f"{(writes + reads) / 1e6:,.1f} million",
        dollars=writes / 1e6 * p.DYNAMODB_WRITE_MILLION + reads / 1e6 * p.DYNAMODB_READ_MILLION,
    )


def _watching(size: Size) -> Iterator[Line]:
    play = size.play
    logs_gb = play.average * play.connects_per_hour * p.HOURS * LOG_BYTES_PER_CONNECT / GB
    # The agents write a line of metrics each half minute.
    tasks = servers_at(play.average, size) + size.workers[0]
    logs_gb += tasks * SECONDS / 30 * 2_000 / GB
    yield Line(
        what="logs, metrics, alarms, dashboard",
        how_much=f"{logs_gb:,.0f} GB, {CUSTOM_METRICS} metrics, {ALARMS} alarms",
        dollars=logs_gb * p.LOG_GB
        + CUSTOM_METRICS * p.METRIC_MONTH
        + ALARMS * p.ALARM_MONTH
        + p.DASHBOARD_MONTH,
    )
