"""Test vectors of what a client works out: time, inputs, prediction, interpolation. Written by
``python -m tests.wire.vectors``.

    clock.json       [{name, pings: [{sent_ms, server_ms, received_ms, rtt_ms, offset_ms}, …]}, …]
    inputs.json      [{name, steps: [{do, …, waiting, seq, again?}, …]}, …]
    prediction.json  [{name, snap, steps: [{do, …, state}, …]}, …]    by the rules of `walked`
    timeline.json    [{name, steps: [{push | at, …}, …]}, …]
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from gameclient.clock import ServerClock
from gameclient.inputs import InputBuffer
from gameclient.prediction import Predictor, State
from gameclient.timeline import Timeline

Vectors = Iterator[dict[str, Any]]

OFFSET_MS = 1_760_000_000_000


def clocks() -> Vectors:
    """The vectors of ``clock.json``."""
    chance = random.Random(1)
    jittery = [(chance.uniform(20, 80), chance.uniform(20, 80)) for _ in range(20)]
    ways: dict[str, list[tuple[float, float]]] = {
        "even": [(40, 40)] * 3,
        "one way is slower": [(10, 90), (20, 20), (90, 10)],
        "jitter": jittery,
        "the quickest falls out of the window": [(1, 1), *[(50, 30)] * 9],
    }
    for name, delays in ways.items():
        clock = ServerClock()
        pings = []
        for index, (there, back) in enumerate(delays):
            sent = 1000.0 + 2000 * index
            server = OFFSET_MS + round(sent + there)
            received = sent + there + back
            clock.sample(sent, server, received)
            pings.append(
                {
                    "sent_ms": sent,
                    "server_ms": server,
                    "received_ms": received,
                    "rtt_ms": clock.rtt_ms,
                    "offset_ms": clock.offset_ms,
                }
            )
        yield {"name": name, "pings": pings}


_BUFFERS: dict[str, list[dict[str, Any]]] = {
    "sent and acknowledged": [
        {"do": "begin", "given": 0},
        *[{"do": "push", "at_ms": 50 * i} for i in range(4)],
        {"do": "acknowledge", "given": 3},
    ],
    "what was lost is sent again": [
        {"do": "begin", "given": 41},
        *[{"do": "push", "at_ms": 50 * i} for i in range(6)],
        {"do": "resume", "given": 44, "since_ms": 0, "count_max": 8},
    ],
    "what is too old or too much is not": [
        {"do": "begin", "given": 0},
        *[{"do": "push", "at_ms": 1000 * i} for i in range(6)],
        {"do": "resume", "given": 0, "since_ms": 2000, "count_max": 3},
        {"do": "push", "at_ms": 7000},
    ],
    "a refused one is forgotten": [
        {"do": "begin", "given": 0},
        *[{"do": "push", "at_ms": 50 * i} for i in range(3)],
        {"do": "refuse", "given": 2},
        {"do": "resume", "given": 0, "since_ms": 0, "count_max": 8},
    ],
    "the server knows of more than we do": [
        {"do": "begin", "given": 5},
        {"do": "push", "at_ms": 0},
        {"do": "resume", "given": 9, "since_ms": 0, "count_max": 8},
        {"do": "push", "at_ms": 0},
    ],
}


def inputs() -> Vectors:
    """The vectors of ``inputs.json``. An input's data is its number; times are in ms here."""
    for name, steps in _BUFFERS.items():
        buffer = InputBuffer()
        found = []
        for step in steps:
            again = None
            match step["do"]:
                case "push":
                    buffer.push(buffer.seq + 1, step["at_ms"])
                case "resume":
                    given, since = step["given"], step["since_ms"]
                    kept = buffer.resume(given, since_s=since, count_max=step["count_max"])
                    again = [each.seq for each in kept]
                case do:
                    getattr(buffer, do)(step["given"])
            found.append(
                {**step, "waiting": len(buffer), "seq": buffer.seq}
                | ({} if again is None else {"again": again})
            )
        yield {"name": name, "steps": found}


def walked(state: State, given: dict[str, int]) -> State:
    """The rules of ``prediction.json``: 44 a step along an axis, 31 along each of two, stopped by
    walls at x = 0 and x = 1000."""
    speed = 31 if given["dx"] and given["dy"] else 44
    x = min(1000, max(0, state["x"] + given["dx"] * speed))
    return {**state, "x": x, "y": state["y"] + given["dy"] * speed}


_RIGHT, _DOWN, _REST = {"dx": 1, "dy": 0}, {"dx": 0, "dy": 1}, {"dx": 0, "dy": 0}


def _apply(seq: int, given: dict[str, int]) -> dict[str, Any]:
    return {"do": "apply", "seq": seq, "input": given}


