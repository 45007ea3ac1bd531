"""Matches that players create: what they settle, who may come in, and the codes of private ones.

    HTTP API ──Hosting──► cluster ─┬─ CodeStore: code ──► match, password's hash; wrong guesses
    session ──Join{code}──►        └─ NodeCalls ──► the node that has the match: its guest list

Codes and passwords end at the node where a player comes in. The node that has the match knows its
guests by their ids alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from gameserver.errors import GameServerError
from gameserver.game.contract import AnyGame, Mode
from gameserver.ids import MatchId, PlayerId
from gameserver.listing import Visibility
from gameserver.ports import Identity

Option = int | float | str

LETTERS = "ACDEFGHJKMNPQRTUVWXY34679"
"""Of codes. Left out is what is taken for another: 0 O, 1 I L, 2 Z, 5 S, 8 B."""
CODE_LETTERS = 6
PASSWORD_CHARS_MAX = 64
GUESTS_MAX = 1_000


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the creator of a match has settled. Part of its checkpoint.

    ``guests``: for each the match time in ms until which a seat is kept; a private match takes
    nobody else. ``code``, ``password``: how others become guests; the password as its hash.
    ``players_max`` 0: the mode's."""

    by: PlayerId
    title: str = ""
    visibility: Visibility = Visibility.PUBLIC
    players_max: int = 0
    options: dict[str, Option] = {}
    guests: dict[PlayerId, int] = {}
    code: str = ""
    password: str = ""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A match to be created. ``password`` empty: none. ``reserve``: players whose seats are kept,
    as the creator's is, for ``reserve_ms``."""

    game: str
    mode: str = ""
    title: str = ""
    visibility: Visibility = Visibility.PUBLIC
    players_max: int = 0
    options: Mapping[str, Option] = {}
    password: str = ""
    reserve: Sequence[PlayerId] = ()
    reserve_ms: int = 120_000


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """``code`` empty: there is none. ``reserved_until_ms``: wall time."""

    match: MatchId
    mode: str
    players_max: int
    code: str
    reserved_until_ms: int


class HostRefused(GameServerError):
    """It cannot be done; ``code`` is a stable word, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


BAD_TERMS = "bad_terms"
BAD_CODE = "bad_code"
TOO_MANY_GUESSES = "too_many_guesses"


class Hosting(Protocol):
    """For players, on any node. Every method raises ``HostRefused`` (its codes are those above and
    ``to_client.ErrorCode``), ``NodeSilent`` and ``StoreUnavailable``."""

    async def create(self, wanted: Wanted, identity: Identity) -> Created:
        """Open a match; returns once it is durable."""

    async def join_by_code(
        self, code: str, password: str, identity: Identity, *, network: str = ""
    ) -> tuple[MatchId, int]:
        """Make the player a guest of the match behind ``code``: its id, and the wall time in ms
        until which a seat is kept. Wrong guesses are counted for the player and the network."""

    async def bring(self, match_id: MatchId, players: Sequence[PlayerId]) -> int:
        """Keep a seat for each of the players, of whom the first may come in, or for none of them;
        the wall time in ms until which. Returns once that is durable."""

    async def is_guest(self, match_id: MatchId, player_id: PlayerId) -> bool:
        """Whether the player has a seat in the match, or may take one."""


class CodeEntry(msgspec.Struct, frozen=True, array_like=True):
    """What a code stands for. ``password``: a hash, or empty."""

    match: MatchId
    password: str


class CodeStore(Protocol):
    """Codes of all nodes' matches; every method may raise ``StoreUnavailable``."""

    async def claim(self, code: str, entry: CodeEntry, *, ttl_ms: int) -> bool:
        """Take a code that is free; false if it is not."""

    async def find(self, code: str) -> CodeEntry | None:
        """What the code stands for."""

    async def keep(self, code: str, entry: CodeEntry, *, ttl_ms: int) -> None:
        """Let the match's code live on, or put it there again; no effect if it is another's."""

    async def release(self, code: str, match_id: MatchId) -> None:
        """The match does not need its code any more; no effect if it is another's."""

    async def spend(self, key: str, *, window_ms: int) -> int:
        """Count a guess of ``key``; how many it has made within the window."""

    async def refund(self, key: str) -> None:
        """The guess was right: it does not count."""


class Passwords(Protocol):
    """Slow hashes. Both may raise ``Unavailable`` where too many wait."""

    async def hashed(self, password: str) -> str:
        """To be stored; differs each time."""

    async def fits(self, password: str, stored: str) -> bool:
        """Whether ``stored`` is a hash of ``password``."""


def code_of(number: int) -> str:
    """A code from a random number of 63 bits."""
    letters = []
    for _ in range(CODE_LETTERS):
        number, letter = divmod(number, len(LETTERS))
        letters.append(LETTERS[letter])
    return "".join(letters)


def read_code(text: str) -> str:
    """A code as people write it: in any case, with spaces or dashes. Empty if it is none."""
    code = text.upper().replace(" ", "").replace("-", "")
    return code if len(code) == CODE_LETTERS and set(code) <= set(LETTERS) else ""


def check_terms(wanted: Wanted, game: AnyGame) -> tuple[str, Mode, int]:
    """The mode's name, the mode and how many players; raises ``HostRefused``."""
    name = wanted.mode or next(iter(game.modes))
    mode = game.modes.get(name)
    if mode is None:
        known = ", ".join(game.modes)
        raise HostRefused("unknown_mode", f"{game.name} has no mode {name!r}; it has {known}")
    for option, value in wanted.options.items():
        choices = mode.choices.get(option, ())
        if not any(value == one and type(value) is type(one) for one in choices):
            allowed = ", ".join(map(repr, choices)) or "nothing: it is not to be chosen"
            raise HostRefused(BAD_TERMS, f"option {option!r} allows {allowed}")
    players_max = wanted.players_max or mode.players_max
    if not mode.players_min <= players_max <= mode.players_max:
        raise HostRefused(
            BAD_TERMS, f"{name} takes {mode.players_min} to {mode.players_max} players"
        )
    if wanted.password and wanted.visibility is not Visibility.PRIVATE:
        raise HostRefused(BAD_TERMS, "only a private match has a password")
    if len(set(wanted.reserve)) >= players_max:
        raise HostRefused(BAD_TERMS, f"{players_max} seats, of which one is the creator's")
    return name, mode, players_max
