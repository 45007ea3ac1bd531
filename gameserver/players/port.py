"""Players' profiles and the record of their sessions: the values, their bounds, and the ports.

    http_profiles ──ProfileDesk──► profiles.Profiles ──ProfileStore──► dynamodb_profiles
    gate ──ports.SessionRecords──► recorder.SessionRecorder ──SessionStore──► dynamodb_sessions

What is sensitive is sealed before it reaches a store or the cache, and opened for its reader alone:
``FieldSealer`` is the one seam for that.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Annotated, Protocol

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gameserver.ids import PlayerId, SessionId
from gameserver.ports import Identity

NAME_CHARS_MAX = 32
AVATAR_CHARS_MAX = 256
EMAIL_CHARS_MAX = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets
SETTINGS_MAX = 64
SETTINGS_BYTES_MAX = 4_096
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's categories of what cannot be seen, or changes how its surroundings are."""

Setting = Annotated[str, Meta(max_length=1_024)] | float | bool | None
"""``None`` takes a setting away."""
SettingName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}\Z")]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What a player sees of themselves. ``version`` counts from 1; times are wall ms."""

    player_id: PlayerId
    display_name: str
    email: str | None
    avatar: str
    settings: dict[str, Setting]
    version: int
    created_ms: int
    updated_ms: int


class PublicProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What everybody may see."""

    player_id: PlayerId
    display_name: str
    avatar: str


class ProfileChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a player changes: what is left out stays. Settings are merged by name (RFC 7396), null
    takes one away."""

    display_name: Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)] | UnsetType = UNSET
    email: Annotated[str, Meta(max_length=EMAIL_CHARS_MAX)] | UnsetType | None = UNSET
    avatar: Annotated[str, Meta(max_length=AVATAR_CHARS_MAX)] | UnsetType = UNSET
    settings: Annotated[dict[SettingName, Setting], Meta(max_length=SETTINGS_MAX)] | UnsetType = (
        UNSET
    )

    def check(self) -> None:
        """What no type can say. Raises ``BadChange``."""
        if isinstance(self.display_name, str):
            if self.display_name != self.display_name.strip():
                raise BadChange("display_name neither starts nor ends with a space")
            _check_seen("display_name", self.display_name)
        if isinstance(self.avatar, str):
            _check_seen("avatar", self.avatar)
        if isinstance(self.email, str):
            _check_seen("email", self.email)
            name, _, domain = self.email.rpartition("@")
            if not name or not domain or " " in self.email:
                raise BadChange("email is not an address")


class BadChange(Exception):
    """A change that a profile cannot take, of the right form though it is; says why."""


def _check_seen(what: str, text: str) -> None:
    if any(unicodedata.category(character) in _UNSEEN for character in text):
        raise BadChange(f"{what} is one line of characters that can be seen")


def first_name(given: str) -> str:
    """A display name from what the token calls the player; never empty, within the bounds."""
    seen = "".join(c for c in given if unicodedata.category(c) not in _UNSEEN)
    return seen.strip()[:NAME_CHARS_MAX].strip() or "player"


class Conflict(msgspec.Struct, frozen=True):
    """The answer to a change of another version than the one that is there now."""

    version: int


class ProfileDesk(Protocol):
    """Profiles, as the HTTP API asks for them. Every method may raise ``Unavailable``."""

    async def own(self, identity: Identity) -> Profile:
        """The player's profile; made if there is none."""

    async def public(self, player_id: PlayerId) -> PublicProfile | None:
        """What others may see; ``None`` where there is none."""

    async def change(
        self, identity: Identity, change: ProfileChange, *, version: int
    ) -> Profile | Conflict:
        """Change ``version``. Raises ``BadChange``."""


# ── what is stored ───────────────────────────────────────────────────────────────────────────────


class FieldSealer(Protocol):
    """Encrypts single fields. ``context`` is bound to the result: opening with another one fails.
    Both may raise ``Unavailable``."""

    async def seal(self, field: str, plaintext: str, context: Mapping[str, str]) -> bytes:
        """What may be stored."""

    async def open(self, field: str, sealed: bytes, context: Mapping[str, str]) -> str:
        """What was sealed. Raises ``ValueError`` for what was not sealed so."""


CACHE_KIND = "profile.1"
"""Starts the key of a cached ``StoredProfile``; a change that breaks its readers counts it up."""
RATINGS_KIND = "rating.1"
"""The same of a player's cached ratings."""


BLOCKS_KIND = "blocks.1"
"""The same for whom a player has blocked."""


def sealed_for(player_id: PlayerId) -> dict[str, str]:
    """What a sealed field of a profile is bound to, beside its own name."""
    return {"table": "profiles", "player_id": player_id}


class StoredProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile as stores and the cache have it. ``display_name`` and ``email`` are sealed;
    ``settings`` is JSON."""

    player_id: PlayerId
    display_name: bytes
    email: bytes | None
    avatar: str
    settings: str
    version: int
    created_ms: int
    updated_ms: int


class ProfileStore(Protocol):
    """Profiles by player; every method may raise ``TableUnavailable``, after which what was asked
    may or may not have happened."""

    async def get(self, player_id: PlayerId) -> StoredProfile | None:
        """What was written last in this region."""

    async def create(self, profile: StoredProfile) -> bool:
        """False, and nothing done, where the player has one. The same again answers true."""

    async def replace(self, profile: StoredProfile) -> bool:
        """Write version n over n - 1; false, and nothing done, where that is not the one that is
        there. The same again answers true."""


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A connection of a player. ``connected_ms``: wall ms; ``expires_at``: wall seconds, after
    which it does not count, whether it was removed or not."""

    player_id: PlayerId
    session_id: SessionId
    node: str
    connected_ms: int
    expires_at: int


class SessionStore(Protocol):
    """Records of sessions; every method may raise ``TableUnavailable``."""

    async def put(self, record: SessionRecord) -> bool:
        """False, and nothing done, where a newer word on this session is there."""

    async def remove(self, record: SessionRecord) -> bool:
        """False, and nothing done, where it is there, but not of this node and connection."""

    async def of_player(self, player_id: PlayerId) -> list[SessionRecord]:
        """Those that count, the newest first, ``SESSIONS_LISTED_MAX`` at most."""


SESSIONS_LISTED_MAX = 100
