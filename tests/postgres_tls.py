"""Debian's PostgreSQL with TLS only, as Amazon RDS is reached: passwords in clear inside of TLS."""

from __future__ import annotations

import os
import socket
import ssl
import struct
from pathlib import Path

import trustme

from gameserver.devstack.postgres import SUPERUSER, Postgres
from gameserver.devstack.process import LOOPBACK

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
PASSWORD = "a-password-for-tests"


class TlsPostgres(Postgres):
    """``ca_file`` has signed the certificate, which is for 127.0.0.1 only; ``other_ca_file`` is an
    authority that has signed nothing."""

    def __init__(self, program: str, *, port: int, data: Path, log: Path) -> None:
        super().__init__(port=port, data=data, log=log, fsync=False, name="postgres-tls")
        self._debian = Path(program).resolve().parent.parent
        self._files = self._debian
        self.ca_file = self.base / "ca.pem"
        self.other_ca_file = self.base / "other-ca.pem"

    def url(self, *, user: str = SUPERUSER, password: str = PASSWORD, **query: str) -> str:
        """A DSN with TLS to be verified; ``query`` changes its parameters."""
        given = {"sslmode": "verify-full", "sslrootcert": str(self.ca_file)} | query
        secret = f":{password}" if password else ""
        parameters = "&".join(f"{name}={text}" for name, text in given.items())
        return f"postgresql://{user}{secret}@{LOOPBACK}:{self.port}/postgres?{parameters}"

    def prepare(self) -> None:
        self.base.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        certificate = authority.issue_cert(LOOPBACK)
        authority.cert_pem.write_to_path(self.ca_file)
        trustme.CA().cert_pem.write_to_path(self.other_ca_file)
        certificate.cert_chain_pems[0].write_to_path(self.base / "cert.pem")
        key = self.base / "key.pem"
        certificate.private_key_pem.write_to_path(key)
        key.chmod(0o600)
        if self.user is not None:
            os.chown(key, *self.user)
        super().prepare()
        (self.cluster / "pg_hba.conf").write_text(
            f"hostssl all {SUPERUSER} 127.0.0.1/32 trust\nhostssl all all 127.0.0.1/32 password\n"
        )

    def argv(self) -> list[str]:
        settings = {
            "ssl": "on",
            "ssl_cert_file": str(self.base / "cert.pem"),
            "ssl_key_file": str(self.base / "key.pem"),
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return [*super().argv(), *options]

    def ready(self) -> bool:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        words = b"user\0" + SUPERUSER.encode() + b"\0database\0postgres\0\0"
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as plain:
                plain.sendall(_SSL_REQUEST)
                if plain.recv(1) != b"S":
                    return False
                with context.wrap_socket(plain, server_hostname=LOOPBACK) as connection:
                    connection.sendall(struct.pack("!ii", 8 + len(words), 196608) + words)
                    return connection.recv(9) == b"R" + struct.pack("!ii", 8, 0)
        except OSError:
            return False

    def _readable_copy(self) -> Path:
        return self._debian
