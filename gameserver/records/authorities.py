"""The authorities that a DSN trusts: whether they are there, before anybody connects.

Amazon RDS signs with authorities of its own, which no system knows, and their file has to be put
into the image by hand (deploy/trust). Without it the driver says "no such file", and not which.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_BEGIN = b"-----BEGIN CERTIFICATE-----"
_HELP = (
    "save the certificates of your database's authorities there (of Amazon RDS: the bundle of your "
    "region, as deploy/trust/rds.pem, before the image is built; deploy/trust/README.md)"
)


def check_authorities(dsn: str) -> None:
    """Raises ``ValueError`` with what to do if ``dsn`` names certificates that are not there."""
    try:
        named = parse_qs(urlsplit(dsn).query).get("sslrootcert", [])
    except ValueError:
        return  # No URL: the driver says what is wrong with it.
    for path in named:
        try:
            held = Path(path).read_bytes()
        except OSError as error:
            raise ValueError(f"sslrootcert={path}: {error.strerror}: {_HELP}") from None
        if _BEGIN not in held:
            raise ValueError(f"sslrootcert={path} holds no certificate: {_HELP}")
