"""What a bot does next: pure.

``full`` bots play: they see the view that a player sees and decide by it. ``scripted`` ones send
valid random inputs made beforehand; they never look at a view, so that one core drives thousands.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from gameserver.errors import ConfigError
from gameserver.game.contract import AnyGame
from gameserver.game.loader import load_game
from gameserver.game.random import SeededRandom
from gameserver.game.random_input import CannotGenerate, input_maker
from gameserver.games.bots import BOTS
from gameserver.wire import from_client
from gameserver.wire.codec import BadMessage, Format, decoder_for, encode_client, encode_value

SCRIPT_INPUTS = 64
SCRIPT_TRIES = 1_000


class Brain(Protocol):
    """One bot's will."""

    @property
    def needs_view(self) -> bool:
        """Whether ``payload`` looks at the view."""

    def payload(self, seq: int, view: Any, player: str, seat: int) -> bytes | None:
        """The next input as a message numbered ``seq``; ``None`` to send nothing now."""


class BotLike(Protocol):
    """What ``gameserver.games.bots.BOTS`` makes."""

    def decide(self, view: Any, player_id: Any, seat: int) -> msgspec.Struct | None: ...


class FullBrain:
    """Plays with the game's own bot."""

    needs_view = True

    def __init__(self, bot: BotLike, format: Format) -> None:
        self._bot = bot
        self._format = format

    def payload(self, seq: int, view: Any, player: str, seat: int) -> bytes | None:
        data = self._bot.decide(view, player, seat)
        if data is None:
            return None
        return encode_client(from_client.Input(seq, _NO_DATA), self._format, data)


class ScriptedBrain:
    """Repeats a script of ``SCRIPT_INPUTS`` encoded inputs, each bot from another place."""

    __slots__ = ("_is_msgpack", "_script", "_start")

    needs_view = False

    def __init__(self, script: list[msgspec.Raw], start: int, format: Format) -> None:
        self._script = script
        self._start = start
        self._is_msgpack = format is Format.MSGPACK

    def payload(self, seq: int, view: Any, player: str, seat: int) -> bytes | None:
        message = from_client.Input(seq, self._script[(self._start + seq) % SCRIPT_INPUTS])
        # What ``encode_client`` does for this format, at a third of its cost: it is called for
        # every input of thousands of bots.
        return _encode(message) if self._is_msgpack else encode_client(message, Format.JSON)


class Brains:
    """Makes the bots' brains for one game."""

    def __init__(self, game: AnyGame, *, kind: str, format: Format, seed: int) -> None:
        """Raises ``ConfigError`` where this game has no such brain."""
        self.game = game
        self._format = format
        self._seed = seed
        self._script: list[msgspec.Raw] = []
        if kind == "scripted":
            self._script = _script(game, format=format, seed=seed)
        elif game.name not in BOTS:
            raise ConfigError(
                f"game {game.name!r} has no bot of its own ({', '.join(sorted(BOTS))} have); "
                "use --brain scripted"
            )

    def make(self, number: int) -> Brain:
        """The brain of bot ``number``: the same for the same seed."""
        if self._script:
            return ScriptedBrain(self._script, number * 7, self._format)
        return FullBrain(BOTS[self.game.name](self._seed * 1_000_003 + number), self._format)


def load_brains(game: str, *, kind: str, format: Format, seed: int) -> Brains:
    """Raises ``ConfigError`` for an unknown game, or one that has no such brain."""
    return Brains(load_game(game), kind=kind, format=format, seed=seed)


def _script(game: AnyGame, *, format: Format, seed: int) -> list[msgspec.Raw]:
    """Inputs that the server's own decoder accepts: random ones may hold what it refuses, such as
    an infinity."""
    chance = SeededRandom(seed)
    make = input_maker(game.Input)
    decode = decoder_for(game, format).decode
    script: list[msgspec.Raw] = []
    reason = ""
    for _ in range(SCRIPT_TRIES):
        try:
            data = encode_value(make(chance), format)
            decode(encode_client(from_client.Input(1, data), format))
        except (CannotGenerate, BadMessage) as error:
            reason = str(error)
            continue
        script.append(data)
        if len(script) == SCRIPT_INPUTS:
            return script
    raise ConfigError(
        f"game {game.name!r}: only {len(script)} of {SCRIPT_TRIES} random inputs are valid "
        f"({reason}); use --brain full"
    )


_NO_DATA = msgspec.Raw()
_encode = msgspec.msgpack.Encoder().encode
