"""A generator that is the bottleneck says so, and its run does not count."""

from __future__ import annotations

import asyncio
import io
import sys

import msgspec
import pytest
from rich.console import Console

from botswarm.processes import Overview
from botswarm.progress import Display
from botswarm.report import Report
from botswarm.saturation import Load, load_of, reasons
from botswarm.stats import Stats
from botswarm.wheel import Timer, Wheel

AT_EASE = Load(cpu=0.6, lag_p99_ms=1.0, late_p99_ms=2.0, missed=0.0)


def worse(**figures: float) -> Load:
    return msgspec.structs.replace(AT_EASE, **figures)


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (worse(cpu=0.93), ["a process used 93% of a core"]),
        (worse(late_p99_ms=37.0), ["it sent 37 ms late (p99)"]),
        (worse(missed=0.07), ["it left out 7% of its inputs"]),
        (worse(lag_p99_ms=38.0), ["its event loop woke up 38 ms late (p99)"]),
        (worse(cpu=0.89, late_p99_ms=10.0, missed=0.01, lag_p99_ms=10.0), []),
    ],
)
def test_one_process_of_many_is_enough(load, words):
    assert reasons([AT_EASE] * 9 + [load]) == words


def test_nothing_known_is_nothing_said():
    assert reasons([]) == []
    assert reasons([load_of(Stats(), cpu=0.0)]) == []


def test_what_a_process_counted_is_its_load():
    stats = Stats(inputs_missed=10)
    stats.late.record(1_000, 85)
    stats.late.record(50_000, 5)
    load = load_of(stats, cpu=0.5)
    assert load.missed == pytest.approx(0.1)
    assert 50 <= load.late_p99_ms <= 52
    assert (load.cpu, load.lag_p99_ms) == (0.5, 0.0)


def test_a_wheel_tells_what_it_served_and_when_that_was_due():
    served: list[tuple[float, int]] = []
    wheel = Wheel(now=0.0, resolution_s=0.25, served=lambda due, fired: served.append((due, fired)))
    timers = [Timer(lambda now: None) for _ in range(4)]
    for timer, due in zip(timers, (0.1, 0.1, 0.1, 0.6), strict=True):
        wheel.set(timer, due)
    timers[2].cancel()
    wheel.advance(5.0)
    assert served == [(0.25, 2), (0.75, 1)]


@pytest.mark.parametrize(("late_us", "words"), [(500, "keeps up"), (80_000, "SATURATED: it sent")])
def test_the_live_view_says_it(late_us, words):
    text = io.StringIO()
    stats = Stats()
    with Display(Console(file=text, width=400), bots=1, quiet=False) as display:
        display(Overview(phase="steady", at_s=0.0, cpu_s=[0.0], stats=stats))
        stats.late.record(late_us, 100)
        display(Overview(phase="steady", at_s=6.0, cpu_s=[0.6], stats=stats))
    first, last = text.getvalue().splitlines()
    assert "generator keeps up" in first
    assert words in last


SLOW_BOTS = """
import sys, time
from botswarm.__main__ import main
from botswarm.brain import FullBrain
decide = FullBrain.payload
def slowly(*arguments):
    time.sleep(0.025)
    return decide(*arguments)
FullBrain.payload = slowly
sys.exit(main())
"""
"""Each decision of a bot takes longer than the period of its inputs, which is 20 ms."""


@pytest.mark.parametrize(("allow", "code"), [(False, 3), (True, 0)])
async def test_a_run_of_a_saturated_generator_is_invalid(server, tmp_path, allow, code):
    tokens, file = tmp_path / "tokens", tmp_path / "report.json"
    tokens.write_text("".join(f"token-p{number}\n" for number in range(4)))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", SLOW_BOTS, "--url", server.url, "--tokens", tokens,
        "--game", "echo", "--bots", "4", "--ramp", "0.1", "--duration", "2", "--report", file,
        "--allow-saturation" if allow else "--no-allow-saturation",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = (text.decode() for text in await process.communicate())
    assert process.returncode == code, out + err
    report = msgspec.json.decode(file.read_bytes(), type=Report)
    assert report.saturated and (report.valid, report.passed) == (allow, allow)
    assert all(verdict.kept for verdict in report.limits), out
    assert report.counts.inputs_missed > report.counts.inputs
    assert "left out" in report.bottleneck
    assert "the generator was the bottleneck" in out
    assert out.split()[-1] == ("passed" if allow else "invalid")
