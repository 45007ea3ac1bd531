"""What a development node has on top of its settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gameserver.adapters.network_sim import Conditions


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """``reload_log``: the file in which hot reload says what it did; ``None``: no hot reload.
    ``end_unfit``: matches that cannot go on by new rules end, instead of going on by the old ones.
    ``conditions``: of sessions that ask for none of their own in the URL."""

    reload_log: Path | None = None
    end_unfit: bool = False
    conditions: Conditions = field(default_factory=Conditions)

    def arguments(self) -> list[str]:
        """The command line that ``node.parse`` makes these of."""
        words = []
        if self.reload_log is not None:
            words += ["--reload", str(self.reload_log)]
        if self.end_unfit:
            words.append("--end-unfit")
        for name in Conditions.__struct_fields__:
            words += [f"--{name.replace('_', '-')}", str(getattr(self.conditions, name))]
        return words
