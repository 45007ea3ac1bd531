"""The servers that are compared: how each is started, and what the generator speaks with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version

from bench import toolbox
from bench.machine import Place
from bench.own_server import OwnServer
from bench.programs import Running, program

FLOOR = "floor_tick"
FLOORS = (FLOOR, "floor_epoll")
OWN = "gameserver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A server to measure. ``dialect`` is the load generator's; ``run`` holds the server up as
    long as its context lasts."""

    key: str
    label: str
    note: str
    dialect: str
    run: Callable[[], AbstractContextManager[Running]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Peer:
    """``argv`` may build and install; it raises ``Missing``."""

    key: str
    label: str
    note: str
    dialect: str
    argv: Callable[[], list[str]]


_BARE = "no WebSocket and a trivial step: what the machine needs at least"
_PEERS = (
    _Peer(
        key=FLOOR,
        label="C, sockets read at the tick (the floor)",
        note=_BARE,
        dialect="raw",
        argv=lambda: [str(toolbox.compile_c("floor")), "tick", "PORT"],
    ),
    _Peer(
        key="floor_epoll",
        label="C, epoll, woken per input",
        note=_BARE,
        dialect="raw",
        argv=lambda: [str(toolbox.compile_c("floor")), "epoll", "PORT"],
    ),
    _Peer(
        key="node_ws",
        label="Node.js, ws",
        note="the same game step; frames built once a tick and written to the sockets directly",
        dialect="bin",
        argv=lambda: _node("node_ws"),
    ),
    _Peer(
        key="colyseus_raw",
        label="Colyseus, raw bytes",
        note="the same game step; broadcastBytes, one timer without drift",
        dialect="colyseus-raw",
        argv=lambda: _node("colyseus", "raw"),
    ),
    _Peer(
        key="colyseus_state",
        label="Colyseus, state sync",
        note="the same game step; @colyseus/schema, broadcastPatch, one timer without drift",
        dialect="colyseus-state",
        argv=lambda: _node("colyseus", "state"),
    ),
    _Peer(
        key="naive",
        label="Python, websockets.asyncio on uvloop",
        note="the naive choice; the same game step; broadcast, no compression",
        dialect="bin",
        argv=lambda: [sys.executable, str(toolbox.BENCH / "peers" / "naive.py"), "PORT"],
    ),
)


def subjects(place: Place, own: OwnServer) -> tuple[list[Subject], dict[str, str]]:
    """All that can run here, and why the others cannot, by label."""
    found = [
        Subject(
            key=OWN,
            label="this server",
            note="as shipped, but for recordings: tokens, limits, deltas, sealed checkpoints, key "
            "events, metrics",
            dialect="gs",
            run=own.running,
        ),
        Subject(
            key="gameserver_recorded",
            label="this server, recording each match",
            note="as shipped: every input is stored besides, for replays",
            dialect="gs",
            run=lambda: own.running({"GAMESERVER_RECORDING": "true"}),
        ),
    ]
    left_out: dict[str, str] = {}
    for peer in _PEERS:
        try:
            argv = peer.argv()
        except toolbox.Missing as error:
            left_out[peer.label] = str(error)
        else:
            found.append(_subject(peer, argv, place))
    return found, left_out


def _subject(peer: _Peer, argv: list[str], place: Place) -> Subject:
    log = toolbox.BUILD / "logs" / f"{peer.key}.log"
    environ = {"NODE_ENV": "production", "PYTHONPATH": str(toolbox.ROOT)}
    return Subject(
        key=peer.key,
        label=peer.label,
        note=peer.note,
        dialect=peer.dialect,
        run=lambda: program(argv, core=place.server, log=log, environ=environ),
    )


def _node(peer: str, *arguments: str) -> list[str]:
    return [str(toolbox.node()), str(toolbox.npm_ci(peer) / "server.mjs"), "PORT", *arguments]


def versions() -> dict[str, str]:
    """Of what takes part, as far as it is installed."""
    found = {name: version(name) for name in ("websockets", "uvloop", "msgspec", "redis")}
    try:
        node = [str(toolbox.node()), "--version"]
        found["Node.js"] = subprocess.run(
            node, capture_output=True, text=True, check=True
        ).stdout.strip()
        found["ws"] = toolbox.installed_version("node_ws", "ws")
        for package in ("@colyseus/core", "@colyseus/schema", "@colyseus/ws-transport"):
            found[package] = toolbox.installed_version("colyseus", package)
    except (toolbox.Missing, OSError):
        # Then those peers are named among the ones left out.
        return found
    return found
