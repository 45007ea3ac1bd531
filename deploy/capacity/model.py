"""From a game and a number of players to cells, and what fills up first in them.

    players ─► cells of a size of deploy/cloudformation ─► load of each part, dollars (deploy/cost)

A **cell** is one set of stacks: servers that know of each other, with one Valkey, one PostgreSQL,
one queue. Cells know nothing of each other. A part's ``load`` is the share of what it can bear;
above its ``ceiling`` it *gives way*.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from deploy.capacity import figures as f
from deploy.cost.model import RELAY_CALLS_PER_S as RELAY_CALLS
from deploy.cost.model import SECONDS, SIZES, Line, Play, Size, estimate

BEATS_PER_S = 1 / f.BEAT_S.value
WALKS_PER_S = f.WALKS_PER_LEASE.value / f.LEASE_MS.value * 1_000
"""How often all matches are looked at, and how often each server asks for the turn to do so."""
ARENA_US = f.STEP_US.value + f.VIEW_US.value
ARENA_HZ, ARENA_PLAYERS = 20.0, 8.0
WORKER_CORES = 0.5
SHARED = frozenset(
    {
        "CloudFront: bytes to players",
        "CloudFront: bytes from players",
        "CloudFront and WAF: requests",
        "Cognito",
    }
)
"""Lines of the estimate that all cells share: their prices fall with the sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Game:
    """What is played; the defaults are the arena. ``game_us``: CPU of step and view, a player and
    tick. ``events_per_s``: key events, a player."""

    game_us: float = ARENA_US
    tick: float = ARENA_HZ
    players_per_match: float = ARENA_PLAYERS
    match_minutes: float = 5.0  # assumed
    snapshot_bytes: float = 200.0
    events_per_s: float = 0.02
    largest_queue: float = 1.0  # assumed, the worst: all players of a cell in one queue
    notes_per_match: float = 1.0  # two with a ready check

    @property
    def cycle_us(self) -> float:
        """CPU of a server for one player and tick, with wss on the hop and a recording."""
        per_match = (f.ROOMS_OF_2_US.value - f.ROOMS_OF_8_US.value) / (1 / 2 - 1 / ARENA_PLAYERS)
        rooms = per_match * (1 / self.players_per_match - 1 / ARENA_PLAYERS)
        bare = f.CYCLE_US.value + self.game_us - ARENA_US + rooms
        return bare * f.RECORDED.value + f.WSS_US.value - f.WS_US.value

    @property
    def per_server(self) -> int:
        """Players of a server, at the share of a core that the templates' number is for the arena;
        at least a match's."""
        share = f.PER_SERVER.value * ARENA_HZ * ARENA.cycle_us
        fits = min(share / (self.tick * self.cycle_us), f.SESSIONS_MAX.value)
        return max(math.floor(fits + 1e-9), math.ceil(self.players_per_match))

    def play(self, peak: int) -> Play:
        """As ``deploy.cost`` takes it."""
        return Play(
            peak=peak,
            hz=self.tick,
            snapshot_bytes=self.snapshot_bytes,
            events_per_s=self.events_per_s,
        )


