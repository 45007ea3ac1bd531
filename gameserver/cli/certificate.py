"""``python -m gameserver certificate``: a certificate that nobody else has signed.

For the hop from a load balancer to this server, which is encrypted by it: an ALB does not ask who
signed its target's certificate. Each task makes its own at start, and its key never leaves it.
Players need a certificate of a known authority; theirs is the load balancer's.
"""

from __future__ import annotations

import argparse
import datetime
import os
import socket
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CERTIFICATE, KEY = "cert.pem", "key.pem"
_MINUTE = datetime.timedelta(minutes=1)


def add_to(verbs: Any) -> None:
    """Add the verb to the command line of ``gameserver``."""
    meaning = f"write {CERTIFICATE} and {KEY} of a self-signed certificate, for a hop behind an ALB"
    verb = verbs.add_parser("certificate", help=meaning, description=meaning)
    verb.add_argument(
        "--in",
        dest="directory",
        type=Path,
        required=True,
        metavar="DIRECTORY",
        help="where to write them",
    )
    verb.add_argument("--days", type=int, default=398, help="it is good for; default: %(default)s")
    verb.set_defaults(command=certificate)


def certificate(arguments: argparse.Namespace) -> int:
    """Returns the exit code. Raises ``OSError`` where the files cannot be written."""
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    # Nobody else may read the key, from its first byte on.
    path = arguments.directory / KEY
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
    public = _signed(key, days=arguments.days).public_bytes(serialization.Encoding.PEM)
    (arguments.directory / CERTIFICATE).write_bytes(public)
    print(f"wrote {CERTIFICATE} and {KEY} in {arguments.directory}")
    return 0


def _signed(key: ec.EllipticCurvePrivateKey, *, days: int) -> x509.Certificate:
    # A common name has at most 64 characters.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, socket.gethostname()[:64])])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _MINUTE)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(socket.gethostname())]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
