"""The command line of an emulation of AWS: its service writes it, its process reads it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
REGION = "eu-central-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulationOptions:
    """Where it listens, and the folder of what outlives it."""

    port: int
    data: Path
    region: str = REGION
    host: str = HOST

    def arguments(self) -> list[str]:
        """The command line that ``parse`` makes these of."""
        options = {"--port": str(self.port), "--data": str(self.data), "--region": self.region}
        return [word for pair in options.items() for word in pair]


def parse(description: str) -> EmulationOptions:
    """The options of this process; the folder is there then."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--region", default=REGION)
    options = EmulationOptions(**vars(parser.parse_args()))
    options.data.mkdir(parents=True, exist_ok=True)
    return options