ARENA = Game()
ASSUMED = frozenset({"match_minutes", "largest_queue", "notes_per_match", "events_per_s"})
MEANING = {
    "game_us": "µs of CPU of step and view, a player and tick",
    "tick": "ticks a second",
    "players_per_match": "players of a match",
    "match_minutes": "minutes of a match",
    "snapshot_bytes": "bytes of a snapshot, as sent",
    "events_per_s": "key events a second, a player",
    "largest_queue": "share of the players who are matched by one queue",
    "notes_per_match": "news of a match's tickets: 1, with a ready check 2",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """``size``: what it is made of. ``elastic``: shards and servers grow along instead, as if there
    were no largest size."""

    game: Game
    size: Size
    elastic: bool = False

    def servers(self, players: float) -> int:
        return max(self.size.servers[0], math.ceil(players / self.game.per_server))

    def shards(self, players: float) -> int:
        if not self.elastic:
            return self.size.shards
        of_large = SIZES["large"]
        return max(1, math.ceil(players / (of_large.play.peak / of_large.shards)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """``load(cell, players)``: the share of what it can bear. ``then``: what to do about it."""

    name: str
    ceiling: float
    load: Callable[[Cell, float], float]
    then: str


def core_one_lost(cell: Cell, players: float) -> float:
    """A server's core when one has gone: its players play on the others."""
    servers = cell.servers(players)
    left = max(1, servers - 1)
    playing = players / left * cell.game.tick * cell.game.cycle_us
    return (playing + _chores_us(cell, players)) / 1e6


def _chores_us(cell: Cell, players: float) -> float:
    """µs a second of each server for the others: heartbeats, and its part of the sweep."""
    servers = cell.servers(players)
    beat = _line(f.HEARTBEAT_SERVER_US, servers) * BEATS_PER_S
    looked = _matches(cell, players) / 1_000 / servers
    return beat + (f.LOOK_SERVER_US.value * looked + f.ASK_SERVER_US.value) * WALKS_PER_S


def _line(pair: tuple[f.Figure, f.Figure], servers: float) -> float:
    (low, high), (first, second) = f.HEARTBEAT_SERVERS, pair
    slope = (second.value - first.value) / (high - low)
    return max(0.0, first.value + slope * (servers - low))


def _matches(cell: Cell, players: float) -> float:
    return players / cell.game.players_per_match


def commits(cell: Cell, players: float) -> float:
    """A shard's core: checkpoints and key events. They are a match's, however often it ticks."""
    a_match_us = f.VALKEY_US.value * ARENA_HZ * ARENA_PLAYERS
    return _matches(cell, players) * a_match_us / 1e6 / cell.shards(players)


def heartbeats(cell: Cell, players: float) -> float:
    """The directory's core: each server reads the words of all."""
    servers = cell.servers(players)
    return servers * BEATS_PER_S * _line(f.HEARTBEAT_VALKEY_US, servers) / 1e6


def sweeps(cell: Cell, players: float) -> float:
    """The core of the shard that keeps the turn: servers look for matches that have lost their
    owner one at a time, and all of them ask whose turn it is."""
    shards = cell.shards(players)
    one = f.LOOK_US.value if shards == 1 else f.LOOK_CLUSTER_US.value
    looked = _matches(cell, players) / 1_000 * one / shards
    asked = cell.servers(players) * f.ASK_US.value
    return (looked + asked) * WALKS_PER_S / 1e6


def _tickets_per_s(cell: Cell, players: float) -> float:
    return players * cell.game.largest_queue / (cell.game.match_minutes * 60)


def _notes_per_s(cell: Cell, players: float) -> float:
    formed = _tickets_per_s(cell, players) / cell.game.players_per_match
    return formed * cell.game.notes_per_match * cell.servers(players)


def news(cell: Cell, players: float) -> float:
    """Each Valkey's core: who has been matched is told to all servers, over the classic pub/sub."""
    return _notes_per_s(cell, players) * f.NOTE_US.value / 1e6


def valkey_core(cell: Cell, players: float) -> float:
    used = sum(one(cell, players) for one in (commits, heartbeats, sweeps, news))
    return used / f.VALKEY_CORE[cell.size.redis_node]


def _valkey_network(cell: Cell, players: float) -> float:
    """What the directory's node sends: heartbeats, and checkpoints to its replica."""
    servers = cell.servers(players)
    beat = f.HEARTBEAT_BYTES.value * servers / f.HEARTBEAT_SERVERS[1]
    kept = _matches(cell, players) * f.CHECKPOINT_BYTES.value / cell.shards(players)
    bits = 8 * (servers * BEATS_PER_S * beat + kept * cell.size.replicas)
    return bits / 1e9 / f.VALKEY_GBIT[cell.size.redis_node]


def _master_rate(cell: Cell, players: float) -> float:
    return _tickets_per_s(cell, players) / f.TICKETS_PER_S.value


def _master_core(cell: Cell, players: float) -> float:
    """Of the server that leads the queue: its own players, forming, and telling."""
    own = min(players / cell.servers(players), cell.game.per_server)
    playing = own * cell.game.tick * cell.game.cycle_us / 1e6
    forming = _tickets_per_s(cell, players) / f.TICKETS_PER_CPU_S.value
    telling = _notes_per_s(cell, players) * f.NOTE_SENDER_US.value / 1e6
    return playing + forming + telling + _chores_us(cell, players) / 1e6


def events_per_s(cell: Cell, players: float) -> float:
    return players * cell.game.events_per_s


def _postgres(cell: Cell, players: float) -> float:
    cores = f.POSTGRES_CORES[cell.size.database]
    return events_per_s(cell, players) * f.POSTGRES_US.value / 1e6 / cores


def workers(cell: Cell, players: float) -> int:
    """At the peak, each at half of what it can do."""
    used = events_per_s(cell, players) * f.WORKER_US.value / 1e6
    return max(cell.size.workers[0], math.ceil(used / (WORKER_CORES / 2)))


def _workers(cell: Cell, players: float) -> float:
    used = events_per_s(cell, players) * f.WORKER_US.value / 1e6
    return used / (WORKER_CORES * cell.size.workers[1])


def _tasks(cell: Cell, players: float) -> float:
    if cell.elastic:
        return 0.0
    return cell.servers(players) / cell.size.servers[1]


def _nodes(cell: Cell, players: float) -> float:
    return cell.shards(players) * (1 + cell.size.replicas) / f.NODES.value


def _targets(cell: Cell, players: float) -> float:
    return cell.servers(players) / f.TARGETS.value


CELL_MORE = "another cell: what each server asks of all grows with their square"
PARTS: tuple[Part, ...] = (
    Part(
        name="servers that may run",
        ceiling=1.0,
        load=_tasks,
        then="the next larger `Size`, or `ServersMax`",
    ),
    Part(
        name="a server's core, one server lost",
        ceiling=0.8,
        load=core_one_lost,
        then="a larger `ServersMin`, or fewer `Connections` a server",
    ),
    Part(name="Valkey: the core of one node", ceiling=0.8, load=valkey_core, then=CELL_MORE),
    Part(name="Valkey: what one node sends", ceiling=0.8, load=_valkey_network, then=CELL_MORE),
    Part(
        name="the core of a queue's master",
        ceiling=0.8,
        load=_master_core,
        then="split the queue (a mode or region each), then another cell",
    ),
    Part(
        name="tickets of one queue",
        ceiling=0.8,
        load=_master_rate,
        then="split the queue: each has a master of its own",
    ),
    Part(
        name="PostgreSQL's cores",
        ceiling=0.5,
        load=_postgres,
        then="a larger instance; fewer key events",
    ),
    Part(name="workers that may run", ceiling=0.8, load=_workers, then="`WorkersMax`"),
    Part(name="a load balancer's targets", ceiling=1.0, load=_targets, then="ask for the quota"),
    Part(name="nodes of Valkey", ceiling=1.0, load=_nodes, then="ask for the quota (500 at most)"),
)


def first(cell: Cell) -> tuple[Part, int]:
    """The part that gives way first as players come, and how many it still bears."""
    part = min(PARTS, key=lambda one: holds(cell, one))
    return part, holds(cell, part)


def holds(cell: Cell, part: Part) -> int:
    """The most players at which the part is below its ceiling; loads do not fall with players,
    but for the steps in which servers come."""
    low, high = 0, 1_000_000_000
    while low < high:
        middle = (low + high + 1) // 2
        if part.load(cell, middle) <= part.ceiling:
            low = middle
        else:
            high = middle - 1
    return low


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``cells`` of one size, with the players spread evenly over them."""

    players: int
    cells: int
    cell: Cell

    @property
    def each(self) -> int:
        return math.ceil(self.players / self.cells)

    @property
    def lines(self) -> list[Line]:
        """Dollars a month, of all cells together."""
        game, size = self.cell.game, self.cell.size
        whole = {line.what: line for line in estimate(self._sized(size, self.players))}
        return [
            whole[line.what]
            if line.what in SHARED
            else replace(line, dollars=line.dollars * self.cells)
            for line in estimate(replace(self._sized(size, self.each), play=game.play(self.each)))
        ]

    @property
    def dollars(self) -> float:
        return sum(line.dollars for line in self.lines)

    @property
    def sqs_per_s(self) -> float:
        """Messages at the peak, of all cells; each is sent, received and deleted."""
        return self.cells * _messages_per_s(self.cell, self.each)

    def _sized(self, size: Size, players: int) -> Size:
        """With as many servers as this game needs on average."""
        play = self.cell.game.play(players)
        servers = self.cell.servers(play.average)
        return replace(size, play=play, servers=(servers, servers))


def plan(players: int, game: Game = ARENA) -> Plan:
    """The smallest size that bears them; else as many cells of the largest as are needed."""
    for size in SIZES.values():
        cell = Cell(game=game, size=size)
        if players <= bears(cell):
            return Plan(players=players, cells=1, cell=cell)
    return Plan(players=players, cells=math.ceil(players / max(1, bears(cell))), cell=cell)


def bears(cell: Cell) -> int:
    """Players of a cell: what its size is meant for, or less where a part gives way before."""
    return min(cell.size.play.peak, first(cell)[1])


def elastic(game: Game = ARENA) -> Cell:
    """The one cell that everybody is in: to see what prevents it."""
    return Cell(game=game, size=SIZES["large"], elastic=True)


def share_of_shared(one: Plan) -> float:
    """Share of the bill that is bytes, requests and log-ins."""
    return sum(line.dollars for line in one.lines if line.what in SHARED) / one.dollars


def monthly_sqs(one: Plan) -> float:
    """Messages a month, on average."""
    average = one.each * one.cell.game.play(one.each).average_share
    return one.cells * _messages_per_s(one.cell, average) * SECONDS


def _messages_per_s(cell: Cell, players: float) -> float:
    """Events as often as a server sends them, and recordings, in pieces of 64 KiB."""
    recorded = bool(cell.size.recordings_kept_days) * cell.game.play(1).recording_bytes_per_s
    return cell.servers(players) * RELAY_CALLS + players * recorded / 65_536
