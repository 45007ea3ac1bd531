"""What a checker is there to catch: histories of code with one defect in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.sim.checkers import Checker, Violated
from tests.sim.world import World, simulate


def caught(
    make_checker: Callable[[], Checker] | None,
    expected: str,
    *,
    seeds: int = 12,
    beside: type[Exception] = Violated,
    **world: Any,
) -> None:
    """One of a few seeds must show the defect to this one checker (``None``: to the judgement at
    the end, or to the sink), and the message must say how to play it again. ``beside``:
    what else may come of the defect. ``world``: see ``World``."""

    def make(seed: int) -> World:
        watched_by = () if make_checker is None else (make_checker(),)
        return World(seed, watched_by=watched_by, **world)

    for seed in range(seeds):
        try:
            simulate(seed, make)
        except Violated as violated:
            if not re.search(expected, str(violated)):
                continue  # Another consequence of the same defect was met first.
            assert f"replay: python -m tests.sim --seed {seed}" in str(violated)
            return
        except beside:
            continue
    pytest.fail(f"no seed of {seeds} noticed: {expected}")
