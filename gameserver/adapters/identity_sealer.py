"""A sealer that seals nothing: for tests, and for a development stack without keys."""

from __future__ import annotations

from collections.abc import Mapping


class IdentitySealer:
    """Implements ``players.port.FieldSealer`` without any protection."""

    async def seal(self, field: str, plaintext: str, context: Mapping[str, str]) -> bytes:
        """The text itself."""
        return plaintext.encode()

    async def open(self, field: str, sealed: bytes, context: Mapping[str, str]) -> str:
        """The text itself."""
        return sealed.decode()
