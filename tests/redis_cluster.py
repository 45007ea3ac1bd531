"""A Redis Cluster of real processes: three masters, each with a third of the slots, and on demand a
replica for each. The server's user has no more rights there than it needs. With TLS it is made of
Debian's redis-server, because the wheel's Valkey has none."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from gameserver.devstack.process import LOOPBACK, free_port
from gameserver.devstack.valkey import Valkey
from tests.redis_tls import PASSWORD, USER, Certificate, acl

MASTERS = 3
SLOTS = 16_384
_FORMED_S = 90.0
_POLL_S = 0.05


class ClusterMember(Valkey):
    """One server of a cluster."""

    def __init__(self, number: int, directory: Path, rules: str) -> None:
        super().__init__(
            port=free_port(),
            data=directory / str(number),
            log=directory / f"member-{number}.log",
            append_only=False,
            name=f"redis-cluster-{number}",
        )
        self.bus_port = free_port()
        self._rules = rules

    def settings(self) -> dict[str, str]:
        return {
            "cluster-enabled": "yes",
            "cluster-port": str(self.bus_port),
            "cluster-node-timeout": "1500",
            "repl-diskless-sync-delay": "0",
        }

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def argv(self) -> list[str]:
        words = [word for key, value in self.settings().items() for word in ("--" + key, value)]
        user = ["--user", USER, "on", f">{PASSWORD}", *self._rules.split()]
        return [*super().argv(), *words, *user]

    def ask(self, *command: str | int) -> Any:
        """One command as the superuser."""
        with self.admin() as client:
            return client.execute_command(*command)

    def admin(self) -> redis.Redis:
        """A client of the superuser, to be closed."""
        return redis.Redis(port=self.port, decode_responses=True)


class TlsClusterMember(ClusterMember):
    """One server of a cluster that speaks TLS with clients and with the other servers."""

    def __init__(
        self, number: int, directory: Path, rules: str, *, program: str, certificate: Certificate
    ) -> None:
        super().__init__(number, directory, rules)
        self._program = program
        self._certificate = certificate

    def settings(self) -> dict[str, str]:
        own = {"tls-cluster": "yes", "tls-replication": "yes"}
        return super().settings() | self._certificate.settings(self.port) | own

    def argv(self) -> list[str]:
        return [self._program, *super().argv()[1:]]

    def ready(self) -> bool:
        return self._certificate.reply(self.port).startswith(b"+PONG")

    def admin(self) -> redis.Redis:
        ca_file = str(self._certificate.ca_file)
        return redis.Redis(
            port=self.port, ssl=True, ssl_ca_certs=ca_file, host=LOOPBACK, decode_responses=True
        )


class RedisCluster:
    """``with RedisCluster(directory, prefix="t") as cluster``; ``url`` names its first server.
    ``tls_program``: the redis-server of a cluster with TLS."""

    def __init__(
        self,
        directory: Path,
        *,
        prefix: str,
        replicas: bool = False,
        wait: bool = False,
        tls_program: str = "",
    ) -> None:
        directory.mkdir(parents=True)
        count = 2 * MASTERS if replicas else MASTERS
        rules = acl(prefix, cluster=True, wait=wait)
        self.members: list[ClusterMember]
        if tls_program:
            certificate = Certificate(directory)
            certificate.issue()
            self.members = [
                TlsClusterMember(
                    number, directory, rules, program=tls_program, certificate=certificate
                )
                for number in range(count)
            ]
            self.address = f"{self.members[0].address}/0?ssl_ca_certs={certificate.ca_file}"
        else:
            self.members = [ClusterMember(number, directory, rules) for number in range(count)]
            self.address = f"{self.members[0].address}/0"
        self.url = f"redis{'s' if tls_program else ''}://{USER}:{PASSWORD}@{self.address}"

    def __enter__(self) -> RedisCluster:
        try:
            for member in self.members:
                member.begin()
            for member in self.members:
                member.wait_ready()
            self._form()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        for member in self.members:
            member.kill()

    def _form(self) -> None:
        masters, replicas = self.members[:MASTERS], self.members[MASTERS:]
        for number, member in enumerate(masters):
            start, end = (SLOTS * each // MASTERS for each in (number, number + 1))
            member.ask("CLUSTER", "ADDSLOTSRANGE", start, end - 1)
        for number, member in enumerate(self.members):
            member.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for member in self.members[1:]:
            member.ask("CLUSTER", "MEET", LOOPBACK, masters[0].port, masters[0].bus_port)
        until(lambda: all(self._sees_all(member) for member in self.members))
        for master, replica in zip(masters, replicas, strict=False):
            replica.ask("CLUSTER", "REPLICATE", master.ask("CLUSTER", "MYID"))
        until(lambda: all(self._follows(replica) for replica in replicas))
        until(lambda: all(self._is_ok(member) for member in self.members))

    def _sees_all(self, member: ClusterMember) -> bool:
        return len(str(member.ask("CLUSTER", "NODES")).splitlines()) == len(self.members)

    @staticmethod
    def _follows(replica: ClusterMember) -> bool:
        return bool(replica.ask("INFO", "replication").get("master_link_status") == "up")

    @staticmethod
    def _is_ok(member: ClusterMember) -> bool:
        return "cluster_state:ok" in str(member.ask("CLUSTER", "INFO"))


def until(condition: Callable[[], bool]) -> None:
    """Raises ``TimeoutError`` if ``condition`` does not come true."""
    deadline = time.monotonic() + _FORMED_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the cluster has not formed")
        time.sleep(_POLL_S)
