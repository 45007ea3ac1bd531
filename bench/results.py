"""What a run leaves behind: ``latest.json``, from which tables and plots are made."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bench.sample import Sample

SHARE = 0.8
"""Of the clients that a server held: where its latency is measured."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A server of the comparison."""

    key: str
    label: str
    note: str


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One repetition at one number of players."""

    repetition: int
    sample: Sample


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The most players that a server held in one search; ``at_least`` where it was not the server
    that gave way first. ``why`` says what ended the search."""

    repetition: int
    subject: str
    players: int
    at_least: bool
    why: str


class AtShare(msgspec.Struct, frozen=True, kw_only=True):
    """A server at a share of the clients that it held; ``clients_max`` is what it held."""

    clients_max: int
    sample: Sample


class Scaled(msgspec.Struct, frozen=True, kw_only=True):
    """One point of a curve of this server; ``setting`` is what was varied. A repetition has a
    sample of each process."""

    suite: str
    series: str = ""  # the line of the curve, where it has several
    setting: str
    samples: tuple[Sample, ...]


class Results(msgspec.Struct, kw_only=True):
    """Written after every measurement, so that an interrupted run is not lost."""

    machine: dict[str, str] = {}
    versions: dict[str, str] = {}
    method: dict[str, str] = {}
    entries: list[Entry] = []
    left_out: dict[str, str] = {}
    compared: list[Compared] = []
    failures: list[str] = []
    steps: list[Compared] = []
    held: list[Held] = []
    at_share: list[AtShare] = []
    scaling_machine: dict[str, str] = {}
    scaled: list[Scaled] = []
    not_scaled: dict[str, str] = {}
    titles: dict[str, str] = {}


def load(path: Path) -> Results:
    """The results in a file; empty ones if there is none."""
    if not path.exists():
        return Results()
    return msgspec.json.decode(path.read_bytes(), type=Results)


def save(results: Results, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
