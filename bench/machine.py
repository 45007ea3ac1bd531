"""The machine: what it is, and which core does what."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


class Unfit(Exception):
    """No measuring on this machine; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Cores: the server has one of its own; the generator too, if there are three or more."""

    server: int
    generator: int
    services: frozenset[int]
    spare: tuple[int, ...]
    """Cores for further server processes."""


def place() -> Place:
    """Raises ``Unfit`` on one core, or where processes cannot be pinned and read (not Linux)."""
    if not hasattr(os, "sched_getaffinity"):
        raise Unfit("the benchmark pins processes to cores and reads /proc: it needs Linux")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise Unfit("two cores are needed: one for the server, one for the load generator")
    generator, server = cores[0], cores[-1]
    between = cores[1:-1]
    services = frozenset(between[:1] or [generator])
    return Place(server=server, generator=generator, services=services, spare=tuple(between[1:]))


@contextmanager
def on_cores(cores: frozenset[int]) -> Iterator[None]:
    """Programs started meanwhile run on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


_CONGESTION = Path("/proc/sys/net/ipv4/tcp_congestion_control")
USUAL_CONGESTION = "cubic"
"""Linux' own default, and so that of most servers."""


@contextmanager
def congestion(wanted: str = USUAL_CONGESTION) -> Iterator[str]:
    """All sockets opened meanwhile use this control; the machine's own comes back at the end.

    Yields what is in effect, in words. BBR, which some images set, paces every socket by a timer of
    its own, which costs each subject alike and is not what most servers run with. Where it may not
    be changed (no right to, or no such control), it stays and is named."""
    try:
        before = _CONGESTION.read_text().strip()
    except OSError:
        yield "unknown"
        return
    try:
        _CONGESTION.write_text(wanted)
    except OSError as error:
        yield f"{before} ({wanted} cannot be set: {error.strerror})"
        return
    try:
        yield wanted if before == wanted else f"{wanted} for this run (the machine's: {before})"
    finally:
        with suppress(OSError):
            _CONGESTION.write_text(before)


def facts() -> dict[str, str]:
    """For the head of a table of results."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _cpu_model(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
    }


def load_average() -> float:
    """Of the last minute: above the number of cores, somebody else is measuring too."""
    return os.getloadavg()[0]


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()
