"""A close look at what a game shows: views change nothing, survive the wire, and keep secrets."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gameserver.game import packed
from gameserver.game.contract import Game
from gameserver.game.random import SeededRandom

if TYPE_CHECKING:
    from gameserver.game.testkit import Play

SPECTATORS = -1
"""Their place among the views of seats."""

_encode = packed.encode
_encode_json = msgspec.json.Encoder().encode


class Scrutiny:
    """For ``testkit.Play``. ``view_bytes``: the largest view so far."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self._decode = msgspec.msgpack.Decoder(play.plan.game.View).decode
        self.view_bytes = 0

    def encoded_for_all(self, state: Any) -> bytes:
        """What everyone sees, however the game comes by the bytes."""
        encoded = self.encoded(self._play.call("view", state))
        if type(self._play.game).encode_view is not Game.encode_view:
            self._play.require(
                self._play.call("encode_view", state) == encoded,
                "encode_view() gives other bytes than view() encoded",
            )
        return encoded

    def encoded(self, view: Any) -> bytes:
        """The view, whose type and size are right."""
        self._play.require(isinstance(view, self._play.plan.game.View), "a view must be a View")
        encoded = _encode(view)
        self.view_bytes = max(self.view_bytes, len(encoded))
        self._play.require(
            len(encoded) <= self._play.plan.view_bytes_max,
            f"a view takes {len(encoded)} bytes; the limit is {self._play.plan.view_bytes_max}",
        )
        return encoded

    def _views(self, state: Any) -> dict[int | None, bytes]:
        """What everyone sees, by seat; ``None``: who has none."""
        views: dict[int | None, bytes] = {None: self.encoded_for_all(state)}
        if self._play.game.hidden and self._play.game.spectate_delay_ms is not None:
            views[SPECTATORS] = self.encoded(self._play.call("view_public", state))
        see = partial(self._play.call, "view_for" if self._play.game.hidden else "view")
        for seat, player in self._play.seated.items():
            given = (state, player) if self._play.game.hidden else (state,)
            views[seat] = self.encoded(see(*given))
        return views

    def look(self, state: bytes) -> None:
        """``state``: the play's own, encoded."""
        views = self._views(self._play.state)
        self._play.require(_encode(self._play.state) == state, "a view changed the state")
        for encoded in views.values():
            view = self._decode(encoded)
            self._play.require(_encode(view) == encoded, "a view changes when it is sent")
            self._play.require(bool(_encode_json(view)), "a view has no JSON form")
        if self._play.plan.mode.bots is not None:
            self._look_at_bots(state)
        secrets = self._play.plan.secrets
        if secrets is None:
            return
        random = SeededRandom(self._play.plan.seed + len(self._play.history))
        for seat, player in self._play.seated.items():
            other = self._play.decode(state)
            secrets(other, player, random)
            for viewer, encoded in self._views(other).items():
                self._play.require(
                    viewer == seat or encoded == views[viewer],
                    f"what only seat {seat} may know shows in the view of "
                    f"{'spectators' if viewer in (None, SPECTATORS) else f'seat {viewer}'}",
                )

    def _look_at_bots(self, state: bytes) -> None:
        for seat, player in self._play.seated.items():
            done = [
                self._play.call("bot", of, player, SeededRandom(self._play.plan.seed + seat))
                for of in (self._play.state, self._play.decode(state))
            ]
            self._play.require(_encode(self._play.state) == state, "bot() changed the state")
            self._play.require(_encode(done[0]) == _encode(done[1]), "bot() is not deterministic")
            fits = done[0] is None or isinstance(done[0], self._play.plan.game.Input)
            self._play.require(fits, "bot() must give an Input, or None")
