"""Debian's redis-server with TLS only, and a user who may do no more than the server needs."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import redis
import trustme

from gameserver.devstack.process import LOOPBACK, Service

USER, PASSWORD = "gameserver", "a-password-for-tests"
COMMANDS = (
    "decrby del eval evalsha exists get getdel hdel hexists hget hgetall hlen hmget hscan "
    "hset incrby info mget pexpire pttl publish sadd set srem sscan subscribe time "
    "unsubscribe xadd xlen xrange xread xrevrange xtrim zadd zrangebyscore zrem"
)
"""What the server calls, by itself or in its scripts; docs/redis.md has the same list."""
IN_CLUSTER = "cluster|slots command"
"""What a client needs beyond that in a Redis Cluster."""
WITH_WAIT = "wait"
"""What it needs beyond that where commits wait for replicas."""
_ADMIN = "admin"
_CONNECTION = "auth client|setname client|tracking hello ping select"


def acl(prefix: str, *, cluster: bool = False, wait: bool = False) -> str:
    """The rules of the server's user for its keys and channels."""
    beyond = f"{IN_CLUSTER if cluster else ''} {WITH_WAIT if wait else ''}"
    commands = f"{_CONNECTION} {COMMANDS} {beyond}"
    allowed = " ".join(f"+{command}" for command in commands.split())
    return f"~{prefix}* &{prefix}* -@all {allowed}"


class Certificate:
    """A certificate for this machine and the authority that has signed it, as files."""

    def __init__(self, directory: Path) -> None:
        self.ca_file = directory / "ca.pem"
        self._directory = directory

    def issue(self) -> None:
        """Write the files."""
        authority = trustme.CA()
        certificate = authority.issue_cert(LOOPBACK)
        authority.cert_pem.write_to_path(self.ca_file)
        certificate.cert_chain_pems[0].write_to_path(self._directory / "cert.pem")
        certificate.private_key_pem.write_to_path(self._directory / "key.pem")

    def settings(self, port: int) -> dict[str, str]:
        """Of a Redis that listens on ``port`` with TLS and nowhere without."""
        return {
            "port": "0",
            "tls-port": str(port),
            "tls-cert-file": str(self._directory / "cert.pem"),
            "tls-key-file": str(self._directory / "key.pem"),
            "tls-ca-cert-file": str(self.ca_file),
            "tls-auth-clients": "no",
            "tls-protocols": "TLSv1.2 TLSv1.3",
        }

    def reply(self, port: int) -> bytes:
        """What the server says to a ping; empty where nobody answers."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        try:
            with (
                socket.create_connection((LOOPBACK, port), timeout=1) as plain,
                context.wrap_socket(plain, server_hostname=LOOPBACK) as connection,
            ):
                connection.sendall(b"PING\r\n")
                return connection.recv(64)
        except OSError:
            return b""


class TlsRedis(Service):
    """``url`` is the user's; ``ca_file`` the authority that has signed the certificate."""

    def __init__(self, program: str, *, port: int, directory: Path, prefix: str) -> None:
        super().__init__(name="redis-tls", log=directory / "redis-tls.log")
        self.port = port
        self._program = program
        self._prefix = prefix
        self._directory = directory
        self._certificate = Certificate(directory)
        self.ca_file = self._certificate.ca_file
        self.address = f"{LOOPBACK}:{port}/0?ssl_ca_certs={self.ca_file}"
        self.url = f"rediss://{USER}:{PASSWORD}@{self.address}"

    def prepare(self) -> None:
        super().prepare()
        self._certificate.issue()
        rules = (
            f"user default off\nuser {_ADMIN} on >{PASSWORD} ~* &* +@all\n"
            f"user {USER} on >{PASSWORD} {acl(self._prefix)}\n"
        )
        (self._directory / "users.acl").write_text(rules)

    def argv(self) -> list[str]:
        settings = self._certificate.settings(self.port) | {
            "bind": LOOPBACK,
            "aclfile": str(self._directory / "users.acl"),
            "dir": str(self._directory),
            "save": "",
            "daemonize": "no",
        }
        words = [word for key, value in settings.items() for word in ("--" + key, value)]
        return [self._program, *words]

    def ready(self) -> bool:
        return self._certificate.reply(self.port).startswith(b"-NOAUTH")

    def ask(self, *command: str | int) -> Any:
        """One command as the superuser."""
        with self.admin() as client:
            return client.execute_command(*command)

    def admin(self) -> redis.Redis:
        """A client of the superuser, to be closed."""
        url = f"rediss://{_ADMIN}:{PASSWORD}@{self.address}"
        return redis.Redis.from_url(url, decode_responses=True)
