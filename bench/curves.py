"""The curves of ``--scaling``: what is varied, one thing at a time, and what is shown of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bench.games import RATES_HZ, ROOM_SIZES, SNAPSHOT_BYTES
from bench.machine import Place

PLAYERS = 800
_PLAYERS_IN_ROOMS = 400
"""Rooms of 2 step four times as often as rooms of 8: 800 players could fill the core."""
_PLAYERS_HEAVY = 200
"""Where a cycle is so dear, or so often, that 800 players could fill the core."""
_PLAYERS_SLOW, _SLOW = 1_000, 100
_CLIENTS = (100, 200, 400, 800, 1_600)
_CHECKPOINT_MS = (250, 1_000, 5_000)
_PROCESSES_MAX = 4
_AS_FAST_AS_IT_GOES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of a curve. ``overrides`` are settings of the server; ``series`` names the line
    that the point is on, where a curve has several."""

    setting: str
    series: str = ""
    players: int = PLAYERS
    slow: int = 0
    hz: int = 20
    overrides: Mapping[str, str] = field(default_factory=dict)
    game: str = "arena"
    mode: str = "bench"
    dialect: str = "gs"
    connects_per_s: int = 1_000
    processes: int = 1
    tls: bool = False
    join: bool = True
    warmup_s: float | None = None
    """Another than the plan's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """``varied``: the label of the axis; ``shown``: which figures of ``scaling_report.FIGURES``
    get a plot, the first of all being what the curve is about. ``note`` says how to read it."""

    title: str
    varied: str
    points: Callable[[Place], Sequence[Point]]
    shown: tuple[str, ...] = ("us_per_cycle",)
    note: str = ""


def _bench_game(kind: str) -> dict[str, str]:
    return {"GAMESERVER_GAMES": f"bench.games:{kind}"}


def _clients(place: Place) -> list[Point]:
    return [Point(setting=str(players), players=players) for players in _CLIENTS]


def _rooms(place: Place) -> list[Point]:
    rooms = Point(setting="", overrides=_bench_game("Rooms"), game="bench_rooms", mode="room2")
    return [replace(rooms, setting=str(count), players=2 * count) for count in (50, 100, 200, 400)]


def _room_sizes(place: Place) -> list[Point]:
    alike = Point(
        setting="",
        series="view, the same for all",
        players=_PLAYERS_IN_ROOMS,
        overrides=_bench_game("Rooms"),
        game="bench_rooms",
    )
    own = replace(
        alike,
        series="view_for, each their own",
        overrides=_bench_game("Views"),
        game="bench_views",
    )
    return [
        replace(point, setting=str(size), mode=f"room{size}")
        for point in (alike, own)
        for size in ROOM_SIZES
    ]


def _snapshot_bytes(place: Place) -> list[Point]:
    sized = Point(
        setting="", players=_PLAYERS_IN_ROOMS, overrides=_bench_game("Sized"), game="bench_sized"
    )
    return [replace(sized, setting=str(size), mode=f"bytes{size}") for size in SNAPSHOT_BYTES]


def _tick_rates(place: Place) -> list[Point]:
    return [
        Point(
            setting=str(hz),
            hz=hz,
            players=_PLAYERS_HEAVY,
            overrides=_bench_game(f"Rate{hz}"),
            game=f"bench_rate{hz}",
        )
        for hz in RATES_HZ
    ]


def _checkpoints(place: Place) -> list[Point]:
    name = "GAMESERVER_CHECKPOINT_INTERVAL_MS"
    return [Point(setting=str(ms), overrides={name: str(ms)}) for ms in _CHECKPOINT_MS]


def _recordings(place: Place) -> list[Point]:
    return [
        Point(setting=word, overrides={"GAMESERVER_RECORDING": value})
        for word, value in (("not recorded", "false"), ("recorded", "true"))
    ]


def _formats(place: Place) -> list[Point]:
    plain = Point(setting="msgpack", players=_PLAYERS_IN_ROOMS)
    return [plain, replace(plain, setting="json", dialect="gs-json")]


def _encryption(place: Place) -> list[Point]:
    plain = Point(setting="ws")
    return [plain, replace(plain, setting="wss", tls=True)]


def _connects(place: Place) -> list[Point]:
    session = Point(
        setting="session, ws",
        connects_per_s=_AS_FAST_AS_IT_GOES,
        join=False,
        warmup_s=0.5,
    )
    return [
        session,
        replace(session, setting="session, wss", tls=True),
        replace(session, setting="and a seat, ws", join=True),
    ]


def _processes(place: Place) -> list[Point]:
    """With as many processes as cores, the last one shares the load generator's core."""
    most = min(_PROCESSES_MAX, 2 + len(place.spare))
    return [
        Point(setting=str(count), players=_PLAYERS_IN_ROOMS, processes=count)
        for count in range(1, most + 1)
    ]


