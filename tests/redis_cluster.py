"""A Redis Cluster of real processes: three masters, each with a third of the slots."""

from __future__ import annotations

import time
from pathlib import Path

import redis

from gameserver.devstack.process import LOOPBACK, free_port
from gameserver.devstack.valkey import Valkey

MASTERS = 3
SLOTS = 16_384
_FORMED_S = 30.0
_POLL_S = 0.05


class ClusterMember(Valkey):
    """One server of a cluster."""

    def __init__(self, number: int, directory: Path) -> None:
        super().__init__(
            port=free_port(),
            data=directory / str(number),
            log=directory / f"member-{number}.log",
            append_only=False,
            name=f"redis-cluster-{number}",
        )
        self.bus_port = free_port()

    def argv(self) -> list[str]:
        own = {
            "cluster-enabled": "yes",
            "cluster-port": str(self.bus_port),
            "cluster-node-timeout": "2000",
        }
        return [*super().argv(), *(word for k, v in own.items() for word in ("--" + k, v))]


class RedisCluster:
    """``with RedisCluster(directory) as cluster``; ``url`` names one of its servers."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self.members = [ClusterMember(number, directory) for number in range(MASTERS)]
        self.url = self.members[0].url

    def __enter__(self) -> RedisCluster:
        for member in self.members:
            member.begin()
        for member in self.members:
            member.wait_ready()
        self._form()
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.kill()

    def _form(self) -> None:
        first = self.members[0]
        for number, member in enumerate(self.members):
            start, end = (SLOTS * each // MASTERS for each in (number, number + 1))
            with redis.Redis(port=member.port) as client:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", start, end - 1)
                if member is not first:
                    client.execute_command("CLUSTER", "MEET", LOOPBACK, first.port, first.bus_port)
        deadline = time.monotonic() + _FORMED_S
        while not all(self._is_formed(member) for member in self.members):
            if time.monotonic() > deadline:
                raise TimeoutError("the cluster has not formed")
            time.sleep(_POLL_S)

    @staticmethod
    def _is_formed(member: ClusterMember) -> bool:
        with redis.Redis(port=member.port) as client:
            answer = client.execute_command("CLUSTER", "INFO")
        text = answer if isinstance(answer, str) else str(answer)
        return (
            "ok" in text.partition("cluster_state")[2][:8]
            and str(MASTERS) in (text.partition("cluster_size")[2][:8])
        )
