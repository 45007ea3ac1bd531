"""Write docs/configuration.md from the settings: `python -m docs.generate_configuration`."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from gameserver.config import PREFIX, Config

PAGE = Path(__file__).parent / "configuration.md"

HEAD = """# Configuration of the server

Every setting is an environment variable, read once at the start. Unknown `GAMESERVER_*` variables
and values out of bounds stop the start with a sentence that names them. Lists are separated by
commas. `python -m gameserver config` prints what is in force, without secrets.

Units stand in the names: `_MS` milliseconds, `_S` seconds, `_BYTES`, `_PER_S` a second. `_MAX` is a
limit; what happens at it stands beside it.
"""

_FIELD = re.compile(r"^    (?P<name>[a-z_0-9]+): .+ = (?P<default>.+?)(?:  # (?P<note>.+))?$")
_SECTION = re.compile(r"^    # (?P<title>.+)$")


def render() -> str:
    """The page."""
    lines = [HEAD]
    for line in inspect.getsource(Config).splitlines():
        if section := _SECTION.match(line):
            title = section["title"].rstrip(".")
            lines.append(
                f"\n## {title}\n\n| variable | default | at the limit, or note |\n|---|---|---|"
            )
        elif field := _FIELD.match(line):
            value = getattr(Config(), field["name"])
            shown = ", ".join(value) if isinstance(value, tuple) else str(value)
            note = (field["note"] or "").replace("|", "\\|")
            lines.append(
                f"| `{PREFIX}{field['name'].upper()}` | {f'`{shown}`' if shown else '–'} | {note} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(render())
    print(f"wrote {PAGE.name}")
