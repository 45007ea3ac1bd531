"""The direction of dependencies, read from the imports of every source file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What a package of the server may import from the server. Its own files are always allowed.
PURE_BASE = {"gameserver.ids", "gameserver.errors"}
SHARED = PURE_BASE | {
    "gameserver.ports",
    "gameserver.hot",
    "gameserver.maintenance",
    "gameserver.revocation",
    "gameserver.notification",
    "gameserver.whereabouts",
    "gameserver.friendship",
    "gameserver.moderation",
    "gameserver.matchmaking",
    "gameserver.matchmaking_ports",
    "gameserver.listing",
    "gameserver.operating",
    "gameserver.watching",
    "gameserver.letters",
    "gameserver.hosting",
    "gameserver.parties",
    "gameserver.rounds",
    "gameserver.records",
    "gameserver.config",
    "gameserver.metrics",
    "gameserver.spans",
    "gameserver.game",
    "gameserver.wire",
}
ALLOWED: dict[str, set[str]] = {
    "gameserver.ids": set(),
    "gameserver.maintenance": set(),
    "gameserver.matchmaking": PURE_BASE | {"gameserver.game"},
    "gameserver.matchmaking_ports": PURE_BASE | {"gameserver.game", "gameserver.matchmaking"},
    "gameserver.listing": PURE_BASE | {"gameserver.game"},
    "gameserver.operating": PURE_BASE | {"gameserver.ports"},
    "gameserver.watching": PURE_BASE,
    "gameserver.letters": set(),
    "gameserver.parties": PURE_BASE
    | {"gameserver.ports", "gameserver.hosting", "gameserver.matchmaking"},
    "gameserver.rounds": PURE_BASE | {"gameserver.ports"},
    "gameserver.hosting": PURE_BASE | {"gameserver.ports", "gameserver.game", "gameserver.listing"},
    "gameserver.errors": set(),
    "gameserver.moderation": PURE_BASE | {"gameserver.config", "gameserver.metrics"},
    "gameserver.revocation": PURE_BASE | {"gameserver.ports"},
    "gameserver.notification": PURE_BASE,
    "gameserver.whereabouts": PURE_BASE | {"gameserver.ports", "gameserver.notification"},
    "gameserver.friendship": PURE_BASE | {"gameserver.whereabouts"},
    "gameserver.config": {"gameserver.errors"},
    "gameserver.metrics": set(),
    "gameserver.emf": set(),
    "gameserver.spans": set(),
    "gameserver.node": set(),
    "gameserver.game": PURE_BASE | {"gameserver.wire.event_record", "gameserver.wire.sensitive"},
    "gameserver.games": PURE_BASE | {"gameserver.game"},
    "gameserver.wire": PURE_BASE | {"gameserver.game"},
    "gameserver.hot": PURE_BASE | {"gameserver.game"},
    "gameserver.ports": PURE_BASE
    | {
        "gameserver.game",
        "gameserver.wire",
        "gameserver.hot",
        "gameserver.maintenance",
        "gameserver.matchmaking",
        "gameserver.listing",
    },
    "gameserver.match": SHARED | {"gameserver.lobby"},
    "gameserver.session": SHARED,
    "gameserver.lobby": SHARED | {"gameserver.cache.port", "gameserver.cache.typed"},
    "gameserver.cluster": SHARED | {"gameserver.lobby"},
    "gameserver.adapters": SHARED | {"gameserver.cache.port", "gameserver.players.port"},
    "gameserver.players": SHARED | {"gameserver.cache.port", "gameserver.cache.typed"},
    "gameserver.cache": SHARED,
    "gameserver.replay": SHARED | {"gameserver.match"},
    "gameserver.app": set(),
    "gameserver.app.root": SHARED
    | {
        "gameserver.match",
        "gameserver.session",
        "gameserver.cluster",
        "gameserver.cache",
        "gameserver.players",
        "gameserver.lobby",
        "gameserver.adapters",
        "gameserver.replay",
        "gameserver.node",
        "gameserver.app.parts",
        "gameserver.app.cluster",
        "gameserver.app.console",
        "gameserver.app.lobby",
        "gameserver.app.nodes",
        "gameserver.app.records",
        "gameserver.app.players",
        "gameserver.app.watch",
    },
    "gameserver.app.nodes": SHARED
    | {"gameserver.adapters", "gameserver.cluster", "gameserver.match", "gameserver.app.parts"},
    "gameserver.app.players": SHARED
    | {
        "gameserver.adapters",
        "gameserver.cache",
        "gameserver.cluster",
        "gameserver.app.parts",
        "gameserver.players",
    },
    "gameserver.app.console": SHARED
    | {
        "gameserver.adapters",
        "gameserver.app.watch",
        "gameserver.cluster",
        "gameserver.match",
        "gameserver.app.parts",
    },
    "gameserver.app.watch": SHARED
    | {
        "gameserver.adapters",
        "gameserver.match",
        "gameserver.session",
        "gameserver.app.parts",
        "gameserver.emf",
    },
    "gameserver.app.parts": SHARED
    | {"gameserver.adapters", "gameserver.cache", "gameserver.cluster", "gameserver.players"},
    "gameserver.app.cluster": SHARED
    | {"gameserver.match", "gameserver.cluster", "gameserver.adapters"},
    "gameserver.app.records": SHARED
    | {
        "gameserver.adapters",
        "gameserver.lobby",
        "gameserver.cache.port",
        "gameserver.players.ratings",
    },
    "gameserver.app.lobby": SHARED
    | {"gameserver.adapters", "gameserver.cluster", "gameserver.lobby", "gameserver.app.parts"},
    # What the worker and the server both know of PostgreSQL.
    "gameserver.records": PURE_BASE,
    "gameserver.cli": set(),
    "gameserver.cli.replay": SHARED | {"gameserver.adapters", "gameserver.replay"},
    "gameserver.cli.maintenance": SHARED | {"gameserver.adapters"},
    "gameserver.scaffold": PURE_BASE,
    "gameserver.cli.new": {"gameserver.scaffold"},
    "gameserver.cli.certificate": set(),
    # Called every few seconds beside a server: it loads next to nothing.
    "gameserver.healthcheck": {"gameserver.config", "gameserver.errors"},
    "gameserver.cli.matchmaking": SHARED | {"gameserver.lobby"},
    "gameserver.__main__": SHARED
    | {
        "gameserver.app.root",
        "gameserver.adapters.json_log",
        "gameserver.adapters.http_endpoints",
        "gameserver.cli.certificate",
        "gameserver.cli.maintenance",
        "gameserver.cli.matchmaking",
        "gameserver.cli.new",
        "gameserver.cli.replay",
        "gameserver.healthcheck",
    },
    "gameserver.devstack": SHARED
    | {"gameserver.games", "botswarm", "gameserver.adapters.network_sim"},
    # These run within a server, which the rest of the stack only starts.
    "gameserver.devstack.node": SHARED
    | {"gameserver.app.root", "gameserver.adapters", "gameserver.devstack"},
    "gameserver.devstack.reload": SHARED | {"gameserver.match.exchange", "gameserver.devstack"},
    # Erases and exports a player: over the stores of both programs.
    "playerdata": {
        "gameserver.config",
        "gameserver.errors",
        "gameserver.metrics",
        "gameserver.adapters.player_traces",
        "persistence_worker",
    },
    # A player's side: what crosses the wire, and nothing of the server behind it.
    "gameclient": {"gameserver.wire"},
    "botswarm": PURE_BASE
    | {"gameclient", "gameserver.wire", "gameserver.games", "gameserver.game"},
    # What crosses the queue, how it is sealed, and reading boards; nothing that does I/O.
    "persistence_worker": {
        "gameserver.wire.event_record",
        "gameserver.wire.envelope",
        "gameserver.wire.sealed_record",
        "gameserver.wire.key_cache",
        "gameserver.records",
        "gameserver.emf",
        "gameserver.spans",
        "gameserver.adapters.otel",
    },
}

# Modules that make a result depend on more than its arguments, and who may use them.
IMPURE = {"time", "random", "uuid", "secrets", "os", "socket", "datetime"}
IMPURE_ALLOWED = (
    "gameserver.adapters",
    "gameserver.devstack",
    "gameserver.__main__",
    "gameserver.healthcheck",
    "gameserver.cli.certificate",
    "gameserver.cli.maintenance",
    "gameserver.cli.new",
    "gameserver.scaffold",
    "gameserver.cli.replay",
    "persistence_worker",
    "playerdata",
    "botswarm",
    # Its other parts are pure.
    "gameclient.client",
    "gameclient.connection",
    "gameclient.link",
    "gameclient.pacer",
)
PURE = (
    "gameserver.emf",
    "gameserver.game",
    "gameserver.games",
    "gameserver.wire",
    "gameserver.ids",
    "gameserver.maintenance",
)
IO_MODULES = {
    "asyncio",
    "socket",
    "ssl",
    "aiohttp",
    "redis",
    "aiobotocore",
    "asyncpg",
    "websockets",
}
# The wire uses websockets' C routine for masks and nothing else of it.
IO_EXCEPTIONS = {
    ("gameserver.wire.ws_frame", "websockets.speedups"),
    ("gameserver.wire.ws_frame", "websockets.utils"),
}


def modules() -> list[tuple[str, Path]]:
    found = []
    for package in ("gameserver", "gameclient", "persistence_worker", "playerdata", "botswarm"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = list(path.relative_to(ROOT).with_suffix("").parts)
            if parts[-1] == "__init__":
                parts.pop()
            found.append((".".join(parts), path))
    return found


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the direction"
            assert node.module is not None
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def owner(name: str) -> str | None:
    """The longest entry of ALLOWED that ``name`` belongs to."""
    return max((key for key in ALLOWED if within(name, key)), key=len, default=None)


MODULES = modules()


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_follow_the_layers(name: str, path: Path) -> None:
    if name == "gameserver":
        assert not imports(path)
        return
    package = owner(name)
    assert package is not None, f"{name} has no place in the layers: add it to ALLOWED"
    ours = ("gameserver", "gameclient", "persistence_worker", "playerdata", "botswarm")
    for imported in imports(path):
        if not any(within(imported, root) for root in ours) or within(imported, package):
            continue
        if imported in ours:
            continue  # `from gameserver import x` is listed as `gameserver.x` too
        # `from gameserver import errors` also shows as the prefix of an allowed module.
        allowed = any(
            within(imported, target) or within(target, imported) for target in ALLOWED[package]
        )
        assert allowed, f"{name} may not import {imported}"


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_clocks_chance_and_environment_stay_at_the_edge(name: str, path: Path) -> None:
    if any(within(name, allowed) for allowed in IMPURE_ALLOWED):
        return
    used = {imported.partition(".")[0] for imported in imports(path)} & IMPURE
    assert not used, f"{name} uses {sorted(used)}: take the Clock or Entropy port instead"


@pytest.mark.parametrize(
    ("name", "path"),
    [(name, path) for name, path in MODULES if any(within(name, pure) for pure in PURE)],
    ids=[name for name, _ in MODULES if any(within(name, pure) for pure in PURE)],
)
def test_pure_packages_do_no_input_or_output(name: str, path: Path) -> None:
    for imported in imports(path):
        if any((name, allowed) == (name, imported[: len(allowed)]) for _, allowed in IO_EXCEPTIONS):
            assert any(name == module for module, _ in IO_EXCEPTIONS), f"{name}: {imported}"
            continue
        assert imported.partition(".")[0] not in IO_MODULES, f"{name} imports {imported}"


def test_no_async_def_in_pure_packages() -> None:
    for name, path in MODULES:
        if any(within(name, pure) for pure in PURE):
            tree = ast.parse(path.read_text())
            assert not any(isinstance(node, ast.AsyncFunctionDef) for node in ast.walk(tree)), name


def test_this_check_can_fail(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from gameserver.session.session import Session\nimport random\n")
    names = imports(wrong)
    assert "gameserver.session.session" in names
    assert not any(
        within("gameserver.session.session", target) or within(target, "gameserver.session.session")
        for target in ALLOWED["gameserver.match"]
    )
    assert "random" in names & IMPURE
