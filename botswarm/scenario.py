"""Scenario files: a run in TOML, with what happens in the middle of it.

about    one or two sentences
expect   kinds of errors that belong to it, as patterns: they are reported and not judged
[run]    options of the command line without their dashes; those given there come first
[limits] likewise
[[steps]]  see ``botswarm.happening``
"""

from __future__ import annotations

import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from botswarm.happening import Deploy, Happening, ReadSlowly, Seconds, name_of
from botswarm.reading import Reading
from botswarm.settings import BOTS_MAX, RATE_MAX
from gameserver.errors import ConfigError

SHIPPED = Path(__file__).parent / "scenarios"
STEPS_MAX = 100
BYTES_MAX = 65_536

_Many = Annotated[int, Meta(ge=0, le=10**12)]


class Run(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``None``: as the command line has it by default. Times are in seconds."""

    bots: Annotated[int, Meta(ge=1, le=BOTS_MAX)] | None = None
    game: str | None = None
    mode: str | None = None
    match: str | None = None
    brain: Literal["full", "scripted"] | None = None
    reading: Reading | None = None
    rate: Annotated[float, Meta(ge=0.01, le=RATE_MAX)] | None = None
    format: Literal["msgpack", "json"] | None = None
    rejoin: bool | None = None
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    ramp: Seconds | None = None
    duration: Annotated[float, Meta(ge=0.1, le=86_400)]
    finish: Seconds | None = None
    processes: Annotated[int, Meta(ge=1, le=256)] | None = None


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``botswarm.report.Limits``, of which those left out are the command line's defaults."""

    max_error_rate: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_protocol_errors: _Many | None = None
    max_stalls: _Many | None = None
    max_p99_ms: Annotated[float, Meta(ge=0, le=3_600_000)] | None = None
    min_snapshots: _Many | None = None
    min_matches_ended: _Many | None = None


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file. ``name`` is the file's, without its ending."""

    about: Annotated[str, Meta(min_length=1, max_length=500)]
    run: Run
    limits: Thresholds = Thresholds()
    expect: Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=50)]
    steps: Annotated[list[Happening], Meta(max_length=STEPS_MAX)] = []
    name: str = ""

    def options(self) -> dict[str, Any]:
        """What it gives to the command line: option by option."""
        given = {**msgspec.structs.asdict(self.run), **msgspec.structs.asdict(self.limits)}
        return {name: value for name, value in given.items() if value is not None}


def load(name: str) -> Scenario:
    """A file by its path, or one of ``shipped`` by its name. Raises ``ConfigError`` that says
    where it is wrong."""
    path = Path(name) if name.endswith(".toml") else SHIPPED / f"{name}.toml"
    if not name.endswith(".toml") and name not in shipped():
        raise ConfigError(
            f"--scenario {name!r}: not one of {', '.join(shipped())}; or give a file, *.toml"
        )
    try:
        with path.open("rb") as file:
            text = file.read(BYTES_MAX + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--scenario {name}: cannot be read ({error})") from error
    if len(text) > BYTES_MAX:
        raise ConfigError(f"--scenario {name}: longer than {BYTES_MAX} bytes")
    try:
        return parse(text, name=path.stem)
    except ValueError as error:
        raise ConfigError(f"--scenario {name}: {error}") from error


def shipped() -> list[str]:
    """The names of those that come with the swarm."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def parse(text: str, *, name: str) -> Scenario:
    """Raises ``ValueError`` with the place: a line, or ``steps[0].share``."""
    found = tomllib.loads(text)
    if "name" in found:
        raise ValueError("name: is the file's own; leave it out")
    try:
        scenario = msgspec.convert({"expect": [], **found, "name": name}, Scenario)
    except msgspec.ValidationError as error:
        what, _, where = str(error).rpartition(" - at `$")
        place = where.rstrip("`").removeprefix(".")
        raise ValueError(f"{place}: {what}" if what and place else str(error)) from error
    return scenario


def check_steps(steps: list[Happening], *, duration_s: float, url: str) -> None:
    """Raises ``ConfigError`` if a step cannot be done in such a run."""
    for index, step in enumerate(steps):
        what = f"steps[{index}] ({name_of(step)})"
        if step.ends_s > duration_s:
            raise ConfigError(
                f"{what}: lasts until {step.ends_s:g} s, the load until {duration_s:g} s; "
                "let it begin earlier, or give a longer duration"
            )
        if isinstance(step, ReadSlowly) and not url.startswith("ws://"):
            raise ConfigError(f"{what}: only for a ws:// URL; with TLS the transport reads")
    deploys = [step for step in steps if isinstance(step, Deploy)]
    for before, after in pairwise(deploys):
        if after.at_s < before.ends_s:
            raise ConfigError("steps: one deploy must end before the next begins")
