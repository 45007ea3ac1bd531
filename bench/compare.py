"""The comparison: cost per cycle side by side, and how many clients a core holds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.machine import Place, on_cores
from bench.programs import Failed
from bench.results import SHARE, AtShare, Compared, Held, Results
from bench.sample import Load, Sample, measure
from bench.subjects import FLOORS, Subject

STEP_CLIENTS = 200
STRIDE_CLIENTS = 2 * STEP_CLIENTS
CLIENTS_MAX = 8_000
_STEPS_MAX = 12
_FIRST_SHARE = 0.6
"""Of what the cost per cycle lets expect: where a search begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``sizes``: clients at which costs are compared; ``searches`` for the most clients."""

    sizes: tuple[int, ...] = (800, 1_600)
    repetitions: int = 3
    searches: int = 2
    warmup_s: float = 4.0
    seconds: float = 6.0

    def load(self, players: int) -> Load:
        return Load(players=players, warmup_s=self.warmup_s, seconds=self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What every measurement needs. ``keep`` is called after each of them."""

    generator: Path
    place: Place
    results: Results
    mint: Callable[..., None]
    keep: Callable[[], None]
    check: Callable[[], None]
    """Raises ``Changed`` if the server is no longer the one that the run began with."""

    def sample(self, subject: Subject, load: Load) -> Sample:
        """One measurement of a fresh server. Raises ``Failed``; the failure is kept too."""
        self.mint(load.players)
        try:
            with subject.run() as server, on_cores(frozenset({self.place.generator})):
                sample = measure(
                    self.generator, load, server, subject=subject.key, dialect=subject.dialect
                )
        except Failed as error:
            print(f"  {subject.label}, {load.players} clients: {error}", flush=True)
            self.results.failures.append(f"{subject.label}, {load.players} clients: {error}")
            raise
        self.check()
        say(subject.label, sample)
        return sample


def say(label: str, sample: Sample) -> None:
    """A line for whoever waits."""
    trouble = "; ".join(sample.faults)
    if sample.generator_is_bottleneck:
        trouble = "; ".join(filter(None, [trouble, "the generator was the bottleneck"]))
    print(
        f"  {label:40} {sample.players:5} clients  {sample.us_per_cycle:6.1f} µs/cycle  "
        f"lateness p99 {sample.lateness_ms.p99:7.1f} ms  {trouble}",
        flush=True,
    )


def compare(bench: Bench, subjects: Sequence[Subject], plan: Plan) -> None:
    """All servers at all sizes, one after the other, and that again: so that what the machine does
    meanwhile meets all of them."""
    for repetition in range(1, plan.repetitions + 1):
        for size in plan.sizes:
            print(f"Repetition {repetition} of {plan.repetitions}: {size} clients", flush=True)
            for subject in subjects:
                with suppress(Failed):  # which is kept and reported
                    sample = bench.sample(subject, plan.load(size))
                    bench.results.compared.append(Compared(repetition=repetition, sample=sample))
                bench.keep()


def search_limits(bench: Bench, subjects: Sequence[Subject], plan: Plan) -> None:
    """For each server the most clients at which lateness p99 stays within its bound, and its
    latency at ``SHARE`` of them. The floors are no servers that anybody could choose."""
    for repetition in range(1, plan.searches + 1):
        print(f"Search {repetition} of {plan.searches}: the most clients", flush=True)
        for subject in subjects:
            if subject.key in FLOORS:
                continue
            begin = first_step(subject.key, bench.results.compared)
            held = _search(bench, subject, plan, repetition, begin)
            bench.results.held.append(held)
            with suppress(Failed):
                if held.players:
                    sample = bench.sample(subject, plan.load(int(SHARE * held.players)))
                    bench.results.at_share.append(AtShare(clients_max=held.players, sample=sample))
            bench.keep()


def first_step(key: str, compared: Sequence[Compared]) -> int:
    """Where to begin: a share of what the cost at the largest size measured allows."""
    own = [one.sample for one in compared if one.sample.subject == key]
    largest = max((sample.players for sample in own), default=0)
    costs = [sample.us_per_cycle for sample in own if sample.players == largest]
    expected = 1e6 / 20 / max(5.0, statistics.median(costs)) if costs else 1_000
    steps = int(expected * _FIRST_SHARE) // STEP_CLIENTS
    return min(CLIENTS_MAX, max(1, steps) * STEP_CLIENTS)


def _search(bench: Bench, subject: Subject, plan: Plan, repetition: int, begin: int) -> Held:
    """Up in strides while it passes, then the step between; where already the first does not pass,
    down, also where the generator was why: with fewer clients it may keep up. One failure counts:
    what is held is held in every run."""
    held, at_least, why = 0, False, "the search ended after its last step"
    failed = CLIENTS_MAX + STEP_CLIENTS
    clients = begin
    for _ in range(_STEPS_MAX):
        try:
            sample = bench.sample(subject, plan.load(clients))
        except Failed as error:
            failed, why = clients, str(error)
        else:
            bench.results.steps.append(Compared(repetition=repetition, sample=sample))
            bench.keep()
            if sample.passes:
                held = max(held, clients)
            elif sample.generator_is_bottleneck:
                failed, why, at_least = clients, "the generator gave way first", True
                if held:
                    break
            else:
                failed, why, at_least = clients, "; ".join(sample.faults), False
        if failed - held <= STEP_CLIENTS:
            at_least = held > 0 and (at_least or held == CLIENTS_MAX)
            break
        clients = _next_step(held, failed)
    else:
        at_least = held > 0
    return Held(
        repetition=repetition, subject=subject.key, players=held, at_least=at_least, why=why
    )


def _next_step(held: int, failed: int) -> int:
    """In strides up to the first failure or down to the first success, then in steps up."""
    if failed > CLIENTS_MAX:
        return min(held + STRIDE_CLIENTS, CLIENTS_MAX)
    if not held:
        return max(STEP_CLIENTS, failed - STRIDE_CLIENTS)
    return held + STEP_CLIENTS
