"""Build the documentation site: ``python -m docs.site.build [DIRECTORY]``.

Needs no network. Every warning is an error: a link that leads nowhere, a page that is not in the
navigation, a reference to a name that has no page. Nothing is taken over from an earlier build,
because a page that is not read again does not warn again.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sphinx.cmd.build import build_main

from docs.site.polish import polish

ROOT = Path(__file__).parents[2]
SITE = ROOT / "artifacts" / "docs"
START = "docs/index.html"
JOBS = 2
"""Processes; more of them do not pay for some ninety pages."""

FORWARD = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>gameserver</title>
<meta http-equiv="refresh" content="0; url={START}">
<p><a href="{START}">To the documentation</a></p>
</html>
"""


def build(target: Path, *, source: Path = ROOT) -> int:
    """Write the site of ``source`` into ``target``. Returns 0, or Sphinx' code where something is
    wrong; what it is stands on standard error."""
    options = ["--fail-on-warning", "--keep-going", "--quiet", "--jobs", str(JOBS)]
    with TemporaryDirectory() as trees:
        places = ["--conf-dir", str(Path(__file__).parent), "--doctree-dir", trees]
        status = build_main([*options, *places, str(source), str(target)])
    if status == 0:
        polish(target)
        (target / "index.html").write_text(FORWARD)
    return status


def main() -> int:
    """The command line; returns the exit code."""
    if len(sys.argv) > 1:
        target = Path(sys.argv[1])
    else:
        target = SITE
        shutil.rmtree(SITE, ignore_errors=True)
    status = build(target)
    if status == 0:
        print(f"Open {target / START}")
    return status


if __name__ == "__main__":
    sys.exit(main())
