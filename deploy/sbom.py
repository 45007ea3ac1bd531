"""``python -m deploy.sbom``: what is in the image, as CycloneDX 1.6, made of the lock file.

The same lock gives the same bytes. ``artifacts/sbom.json`` is the default place.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def write(path: Path, *, validate: bool = True) -> None:
    """Validation takes some seconds. Raises ``CalledProcessError``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements"]
    command += ["--spec-version", "1.6", "--of", "JSON", "--output-reproducible"]
    command += ["--validate" if validate else "--no-validate"]
    command += ["--pyproject", str(ROOT / "pyproject.toml"), "--output-file", str(path)]
    subprocess.run([*command, str(ROOT / "requirements.lock")], check=True)


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "artifacts" / "sbom.json")
    options = parser.parse_args()
    write(options.out)
    print(f"wrote {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