def _slow_readers(place: Place) -> list[Point]:
    # The buffers of a socket that is not read take 14 s to fill with 4 KB a second, with a buffer
    # of 16 KiB in the server; with the usual 64 KiB it would be half a minute.
    all_read = Point(
        setting="none",
        players=_PLAYERS_SLOW,
        overrides={"GAMESERVER_BUFFER_BYTES_HIGH": "16384"},
        warmup_s=18.0,
    )
    return [all_read, replace(all_read, setting=str(_SLOW), slow=_SLOW)]


_SHARING = (
    "Each process has 400 players. The last one shares its core with the load generator, Valkey "
    "and SQS where there is no other core left: then its figures are worse than those of a machine "
    "with a core more."
)
CURVES = {
    "clients": Curve(
        title="Clients, in rooms of 8",
        varied="clients",
        points=_clients,
        shown=("us_per_cycle", "rss_kib"),
        note="Memory is the growth since before the first connection, by players.",
    ),
    "rooms": Curve(title="Rooms, of 2 players each", varied="rooms", points=_rooms),
    "room_size": Curve(
        title="Players per room, of 400 players",
        varied="players per room",
        points=_room_sizes,
        shown=("us_per_cycle", "bytes"),
        note="`view_for`: everyone is sent what lies within six tiles of their own fighter.",
    ),
    "snapshot_bytes": Curve(
        title="Bytes of a snapshot, all of them new every tick",
        varied="bytes of the snapshot's content",
        points=_snapshot_bytes,
    ),
    "tick_rate": Curve(
        title="Ticks per second, and inputs of each player",
        varied="Hz",
        points=_tick_rates,
    ),
    "checkpoint": Curve(
        title="Checkpoint interval",
        varied="ms between checkpoints of a match",
        points=_checkpoints,
        shown=("us_per_cycle", "beside"),
    ),
    "recording": Curve(
        title="Recording for replays",
        varied="",
        points=_recordings,
        shown=("us_per_cycle", "beside"),
    ),
    "format": Curve(title="Format of the messages", varied="", points=_formats),
    "tls": Curve(
        title="Encryption on the socket",
        varied="",
        points=_encryption,
        shown=("us_per_cycle", "connect_cpu_ms", "rss_kib"),
        note="TLS 1.3 with AES-256-GCM, a key on P-256, no session resumed.",
    ),
    "connects": Curve(
        title="Connecting as fast as it goes, each with a token of their own",
        varied="",
        points=_connects,
        shown=("connects_per_s", "connect_cpu_ms", "rss_kib"),
        note="A session is verified and welcomed; with a seat it plays as well, so that the CPU "
        "of those who are already playing is part of the figure.",
    ),
    "processes": Curve(
        title="Processes over the same stores",
        varied="processes",
        points=_processes,
        shown=("us_per_cycle", "lateness_p99"),
        note=_SHARING,
    ),
    "slow_readers": Curve(
        title="Players who read nothing any more, among 1,000",
        varied="slow readers",
        points=_slow_readers,
        shown=("lateness_p99", "latency_p99"),
        note="Lateness and latency are the others'. The server has 16 KiB of buffer per socket "
        "here instead of 64, so that the buffers are full when measuring begins.",
    ),
}
