"""Every number of the model: what it is, its unit, where it stands, and as of when.

``found`` is how a figure of this repository stands in its file: a test looks for it there, so that
the model cannot keep one that has been measured anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deploy.cost import model as cost
from deploy.cost import prices

ROOT = Path(__file__).parents[2]
_NOV = "2026-11"
PERFORMANCE = "docs/performance.md"
LATEST = "bench/results/latest.md"
SCALING = "bench/results/scaling/README.md"
WORKER = "bench/results/worker.md"
MATCHMAKING = "bench/results/matchmaking.md"
CLUSTER = "bench/results/cluster.md"
PULSE = "gameserver/cluster/pulse.py"
SWEEP = "gameserver/match/sweep.py"
FAILOVER = "bench/results/failover.md"
AWS = "docs.aws.amazon.com/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """``found``: empty for what this repository does not say."""

    name: str
    value: float
    unit: str
    source: str
    found: str = ""
    as_of: str = _NOV


def _stated(name: str, value: float, unit: str, source: str, found: str) -> Figure:
    return Figure(name=name, value=value, unit=unit, source=source, found=found)


def _read(name: str, unit: str, source: str, row: str, column: int) -> Figure:
    """Of a table that a benchmark writes: what is measured anew counts without a change here."""
    for line in (ROOT / source).read_text().splitlines():
        cells = [one.strip() for one in line.strip("|").split("|")]
        if cells[0] == row:
            value = float(cells[column].replace(",", ""))
            return Figure(name=name, value=value, unit=unit, source=source, found=line)
    raise LookupError(f"{source} has no row {row!r}")


def _quota(name: str, value: float, unit: str, page: str) -> Figure:
    return Figure(name=name, value=value, unit=unit, source=AWS + page)


_US = "µs of CPU"

CYCLE_US = _stated(
    "a server's cycle, ws, rooms of 8", 15.6, _US, LATEST, "| **this server** | 15.6 ("
)
RECORDED = _stated(
    "a cycle where matches are recorded",
    1.21,
    "times",
    PERFORMANCE,
    "| each match recorded, × not recorded | | 1.21 (",
)
WS_US = _stated("a cycle over ws, beside the next", 20.0, _US, PERFORMANCE, "| none (ws) | 20.0 (")
WSS_US = _stated(
    "a cycle over wss", 34.7, _US, PERFORMANCE, "tls_transport.py`** (shipped) | 34.7 ("
)
STEP_US = _stated("the arena's step, in it", 0.9, _US, PERFORMANCE, "| the rules' step (0.9 µs) |")
VIEW_US = _stated(
    "the arena's view, in it", 0.2, _US, PERFORMANCE, "| the view, encoded (0.2 µs) |"
)
ROOMS_OF_2_US = _stated(
    "a cycle in rooms of 2", 25.4, _US, SCALING, "| view, the same for all: 2 | 400 | 25.4 |"
)
ROOMS_OF_8_US = _stated(
    "a cycle in rooms of 8, beside it",
    22.1,
    _US,
    SCALING,
    "| view, the same for all: 8 | 400 | 22.1 |",
)
CONNECT_MS = _stated(
    "a player who connects, wss", 1.61, "ms of CPU", PERFORMANCE, "| 32.7 | 1.61 |"
)
PAUSE_S = _stated(
    "players of a killed server wait (p99)", 2.70, "s", FAILOVER, "| **all** | 2397 | 2.49 | 2.70 |"
)
VALKEY_US = _stated(
    "Valkey, a cycle (checkpoints and events)", 1.0, _US, LATEST, "| sqs 0.2, valkey 1.0 |"
)
POSTGRES_US = _stated(
    "PostgreSQL, a key event", 6.8, _US, WORKER, "| 114,082 | 112,222–118,349 | 6.8 |"
)
WORKER_US = _stated(
    "a worker, a key event", 4.3, _US, WORKER, "itself takes 4.3 µs of CPU an event"
)
TICKETS_PER_S = _stated(
    "a queue's master, two roles",
    2_669,
    "tickets/s",
    MATCHMAKING,
    "| matched over the store, to 90 % | 18,041 | 6.76 | 2,669 |",
)
TICKETS_PER_CPU_S = _stated(
    "a queue's master, by its CPU",
    5_606,
    "tickets/s",
    MATCHMAKING,
    "| … of CPU of the matchmaker | 18,041 | 3.22 | 5,606 |",
)

_APART = ", in a cluster of three, all of them together"
_FEW, _MANY = ("25, each with 8 open matches", "400, each with 8 open matches")
_LOOKED, _ASKED, _NOTE = (
    "1,000 looked at",
    "a question whose turn it is",
    "400, to each of 100 servers",
)
_VALKEY, _SERVER, _SENT = (1, 2, 3)
"""Columns of bench/results/cluster.md."""
HEARTBEAT_SERVERS = (25, 400)
"""Between these two measured numbers of servers, and beyond them, a heartbeat's cost is a line."""
HEARTBEAT_VALKEY_US = (
    _read("Valkey, a heartbeat, 25 servers", _US, CLUSTER, _FEW, _VALKEY),
    _read("Valkey, a heartbeat, 400 servers", _US, CLUSTER, _MANY, _VALKEY),
)
HEARTBEAT_SERVER_US = (
    _read("a server, a heartbeat, 25 servers", _US, CLUSTER, _FEW, _SERVER),
    _read("a server, a heartbeat, 400 servers", _US, CLUSTER, _MANY, _SERVER),
)
HEARTBEAT_BYTES = _read("Valkey sends, a heartbeat, 400 servers", "bytes", CLUSTER, _MANY, _SENT)
BEAT_S = _stated("from heartbeat to heartbeat", 0.5, "s", PULSE, "BEAT_S = 0.5")
LEASE_MS = _stated(
    "a lease",
    2_000,
    "ms",
    "gameserver/config.py",
    "lease_ttl_ms: Annotated[int, Meta(ge=500, le=60_000)] = 2_000",
)
WALKS_PER_LEASE = _stated(
    "looks at all matches in the time of a lease", 2, "times", SWEEP, "WALKS_PER_LEASE = 2"
)
LOOK_US = _read("Valkey, 1,000 matches looked at, single", _US, CLUSTER, _LOOKED, _VALKEY)
LOOK_CLUSTER_US = _read(
    "Valkey, 1,000 matches looked at, Redis Cluster", _US, CLUSTER, _LOOKED + _APART, _VALKEY
)
LOOK_SERVER_US = _read(
    "a server, 1,000 matches looked at, Redis Cluster", _US, CLUSTER, _LOOKED + _APART, _SERVER
)
ASK_US = _read("Valkey, a question for the turn", _US, CLUSTER, _ASKED + _APART, _VALKEY)
ASK_SERVER_US = _read("a server, a question for the turn", _US, CLUSTER, _ASKED + _APART, _SERVER)
NOTE_US = _read("Valkey, a message between servers", _US, CLUSTER, _NOTE, _VALKEY)
NOTE_SENDER_US = _read("a server, a message it sends", _US, CLUSTER, _NOTE, _SERVER)

