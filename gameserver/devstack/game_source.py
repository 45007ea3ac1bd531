"""A game's source files: which they are, when they change, and what is in them now."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import invalidate_caches
from pathlib import Path
from types import ModuleType

from gameserver.game.contract import AnyGame
from gameserver.game.loader import load_game, target_of

Stamp = Mapping[Path, tuple[int, int]]
"""When each file was changed last (ns) and its size in bytes: other stamps, other source."""

_INSTALLED = frozenset({"site-packages", "dist-packages"})


class GameSource:
    """The module of a game that is loaded, and the modules that belong to it: those of its
    package, or, if it is a single file, the single files beside it."""

    def __init__(self, name: str) -> None:
        """``name`` as ``load_game`` takes it."""
        self.name = name
        self._module = target_of(name).partition(":")[0]
        package, _, _ = self._module.rpartition(".")
        top = self._module.partition(".")[0]
        if top == "gameserver":
            self._root = package or top
        else:
            self._root = top
        root = sys.modules[self._root]
        places = list(getattr(root, "__path__", ()))
        self._is_package = bool(places)
        self._directories = [Path(place) for place in places] or [_file(root).parent]

    def stamp(self) -> Stamp:
        """The source as it is on the disk. A look takes some 10 µs a file."""
        found = {}
        for path in self._files():
            try:
                status = path.stat()
            except OSError:
                continue  # An editor is just replacing it.
            found[path] = (status.st_mtime_ns, status.st_size)
        return found

    def load(self) -> AnyGame:
        """The game as its source has it now, in modules of its own: whatever holds the old classes
        keeps them. Raises what ``load_game`` raises, and then nothing is changed."""
        kept = {name: sys.modules.pop(name) for name in self._loaded()}
        try:
            with without_cached_bytecode():
                return load_game(self.name)
        except BaseException:
            for name in self._loaded():
                del sys.modules[name]
            sys.modules.update(kept)
            raise

    def _files(self) -> Iterator[Path]:
        for directory in self._directories:
            yield from directory.rglob("*.py") if self._is_package else directory.glob("*.py")

    def _loaded(self) -> list[str]:
        return [name for name, module in list(sys.modules.items()) if self._owns(name, module)]

    def _owns(self, name: str, module: ModuleType) -> bool:
        if self._is_package:
            return name == self._root or name.startswith(f"{self._root}.")
        if name == self._module:
            return True
        place = getattr(module, "__file__", None)
        return (
            "." not in name
            and name != "__main__"
            and place is not None
            and Path(place).parent == self._directories[0]
            and not hasattr(module, "__path__")
            and not _INSTALLED & {*Path(place).parts}
        )


@contextmanager
def without_cached_bytecode() -> Iterator[None]:
    """Import from the source alone. What Python caches is told apart by whole seconds and the size
    of the source, so that the second of two quick changes could be missed."""
    prefix, is_off = sys.pycache_prefix, sys.dont_write_bytecode
    with tempfile.TemporaryDirectory(prefix="gameserver-reload-") as empty:
        sys.pycache_prefix, sys.dont_write_bytecode = empty, True
        invalidate_caches()
        try:
            yield
        finally:
            sys.pycache_prefix, sys.dont_write_bytecode = prefix, is_off


def _file(module: ModuleType) -> Path:
    assert module.__file__ is not None, "a module without a file has no source"
    return Path(os.path.realpath(module.__file__))
