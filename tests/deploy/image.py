"""The container image, built and entered without a container engine's daemon.

buildah (chroot isolation) ──► image ──mount──► unshare: own mounts and processes
                                                 └─ read-only root, uid 65532, process 1
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from gameserver.devstack.process import Service
from tests.deploy.bases import buildah, image_name, storage

ROOT = Path(__file__).parent.parent.parent
USER = 65_532
_CERTIFICATES = "/etc/ssl/certs"
_ENTER = """
set -e
mount --bind "$0" "$0"
mount --rbind /dev "$0/dev"
mount -t proc proc "$0/proc"
mount -t tmpfs -o "size=1m,mode=700,uid=$1,gid=$1" tls "$0/tls"
mount -o remount,bind,ro "$0"
user=$1; shift
exec chroot --userspec="$user:$user" "$0" "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A built image, its files mounted at ``root``."""

    root: Path
    config: Mapping[str, Any]  # of the Docker format: User, Cmd, Env, Healthcheck, …
    bytes: int
    base_bytes: int

    def environ(self, own: Mapping[str, str]) -> dict[str, str]:
        """The image's environment, and what a container is given beside it; nothing else."""
        return dict(entry.split("=", 1) for entry in self.config["Env"]) | dict(own)

    def command(self, *words: str) -> list[str]:
        """``words`` as process 1 of a container with a read-only root."""
        unshare = shutil.which("unshare") or "unshare"
        enter = [unshare, "--mount", "--pid", "--fork", "/bin/sh", "-c", _ENTER]
        return [*enter, str(self.root), str(USER), *words]

    def run(self, *words: str, **own: str) -> subprocess.CompletedProcess[str]:
        """A command that ends by itself."""
        return subprocess.run(
            self.command(*words),
            env=self.environ(own),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


class Container(Service):
    """A command of the image that runs until it is told to end."""

    stop_timeout_s = 30.0
    death_signal = signal.SIGKILL

    def __init__(
        self,
        image: Image,
        *words: str,
        log: Path,
        environ: Mapping[str, str],
        ready: Callable[[], bool],
    ) -> None:
        super().__init__(name=words[0], log=log)
        self._image = image
        self._words = words
        self._own = environ
        self._ready = ready

    def argv(self) -> list[str]:
        return self._image.command(*self._words)

    def environ(self) -> Mapping[str, str]:
        return self._image.environ(self._own)

    def ready(self) -> bool:
        return self._ready()

    def ask_to_stop(self) -> None:
        """The signal goes to process 1 of the container, as an engine sends it."""
        for process in self._family()[1:2]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(self.stop_signal)


@contextmanager
def built() -> Iterator[Image]:
    """Build the image of this checkout, and mount it for the while."""
    with storage() as at:
        arguments = {"BASE": image_name("base"), "BUILD_BASE": image_name("build")}
        words = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        # This machine's authorities, so that pip reaches the index as it does outside.
        words.append(f"--volume={_CERTIFICATES}:{_CERTIFICATES}:ro")
        options = ("--isolation", "chroot", "--format", "docker", "--layers", "--pull-never")
        name = image_name("test")
        buildah(at, "build", "--quiet", *options, *words, "--tag", name, ROOT)
        container = buildah(at, "from", name)
        try:
            yield Image(
                root=Path(buildah(at, "mount", container)),
                config=json.loads(buildah(at, "inspect", "--type", "image", name))["Docker"][
                    "config"
                ],
                bytes=_bytes(at, name),
                base_bytes=_bytes(at, image_name("base")),
            )
        finally:
            buildah(at, "rm", container)


def _bytes(at: Path, name: str) -> int:
    for image in json.loads(buildah(at, "images", "--json", "--no-trunc")):
        if f"{name}:latest" in (image.get("names") or ()):
            return _number(image["size"])
    raise AssertionError(f"{name} is not there")


def _number(size: str) -> int:
    """``368 MB`` → 368,000,000."""
    count, unit = size.split()
    return int(float(count) * {"KB": 10**3, "MB": 10**6, "GB": 10**9}[unit.upper()])
