"""How this server's cost moves with what a deployment decides: one curve a suite."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import trustme

from bench import toolbox
from bench.compare import Bench, Plan, say
from bench.games import RATES_HZ, ROOM_SIZES, SNAPSHOT_BYTES
from bench.machine import Place, on_cores
from bench.own_server import OwnServer
from bench.programs import Failed, Running
from bench.results import Scaled
from bench.sample import Load, Sample, measure
from bench.subjects import OWN

_CLIENTS = (100, 200, 400, 800, 1_600, 2_400)
_CHECKPOINT_MS = (250, 500, 1_000, 2_000, 5_000)
_PLAYERS = 800
_PLAYERS_IN_ROOMS = 400
"""Rooms of 2 step four times as often as rooms of 8: 800 players could fill the core."""
_PLAYERS_HEAVY = 200
"""Where a cycle is so dear, or so often, that 800 players could fill the core."""
_AS_FAST_AS_IT_GOES = 1_000_000
_PROCESSES = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of a curve. ``overrides`` are settings of the server."""

    setting: str
    players: int = _PLAYERS
    hz: int = 20
    overrides: Mapping[str, str] = field(default_factory=dict)
    game: str = "arena"
    mode: str = "bench"
    dialect: str = "gs"
    connects_per_s: int = 1_000
    processes: int = 1
    tls: bool = False


def _bench_game(kind: str) -> dict[str, str]:
    return {"GAMESERVER_GAMES": f"bench.games:{kind}"}


def _clients() -> list[Point]:
    return [Point(setting=str(players), players=players) for players in _CLIENTS]


def _room_sizes() -> list[Point]:
    rooms = Point(
        setting="",
        players=_PLAYERS_IN_ROOMS,
        overrides=_bench_game("Rooms"),
        game="bench_rooms",
    )
    return [replace(rooms, setting=str(size), mode=f"room{size}") for size in ROOM_SIZES]


def _snapshot_bytes() -> list[Point]:
    sized = Point(setting="", overrides=_bench_game("Sized"), game="bench_sized")
    return [replace(sized, setting=str(size), mode=f"bytes{size}") for size in SNAPSHOT_BYTES]


def _tick_rates() -> list[Point]:
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


def _checkpoints() -> list[Point]:
    name = "GAMESERVER_CHECKPOINT_INTERVAL_MS"
    return [Point(setting=str(ms), overrides={name: str(ms)}) for ms in _CHECKPOINT_MS]


def _formats() -> list[Point]:
    plain = Point(setting="msgpack", players=_PLAYERS_HEAVY)
    return [plain, replace(plain, setting="json", dialect="gs-json")]


def _encryption() -> list[Point]:
    plain = Point(setting="ws", players=_PLAYERS_HEAVY)
    return [plain, replace(plain, setting="wss", tls=True)]


def _connects() -> list[Point]:
    return [Point(setting="ws, a valid token each", connects_per_s=_AS_FAST_AS_IT_GOES)]


def _processes() -> list[Point]:
    return [Point(setting=str(count), processes=count) for count in _PROCESSES]


SUITES = {
    "clients": ("Clients, in rooms of 8", _clients),
    "room_size": ("Players per room", _room_sizes),
    "snapshot_bytes": ("Bytes of a snapshot, all of them new every tick", _snapshot_bytes),
    "tick_rate": ("Ticks per second, and inputs of each player", _tick_rates),
    "checkpoint": ("Checkpoint interval in ms", _checkpoints),
    "format": ("Format of the messages", _formats),
    "tls": ("Encryption on the socket", _encryption),
    "connects": ("Connecting as fast as it goes", _connects),
    "processes": ("Processes, each with a core and 800 players", _processes),
}


def scale(bench: Bench, own: OwnServer, plan: Plan, suites: Sequence[str]) -> None:
    """Measure the suites named; earlier results of the same suites are replaced."""
    results = bench.results
    results.scaled = [one for one in results.scaled if one.suite not in suites]
    for suite in suites:
        title, points = SUITES[suite]
        print(title, flush=True)
        results.not_scaled.pop(suite, None)
        results.titles[suite] = title
        possible: list[Point] = []
        for point in points():
            if reason := _impossible(bench.place, point):
                results.not_scaled[suite] = f"{point.setting}: {reason}"
            else:
                possible.append(point)
        samples = _interleaved(bench, own, plan, suite, possible)
        results.scaled += [
            Scaled(suite=suite, setting=setting, samples=tuple(found))
            for setting, found in samples.items()
            if found
        ]
        bench.keep()


def _interleaved(
    bench: Bench, own: OwnServer, plan: Plan, suite: str, points: Sequence[Point]
) -> dict[str, list[Sample]]:
    """Every point once, and that again: so that what the machine does meets all points alike."""
    samples: dict[str, list[Sample]] = {point.setting: [] for point in points}
    for _ in range(plan.repetitions):
        for point in points:
            try:
                samples[point.setting] += _measure(bench, own, plan, point)
            except Failed as error:
                print(f"  {point.setting}: {error}", flush=True)
                bench.results.not_scaled[suite] = f"{point.setting}: {error}"
    return samples


def _impossible(place: Place, point: Point) -> str:
    """Why a point cannot be measured on this machine; empty if it can."""
    cores = 1 + len(place.spare)
    if point.processes > cores:
        return f"{cores} core(s) left for servers besides the load generator and the services"
    if point.tls:
        try:
            _tls_generator()
        except toolbox.Missing as error:
            return f"the load generator could not be built with OpenSSL: {error}"
    return ""


def _tls_generator() -> Path:
    return toolbox.compile_c(
        "loadgen", "-DWITH_TLS", "-lssl", "-lcrypto", into=toolbox.BUILD / "tls"
    )


def _measure(bench: Bench, own: OwnServer, plan: Plan, point: Point) -> list[Sample]:
    """One sample of each process."""
    bench.mint(point.players)
    overrides = {**point.overrides, **(_certificate() if point.tls else {})}
    generator = _tls_generator() if point.tls else bench.generator
    load = Load(
        players=point.players,
        warmup_s=plan.warmup_s,
        seconds=plan.seconds,
        hz=point.hz,
        connects_per_s=point.connects_per_s,
    )

    def one(server: Running) -> Sample:
        if point.tls:
            server = replace(server, options=(*server.options, "--tls", "1"))
        with on_cores(frozenset({bench.place.generator})):
            return measure(generator, load, server, subject=OWN, dialect=point.dialect)

    running = own.several(point.processes, overrides, game=point.game, mode=point.mode)
    with running as servers, ThreadPoolExecutor(len(servers)) as side_by_side:
        samples = list(side_by_side.map(one, servers))
    bench.check()
    for sample in samples:
        say(point.setting, sample)
    return samples


def _certificate() -> dict[str, str]:
    """Settings with a certificate for this machine, which this process trusts from now on."""
    directory = toolbox.BUILD / "tls"
    key, chain, root = (directory / f"{name}.pem" for name in ("key", "chain", "root"))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(root))
    os.environ["SSL_CERT_FILE"] = str(root)
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(key))
    chain.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    return {"GAMESERVER_TLS_CERT_FILE": str(chain), "GAMESERVER_TLS_KEY_FILE": str(key)}
