"""How this server's cost moves with what a deployment decides: one curve each."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import trustme

from bench import toolbox
from bench.compare import Bench, Plan, say
from bench.curves import CURVES, Curve, Point
from bench.machine import on_cores
from bench.own_server import OwnServer
from bench.programs import Failed, Running
from bench.results import Scaled
from bench.sample import Load, Sample, measure
from bench.subjects import OWN

_LONGER = 1.1
"""What a repetition may take more than the one before it."""


def scale(
    bench: Bench, own: OwnServer, plan: Plan, curves: Sequence[str], *, limit_s: float
) -> None:
    """Measure the curves named; earlier results of the same curves are replaced.

    Every point of every curve once, and that again: so that what the machine does meanwhile meets
    all points alike. A repetition begins only if it is likely to end within ``limit_s`` of the
    start; the first one always does."""
    results = bench.results
    results.scaled = [one for one in results.scaled if one.suite not in curves]
    samples: dict[tuple[str, str, str], list[Sample]] = {}
    chosen: list[tuple[str, Point]] = []
    for name in curves:
        curve = CURVES[name]
        results.titles[name] = curve.title
        results.not_scaled.pop(name, None)
        for point in _possible(bench, name, curve):
            chosen.append((name, point))
            samples[name, point.series, point.setting] = []
    began = time.monotonic()
    for repetition in range(1, plan.repetitions + 1):
        begun = time.monotonic()
        for name, point in chosen:
            print(f"Repetition {repetition}: {CURVES[name].title}: {point.setting}", flush=True)
            try:
                found = _measure(bench, own, plan, point)
            except Failed as error:
                print(f"  {point.setting}: {error}", flush=True)
                results.not_scaled[name] = f"{point.setting}: {error}"
            else:
                samples[name, point.series, point.setting] += found
        results.scaled = [one for one in results.scaled if one.suite not in curves]
        results.scaled += [
            Scaled(suite=name, series=series, setting=setting, samples=tuple(found))
            for (name, series, setting), found in samples.items()
            if found
        ]
        results.scaling_machine["repetitions"] = f"{repetition}: median (least–most)"
        bench.keep()
        now = time.monotonic()
        if repetition < plan.repetitions and now - began + _LONGER * (now - begun) > limit_s:
            print(f"No time for more than {repetition} repetition(s)", flush=True)
            return


def _possible(bench: Bench, name: str, curve: Curve) -> list[Point]:
    """The curve's points that this machine can measure; the others are named in the results."""
    found = []
    for point in curve.points(bench.place):
        try:
            if point.tls:
                _tls_generator()
        except toolbox.Missing as error:
            why = f"the load generator could not be built with OpenSSL: {error}"
            bench.results.not_scaled[name] = f"{point.setting}: {why}"
        else:
            found.append(point)
    return found


def _tls_generator() -> Path:
    return toolbox.compile_c(
        "loadgen", "-DWITH_TLS", "-lssl", "-lcrypto", into=toolbox.BUILD / "tls"
    )


def _measure(bench: Bench, own: OwnServer, plan: Plan, point: Point) -> list[Sample]:
    """One sample of each process."""
    bench.mint(point.players, processes=point.processes)
    overrides = {**point.overrides, **(_certificate() if point.tls else {})}
    generator = _tls_generator() if point.tls else bench.generator
    load = Load(
        players=point.players,
        slow=point.slow,
        join=point.join,
        warmup_s=plan.warmup_s if point.warmup_s is None else point.warmup_s,
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
