"""Base images for a build without any image registry: Debian, as this machine's apt has it.

    mmdebstrap ──packages of apt's own mirrors──► NAME.tar ──buildah──► localhost/gameserver-NAME

They take a few minutes to fetch, so they are kept in the user's cache; ``python -m
tests.deploy.bases`` makes them ahead of a test run.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("buildah", "mmdebstrap", "unshare")
BASES = {
    "base": ("python3", "ca-certificates"),
    "build": (
        *("python3", "ca-certificates", "python3-venv", "python3-pip"),
        *("python3-dev", "gcc", "libc6-dev"),
    ),
}
_STORAGE_BYTES_MAX = 4 * 1024**3
_FETCH_S = 900


class NotHere(Exception):
    """Why no image can be built on this machine."""


def cache() -> Path:
    """Where bases and layers are kept between runs."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "gameserver-image"


def check() -> None:
    """Raises ``NotHere`` where the bases or the image cannot be made."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise NotHere(f"{', '.join(missing)} not installed (.ci/run installs it)")
    if os.geteuid() != 0:
        raise NotHere("an image without a registry is made by root only")
    if platform.freedesktop_os_release().get("ID") != "debian":
        raise NotHere("base images are made of Debian's packages on Debian only")


@contextmanager
def storage() -> Iterator[Path]:
    """buildah's storage, ours alone for the while, with both bases in it."""
    directory = cache()
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = directory / "storage"
        if path.exists() and _size(path) > _STORAGE_BYTES_MAX:
            # Layers of earlier builds: made anew in a minute.
            shutil.rmtree(path)
        buildah(path, "rm", "--all")  # Of a run that was killed.
        with ThreadPoolExecutor() as threads:
            tars = dict(zip(BASES, threads.map(_fetched, BASES), strict=True))
        for name, tar in tars.items():
            _imported(name, tar, path)
        yield path


def buildah(at: Path, *words: str | Path) -> str:
    """What one command of buildah prints. Raises ``CalledProcessError``, its output shown."""
    # What is mounted is remembered where a restart of the machine forgets it as well.
    run = Path(tempfile.gettempdir()) / f"gameserver-image-{os.getuid()}"
    command = ["buildah", "--root", at, "--runroot", run, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"buildah {words[0]}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout.strip()


def image_name(base: str) -> str:
    """Under which a base is known to buildah."""
    return f"localhost/gameserver-{base}"


def _size(path: Path) -> int:
    done = subprocess.run(["du", "-sb", path], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


def _fetched(name: str) -> Path:
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    tar = cache() / f"{codename}-{name}.tar"
    if not tar.exists():
        words = ["mmdebstrap", "--quiet", "--variant=apt", f"--include={','.join(BASES[name])}"]
        part = tar.with_suffix(".part.tar")
        command = [*words, codename, part, *_mirrors()]
        subprocess.run(command, check=True, timeout=_FETCH_S, stdin=subprocess.DEVNULL)
        part.replace(tar)
    return tar


def _mirrors() -> list[Path]:
    """apt's own sources of Debian, which may name a mirror; none: mmdebstrap knows Debian's."""
    places = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
    return [path for path in places if path.exists()][:1]


def _imported(name: str, tar: Path, path: Path) -> None:
    image = image_name(name)
    if image in buildah(path, "images", "--format", "{{.Name}}").splitlines():
        return
    container = buildah(path, "from", "scratch")
    buildah(path, "add", "--quiet", container, tar, "/")
    buildah(path, "commit", "--quiet", "--rm", container, image)


def main() -> int:
    """Make the bases; no failure where they cannot be made, since the tests say so then."""
    try:
        check()
        with storage():
            print("the base images for building the container image are there")
    except NotHere as why:
        print(f"no base images: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
