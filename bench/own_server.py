"""This server, started as it is shipped: ``python -m gameserver run`` over real services.

Valkey, the SQS endpoint and moto (which only serves the keys of the tokens) run beside it, on
another core than the server's. The worker and PostgreSQL are off: they are no part of a node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import redis

from bench.machine import Place, on_cores
from bench.programs import Failed, Running
from gameserver.devstack.process import DevstackError
from gameserver.devstack.programs import Extra, Node, Program
from gameserver.devstack.settings import on_free_ports
from gameserver.devstack.stack import QUEUE, Stack
from gameserver.devstack.tokens import bot_name, bot_player

_SERVICES = ("valkey", "sqs", "moto")
_WATCHED = ("valkey", "sqs")
_TOKEN_S = 12 * 3600
_LIMITS = {
    # All players come from one address here, against which this limit is made.
    "GAMESERVER_CONNECTS_PER_IP_PER_S": "100000",
    # No peer keeps what was played; what it costs is measured beside.
    "GAMESERVER_RECORDING": "false",
}


class OwnServer:
    """The services run from ``open`` to ``close``; each ``running`` is a fresh server."""

    def __init__(self, directory: Path, *, place: Place) -> None:
        self._place = place
        self._overrides: dict[str, str] = {}
        self._stack = Stack(on_free_ports(directory), extra=Extra(gameserver=self._overrides))
        self._nodes: list[Node] = [*self._stack.nodes.values()]
        self._directory = directory
        self._tokens: list[Path] = []
        self._players = 0

    def open(self) -> None:
        """Start the services. Raises ``DevstackError``."""
        with on_cores(self._place.services):
            for name in _SERVICES:
                self._stack.start(name)
        self._stack.queue_url = self._stack.sqs.create_queue(QUEUE)

    def close(self) -> None:
        self._stack.stop()
        self._stack.kill()

    def mint(self, players: int, *, processes: int = 1) -> None:
        """Make sure that there are tokens for so many players of each process: players of their
        own, because who joins by two nodes has one seat, and the newer connection gets it."""
        if players <= self._players and processes <= len(self._tokens):
            return
        cognito = self._stack.moto.cognito()
        self._tokens = [self._directory / f"tokens-{index}" for index in range(processes)]
        self._players = players
        for index, path in enumerate(self._tokens):
            numbers = range(1 + index * players, 1 + (index + 1) * players)
            path.write_text(
                "".join(
                    cognito.token(bot_player(i), username=bot_name(i), expires_in_s=_TOKEN_S) + "\n"
                    for i in numbers
                )
            )

    @contextmanager
    def running(
        self,
        overrides: Mapping[str, str] | None = None,
        *,
        game: str = "arena",
        mode: str = "bench",
    ) -> Iterator[Running]:
        """A server with ``overrides`` over its default settings."""
        with self.several(1, overrides, game=game, mode=mode) as (only,):
            yield only

    @contextmanager
    def several(
        self,
        count: int,
        overrides: Mapping[str, str] | None = None,
        *,
        game: str = "arena",
        mode: str = "bench",
    ) -> Iterator[list[Running]]:
        """``count`` servers over the same services, on cores of their own as far as there are."""
        while len(self._nodes) < count:
            self._nodes.append(self._stack.add_node())
        nodes = self._nodes[:count]
        # One more process than there are cores for shares the generator's.
        cores = (self._place.server, *self._place.spare, self._place.generator)
        self._overrides.clear()
        self._overrides.update({**_LIMITS, **(overrides or {})})
        options = ("--game", game, "--mode", mode)
        try:
            for index, node in enumerate(nodes):
                self._expect_ready(node)
                with on_cores(frozenset({cores[index % len(cores)]})):
                    self._start(node.name)
            services = {name: self._pid(name) for name in _WATCHED}
            yield [
                Running(
                    port=int(node.ws_url.rpartition(":")[2]),
                    pids=[self._pid(node.name)],
                    services=services,
                    options=("--tokens", str(tokens), *options),
                    metrics_url=f"{self._scheme()}://{node.api_url.partition('://')[2]}/metrics",
                )
                for node, tokens in zip(nodes, self._tokens, strict=False)
            ]
        finally:
            for node in nodes:
                self._stack.kill(node.name)
            # Matches that a killed server leaves would be taken over by the next one.
            redis.Redis.from_url(self._stack.valkey.url).flushall()

    def _start(self, name: str) -> None:
        try:
            self._stack.start(name)
        except DevstackError as error:
            raise Failed(str(error)) from None

    def _scheme(self) -> str:
        """With a certificate the HTTP port, which says when the server is ready, is HTTPS too."""
        return "https" if "GAMESERVER_TLS_CERT_FILE" in self._overrides else "http"

    def _expect_ready(self, node: Node) -> None:
        server = self._stack.service(node.name)
        if isinstance(server, Program):
            server.ready_url = f"{self._scheme()}://{node.api_url.partition('://')[2]}/readyz"

    def _pid(self, name: str) -> int:
        pid = self._stack.service(name).pid
        if pid is None:
            raise Failed(f"{name} does not run")
        return pid
