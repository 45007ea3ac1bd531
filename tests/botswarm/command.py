"""The swarm's command line as a shell sees it."""

from __future__ import annotations

from collections.abc import Sequence

from botswarm.__main__ import main


def exit_code(arguments: Sequence[str]) -> int | str | None:
    """Also where argparse ends the process itself."""
    try:
        return main(list(arguments))
    except SystemExit as error:
        return error.code
