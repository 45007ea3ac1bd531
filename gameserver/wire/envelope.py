"""Sensitive data at rest: sealed by AES-256-GCM under a data key, which KMS has wrapped.

    field    "gs1." base64url( key id 16 | nonce 12 | ciphertext n | tag 16 )
    record   {…, "key": "<key id>.<wrapped key>", "data": {"name": "gs1.…"}}
    blob     "gs1b" | length of the wrapped key 2 | wrapped key | key id 16 | nonce 12
             | ciphertext n | tag 16

``gs1`` is the version: another cipher or layout gets another number. A field's plaintext is its
value as JSON. The place (match, number and field of an event; the match of a checkpoint) is
authenticated as associated data, so that what is moved elsewhere cannot be opened there.

The wrapped key stands once in a record, not in each field; the worker stores it once for all
(``data_keys``). A data key's id is random, and bound to it by KMS' encryption context.

Nonces are 96 random bits, so one key must not seal more than 2^32 times (NIST SP 800-38D, 8.3:
then two are equal with a chance below 2^-32); data keys end long before that, see
``adapters/data_keys.py``.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
KEY_ID_BYTES = 16
NONCE_BYTES = 12
WRAPPED_BYTES_MAX = 512
"""AWS' wrapped AES-256 keys take about 190 bytes."""

RandomBytes = Callable[[int], bytes]
Place = tuple[str | int, ...]

_FIELD = "gs1."
_BLOB = b"gs1b"
_TAG_BYTES = 16
_HEAD = KEY_ID_BYTES + NONCE_BYTES
_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode


class BadEnvelope(ValueError):
    """Not an envelope, damaged, of another key, or not of this place."""


class DataKey:
    """A key in use: ``id`` names it, ``wrapped`` is what KMS makes of it."""

    __slots__ = ("cipher", "id", "wrapped")

    def __init__(self, key_id: bytes, plain: bytes, wrapped: bytes) -> None:
        if len(key_id) != KEY_ID_BYTES or len(plain) != KEY_BYTES:
            raise ValueError("a data key has an id of 16 bytes and 32 bytes of its own")
        if not 0 < len(wrapped) <= WRAPPED_BYTES_MAX:
            raise ValueError(f"a wrapped key of {len(wrapped)} bytes, not 1 to {WRAPPED_BYTES_MAX}")
        self.id = key_id
        self.wrapped = wrapped
        self.cipher = AESGCM(plain)


def key_name(key_id: bytes) -> str:
    """A key's id as text: 22 characters."""
    return _to_text(key_id)


def key_id_of(name: str) -> bytes:
    """The id of a ``key_name``. Raises ``BadEnvelope``."""
    return _to_bytes(name)


def encryption_context(key_id: bytes) -> dict[str, str]:
    """What KMS binds a wrapped key to, and logs in CloudTrail."""
    return {"gameserver:data-key": key_name(key_id)}


def reference(key: DataKey) -> str:
    """A record's ``key``."""
    return reference_to(key_name(key.id), key.wrapped)


def reference_to(name: str, wrapped: bytes) -> str:
    """The ``reference`` of the data key with this ``key_name``."""
    return f"{name}.{_to_text(wrapped)}"


def read_reference(text: str) -> tuple[bytes, bytes]:
    """A key's id and the wrapped key. Raises ``BadEnvelope``."""
    name, _, wrapped = text.partition(".")
    key_id = _to_bytes(name)
    if len(key_id) != KEY_ID_BYTES or not wrapped:
        raise BadEnvelope("not the reference of a data key")
    return key_id, _to_bytes(wrapped)


# ── fields ───────────────────────────────────────────────────────────────────────────────────────


def seal_field(key: DataKey, value: Any, place: Place, *, random: RandomBytes) -> str:
    """``value`` as an envelope that only opens in ``place``."""
    return _FIELD + _to_text(_seal(key, _encode_json(value), place, random))


def field_key(value: Any) -> bytes | None:
    """The id of the data key of a sealed value; ``None`` for any other value."""
    if not isinstance(value, str) or not value.startswith(_FIELD):
        return None
    try:
        sealed = _to_bytes(value[len(_FIELD) :])
    except BadEnvelope:
        return None
    return sealed[:KEY_ID_BYTES] if len(sealed) >= _HEAD + _TAG_BYTES else None


def open_field(cipher: AESGCM, text: str, place: Place) -> Any:
    """The value of an envelope of ``field_key``'s key. Raises ``BadEnvelope``."""
    if not text.startswith(_FIELD):
        raise BadEnvelope("not a sealed field")
    plain = _open(cipher, _to_bytes(text[len(_FIELD) :]), place)
    try:
        return _decode_json(plain)
    except msgspec.DecodeError as error:
        raise BadEnvelope(f"not JSON inside: {error}") from error


def sealed_bytes_max(plain_bytes: int, fields: int) -> int:
    """What a record of ``plain_bytes`` takes at most once ``fields`` of it are sealed."""
    head = len(_FIELD) + _HEAD + _TAG_BYTES
    return (plain_bytes + fields * head + KEY_ID_BYTES + WRAPPED_BYTES_MAX) * 4 // 3 + 64


# ── blobs ────────────────────────────────────────────────────────────────────────────────────────


def seal_blob(key: DataKey, plain: bytes, place: Place, *, random: RandomBytes) -> bytes:
    """``plain`` as an envelope that carries its wrapped key and only opens in ``place``."""
    length = len(key.wrapped).to_bytes(2, "big")
    return b"".join((_BLOB, length, key.wrapped, _seal(key, plain, place, random)))


def blob_key(blob: bytes) -> tuple[bytes, bytes] | None:
    """Id and wrapped form of a blob's key; ``None`` for what is no sealed blob."""
    if not blob.startswith(_BLOB):
        return None
    wrapped, sealed = _parts(blob)
    return (sealed[:KEY_ID_BYTES], wrapped) if len(sealed) >= _HEAD + _TAG_BYTES else None


def open_blob(cipher: AESGCM, blob: bytes, place: Place) -> bytes:
    """What ``seal_blob`` was given. Raises ``BadEnvelope``."""
    if not blob.startswith(_BLOB):
        raise BadEnvelope("not a sealed blob")
    return _open(cipher, _parts(blob)[1], place)


def _parts(blob: bytes) -> tuple[bytes, bytes]:
    start = len(_BLOB) + 2
    end = start + int.from_bytes(blob[len(_BLOB) : start], "big")
    return blob[start:end], blob[end:]


# ── inside ───────────────────────────────────────────────────────────────────────────────────────


def _seal(key: DataKey, plain: bytes, place: Place, random: RandomBytes) -> bytes:
    nonce = random(NONCE_BYTES)
    return key.id + nonce + key.cipher.encrypt(nonce, plain, _associated(place))


def _open(cipher: AESGCM, sealed: bytes, place: Place) -> bytes:
    if len(sealed) < _HEAD + _TAG_BYTES:
        raise BadEnvelope("cut short")
    nonce, rest = sealed[KEY_ID_BYTES:_HEAD], sealed[_HEAD:]
    try:
        return cipher.decrypt(nonce, rest, _associated(place))
    except InvalidTag:
        raise BadEnvelope("damaged, of another key, or not of this place") from None


def _associated(place: Place) -> bytes:
    return b"gs1" + _encode_json(place)


def _to_text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _to_bytes(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (Base64Error, UnicodeEncodeError) as error:
        raise BadEnvelope(f"not base64url: {error}") from None


Ciphers = Mapping[bytes, AESGCM]
"""Data keys ready to open with, by id."""
