"""The compiled modules, built so that a wrong access to memory ends the process at once.

    .pyx ──cython──► C ──cc -fsanitize=address,undefined──► DIRECTORY/_cut.so …

AddressSanitizer has to be there before Python is (``environment``), and Python has to ask malloc
for all memory, so that a read behind the end of a ``bytes`` is one. The build counts edges as well.
"""

from __future__ import annotations

import ctypes
import importlib.abc
import importlib.util
import os
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from pathlib import Path
from types import ModuleType

from gameserver.devstack.compile import ROOT, SOURCES

FLAGS = ("-O1", "-g", "-fPIC", "-fwrapv", "-fno-omit-frame-pointer", "-Wno-unused-function")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")
COVERAGE = Path(__file__).with_name("coverage.c")


class NotBuilt(Exception):
    """Why there is no such build here."""


def module_name(source: str) -> str:
    """``gameserver.wire._cut`` of ``gameserver/wire/_cut.pyx``."""
    return source.removesuffix(".pyx").replace("/", ".")


def _file(directory: Path, name: str) -> Path:
    return directory / f"{name.rpartition('.')[2]}.so"


DEFECT = ("gameserver/wire/_cut.pyx", "        if end - at < size:\n            return NULL\n", "")
"""A limit of the cutter that can be taken away, to see whether that is noticed."""


def build(directory: Path, *, defect: bool = False) -> None:
    """Build all modules into ``directory``; ``defect``: with ``DEFECT``. Raises ``NotBuilt``."""
    directory.mkdir(parents=True, exist_ok=True)
    link = shlex.split(sysconfig.get_config_var("LDSHARED") or "cc -shared")
    compiler = os.environ.get("CC") or link[0]
    counting = directory / "coverage.o"
    _call([compiler, "-O1", "-fPIC", "-c", str(COVERAGE), "-o", str(counting)])
    for source in SOURCES:
        made = _file(directory, module_name(source))
        code, text = made.with_suffix(".c"), made.with_suffix(".pyx")
        text.write_text(_with_defect(source) if defect else (ROOT / source).read_text())
        # Under its own name, or it would not be the module that its header speaks of.
        name = ["--module-name", module_name(source), "-I", str(ROOT)]
        _call([sys.executable, "-m", "cython", "-3", *name, str(text), "-o", str(code)])
        include = f"-I{sysconfig.get_path('include')}"
        compiled = made.with_suffix(".o")
        watched = [*SANITIZERS, "-fsanitize-coverage=trace-pc"]
        _call([compiler, *FLAGS, *watched, include, "-c", str(code), "-o", str(compiled)])
        _call([compiler, *link[1:], *SANITIZERS, str(compiled), str(counting), "-o", str(made)])


def _with_defect(source: str) -> str:
    where, limit, instead = DEFECT
    text = (ROOT / source).read_text()
    if source != where:
        return text
    if text.count(limit) != 1:
        raise ValueError(f"{where} has changed: {limit!r} is not in it once")
    return text.replace(limit, instead)


def _call(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotBuilt(f"there is no {command[0]!r}: {error}") from error
    if done.returncode:
        raise NotBuilt(f"{shlex.join(command[:4])} …: {done.stderr.strip()[-600:]}")
    return done.stdout.strip()


def environment() -> dict[str, str]:
    """What a process needs that uses such a build. Raises ``NotBuilt``."""
    link = shlex.split(sysconfig.get_config_var("LDSHARED") or "cc -shared")
    compiler = os.environ.get("CC") or link[0]
    library = _call([compiler, "-print-file-name=libasan.so"])
    if not Path(library).is_file():
        raise NotBuilt(f"{compiler} has no libasan.so")
    return {
        "LD_PRELOAD": str(Path(library).resolve()),
        # Python keeps what it has for ever, so leaks are not looked for.
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
    }


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in map(module_name, SOURCES):
            return None
        file = str(_file(self._directory, fullname))
        return importlib.util.spec_from_file_location(
            fullname, file, loader=ExtensionFileLoader(fullname, file)
        )


def install(directory: Path) -> Callable[[], int]:
    """From now on the modules are imported from ``directory``; call it before any of them is.
    Returns what says how many edges were gone for the first time since it was asked last."""
    names = [module_name(source) for source in SOURCES]
    if already := [name for name in names if name in sys.modules]:
        raise NotBuilt(f"{already} are imported already")
    sys.meta_path.insert(0, _Finder(directory))
    counters = []
    for name in names:
        importlib.import_module(name)
        counters.append(ctypes.CDLL(str(_file(directory, name))).fuzz_fresh)
    return lambda: sum(counter() for counter in counters)
