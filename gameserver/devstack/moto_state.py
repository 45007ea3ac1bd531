"""moto's memory as bytes, and back."""

from __future__ import annotations

import io
import pickle
from typing import Any, cast

import moto
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from moto import backends

SERVICES = ("cognito-idp", "kms", "dynamodb")


def freeze() -> bytes:
    """All that moto holds for ``SERVICES``; nothing may change it meanwhile."""
    held = {
        service: {account: dict(regions) for account, regions in _backends(service).items()}
        for service in SERVICES
    }
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump((moto.__version__, held))
    return buffer.getvalue()


def thaw(frozen: bytes) -> bool:
    """Put back what ``freeze`` gave; false where another version of moto wrote it.

    Only for a file of this stack's own: unpickling runs what the bytes say."""
    version, held = pickle.loads(frozen)
    if version != moto.__version__:
        return False
    for service, accounts in held.items():
        for account, regions in accounts.items():
            for region, backend in regions.items():
                # moto's mapping would make a backend of its own on assignment.
                dict.__setitem__(_backends(service)[account], region, backend)
    return True


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, RSAPrivateKey):
            return NotImplemented
        pem = obj.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return _rsa_key, (pem,)


def _rsa_key(pem: bytes) -> RSAPrivateKey:
    return cast(RSAPrivateKey, serialization.load_pem_private_key(pem, None))


def _backends(service: str) -> Any:
    return cast(Any, backends.get_backend)(service)