TARGETS = _quota(
    "targets of a load balancer (adjustable)",
    1_000,
    "servers",
    "elasticloadbalancing/latest/application/load-balancer-limits.html",
)
NODES = _quota(
    "nodes of a cluster (up to 500 if asked for)",
    90,
    "nodes",
    "AmazonElastiCache/latest/dg/Shards.html",
)
TOKENS_PER_S = _quota(
    "Cognito, UserToken (adjustable)", 120, "1/s", "cognito/latest/developerguide/quotas.html"
)
REQUESTS_PER_S = _quota(
    "API Gateway, an account's requests (adjustable)",
    10_000,
    "1/s",
    "apigateway/latest/developerguide/limits.html",
)
DISTRIBUTION_GBIT = _quota(
    "CloudFront, a distribution sends (adjustable)",
    150,
    "Gbit/s",
    "AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html",
)
VALKEY_GBIT = {
    "cache.t4g.small": 0.128,
    "cache.m7g.large": 0.937,
    "cache.m7g.xlarge": 1.876,
}
"""Gbit/s that a node can keep up, as EC2's instance of that name."""
VALKEY_NETWORK = _quota(
    "cache.m7g.xlarge sends, at all times",
    VALKEY_GBIT["cache.m7g.xlarge"],
    "Gbit/s",
    "AWSEC2/latest/UserGuide/ec2-instance-network-bandwidth.html",
)
BURST_CORE = Figure(
    name="a core of a t4g, at all times",
    value=0.2,
    unit="cores",
    source=AWS + "AWSEC2/latest/UserGuide/burstable-credits-baseline-concepts.html",
)
VALKEY_CORE = {"cache.t4g.small": BURST_CORE.value, "cache.m7g.large": 1.0, "cache.m7g.xlarge": 1.0}
"""What Valkey's one busy thread can keep up."""
POSTGRES_CORES = {
    "db.t4g.medium": 2 * BURST_CORE.value,
    "db.m7g.large": 2.0,
    "db.r7g.2xlarge": 8.0,
}

CHECKPOINT_BYTES = Figure(
    name="a checkpoint, once a second and match",
    value=2_000,
    unit="bytes",
    source="assumed (0.5 to 4 KB in docs/performance.md)",
)
PER_SERVER = Figure(
    name="players of a server that scaling aims at",
    value=cost.CONNECTIONS_PER_SERVER,
    unit="players",
    source="deploy/cost/model.py, as the templates have it",
)
SESSIONS_MAX = Figure(
    name="players of a server at most", value=1_300, unit="players", source="ecs-task.json"
)
PRICES = Figure(
    name="all prices",
    value=0,
    unit="dollars",
    source="deploy/cost/prices.py: AWS' list, us-east-1",
    as_of=prices.AS_OF,
)

FIGURES: tuple[Figure, ...] = (
    CYCLE_US,
    RECORDED,
    WS_US,
    WSS_US,
    STEP_US,
    VIEW_US,
    ROOMS_OF_2_US,
    ROOMS_OF_8_US,
    CONNECT_MS,
    PAUSE_S,
    VALKEY_US,
    *HEARTBEAT_VALKEY_US,
    *HEARTBEAT_SERVER_US,
    HEARTBEAT_BYTES,
    BEAT_S,
    LEASE_MS,
    WALKS_PER_LEASE,
    LOOK_US,
    LOOK_CLUSTER_US,
    LOOK_SERVER_US,
    ASK_US,
    ASK_SERVER_US,
    NOTE_US,
    NOTE_SENDER_US,
    TICKETS_PER_S,
    TICKETS_PER_CPU_S,
    POSTGRES_US,
    WORKER_US,
    PER_SERVER,
    SESSIONS_MAX,
    CHECKPOINT_BYTES,
    VALKEY_NETWORK,
    BURST_CORE,
    TARGETS,
    NODES,
    TOKENS_PER_S,
    REQUESTS_PER_S,
    DISTRIBUTION_GBIT,
    PRICES,
)
