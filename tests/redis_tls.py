"""Debian's redis-server with TLS only, and a user who may do no more than the server needs."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import trustme

from gameserver.devstack.process import LOOPBACK, Service

USER, PASSWORD = "gameserver", "a-password-for-tests"
COMMANDS = (
    "del eval evalsha exists get getdel hdel hget hgetall hmget hset info mget pexpire publish "
    "sadd set srem sscan subscribe time unsubscribe xadd xlen xrange xtrim"
)
"""What the server calls, by itself or in its scripts; docs/redis.md has the same list."""
IN_CLUSTER = "cluster|slots command"
"""What a client needs beyond that in a Redis Cluster."""
_CONNECTION = "auth client|setname hello ping select"


def acl(prefix: str, *, cluster: bool = False) -> str:
    """The rules of the server's user for its keys and channels."""
    commands = f"{_CONNECTION} {COMMANDS} {IN_CLUSTER if cluster else ''}"
    allowed = " ".join(f"+{command}" for command in commands.split())
    return f"~{prefix}* &{prefix}* -@all {allowed}"


class TlsRedis(Service):
    """``url`` is the user's; ``ca_file`` the authority that has signed the certificate."""

    def __init__(self, program: str, *, port: int, directory: Path, prefix: str) -> None:
        super().__init__(name="redis-tls", log=directory / "redis-tls.log")
        self.port = port
        self._program = program
        self._prefix = prefix
        self._directory = directory
        self.ca_file = directory / "ca.pem"
        self.url = f"rediss://{USER}:{PASSWORD}@{LOOPBACK}:{port}/0?ssl_ca_certs={self.ca_file}"

    def prepare(self) -> None:
        super().prepare()
        authority = trustme.CA()
        certificate = authority.issue_cert(LOOPBACK)
        authority.cert_pem.write_to_path(self.ca_file)
        certificate.cert_chain_pems[0].write_to_path(self._directory / "cert.pem")
        certificate.private_key_pem.write_to_path(self._directory / "key.pem")
        rules = f"user default off\nuser {USER} on >{PASSWORD} {acl(self._prefix)}\n"
        (self._directory / "users.acl").write_text(rules)

    def argv(self) -> list[str]:
        directory = self._directory
        settings = {
            "bind": LOOPBACK,
            "port": "0",
            "tls-port": str(self.port),
            "tls-cert-file": str(directory / "cert.pem"),
            "tls-key-file": str(directory / "key.pem"),
            "tls-ca-cert-file": str(self.ca_file),
            "tls-auth-clients": "no",
            "tls-protocols": "TLSv1.2 TLSv1.3",
            "aclfile": str(directory / "users.acl"),
            "dir": str(directory),
            "save": "",
            "daemonize": "no",
        }
        words = [word for key, value in settings.items() for word in ("--" + key, value)]
        return [self._program, *words]

    def ready(self) -> bool:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        try:
            with (
                socket.create_connection((LOOPBACK, self.port), timeout=1) as plain,
                context.wrap_socket(plain, server_hostname=LOOPBACK) as connection,
            ):
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"-NOAUTH")
        except OSError:
            return False