def _confirm(x: float, y: float, ack: int, ahead: int = 0) -> dict[str, Any]:
    return {"do": "confirm", "truth": {"x": x, "y": y}, "ack": ack, "ahead": ahead}


def _draw(share: float, elapsed_ms: float) -> dict[str, Any]:
    return {"do": "drawn", "share": share, "elapsed_ms": elapsed_ms}


_PREDICTIONS: dict[str, tuple[float, list[dict[str, Any]]]] = {
    "nothing is known before the first frame": (400, [_apply(1, _RIGHT), _draw(0.5, 16)]),
    "confirmed as predicted": (
        400,
        [
            _confirm(100, 100, 0),
            _apply(1, _RIGHT),
            _apply(2, _RIGHT),
            _draw(0.25, 16),
            _confirm(144, 100, 1),
            _draw(0.75, 16),
            _confirm(188, 100, 2),
            _draw(1, 16),
        ],
    ),
    "steps ahead of a late input are no surprise": (
        400,
        [
            _confirm(100, 100, 0),
            _apply(1, _RIGHT),
            _apply(2, _DOWN),
            _apply(3, _DOWN),
            _confirm(144, 100, 1),
            _confirm(188, 100, 1, 1),
            _confirm(232, 100, 1, 2),
            _confirm(144, 188, 3),
        ],
    ),
    "a wall is walked along alike": (
        400,
        [
            _confirm(980, 100, 0),
            _apply(1, _RIGHT),
            _apply(2, {"dx": 1, "dy": 1}),
            _confirm(1000, 100, 1),
            _confirm(1000, 131, 2),
        ],
    ),
    "a surprise fades": (
        400,
        [
            _confirm(100, 100, 0),
            _apply(1, _RIGHT),
            _confirm(100, 120, 1),
            *[_draw(1, 16)] * 4,
            _apply(2, _REST),
            _draw(0.5, 200),
        ],
    ),
    "a large one is taken at once": (
        50,
        [_confirm(100, 100, 0), _apply(1, _RIGHT), _confirm(900, 500, 1), _draw(0.5, 16)],
    ),
    "inputs made while at rest count afterwards": (
        400,
        [
            _confirm(100, 100, 0),
            _apply(1, _RIGHT),
            {"do": "rest"},
            _apply(2, _RIGHT),
            _apply(3, _RIGHT),
            _confirm(500, 500, 2),
            _confirm(544, 500, 3),
        ],
    ),
}


def predictions() -> Vectors:
    """The vectors of ``prediction.json``."""
    for name, (snap, steps) in _PREDICTIONS.items():
        predictor = Predictor(walked, snap=snap)
        found = []
        for step in steps:
            more: dict[str, Any] = {}
            match step["do"]:
                case "apply":
                    predictor.apply(step["seq"], step["input"])
                case "confirm":
                    ahead = step["ahead"]
                    more["off"] = predictor.confirm(step["truth"], step["ack"], ahead=ahead)
                case "drawn":
                    more["drawn"] = predictor.drawn(step["share"], step["elapsed_ms"])
                case "rest":
                    predictor.rest()
            found.append({**step, **more, "state": predictor.state})
        yield {"name": name, "snap": snap, "steps": found}


class _Frame(NamedTuple):
    epoch: int
    tick: int
    server_ms: int


def timelines() -> Vectors:
    """The vectors of ``timeline.json``."""
    chance = random.Random(2)
    ways = {
        "even": [40.0] * 12,
        "jitter": [chance.uniform(20, 100) for _ in range(60)],
        "a stall": [30.0] * 10 + [330.0, 280.0, 230.0, 180.0, 130.0, 80.0] + [30.0] * 10,
        "a pause": [30.0] * 6,
    }
    for name, delays in ways.items():
        timeline: Timeline[_Frame] = Timeline()
        steps: list[dict[str, Any]] = []
        arrived = -math.inf
        for index, delay in enumerate(delays):
            at_ms = 50 * index + (2000 if name == "a pause" and index > 2 else 0)
            frame = _Frame(7 if name != "even" or index < 8 else 8, index, OFFSET_MS + at_ms)
            arrived = max(arrived, 1000 + at_ms + delay)
            timeline.push(frame, arrived)
            steps.append(
                {"push": frame._asdict(), "now_ms": arrived, "delay_ms": timeline.delay_ms}
            )
            for later in (0, 17):
                moment = timeline.at(arrived + later)
                assert moment is not None
                steps.append(
                    {
                        "at": arrived + later,
                        "from": moment.before.tick,
                        "to": moment.after.tick,
                        "share": moment.share,
                        "tick": moment.tick,
                    }
                )
        yield {"name": name, "steps": steps}


FILES = {
    "clock.json": clocks,
    "inputs.json": inputs,
    "prediction.json": predictions,
    "timeline.json": timelines,
}
