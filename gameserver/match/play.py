"""The rules side of one match: calls the game, and writes down what it says.

No clock, no network, no players' connections: those are the runner's. Whatever a game raises goes
through to the caller, which ends the match with ``fail``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec

from gameserver.game.contract import AnyGame, LeaveReason, Player, Refused
from gameserver.game.random import SeededRandom
from gameserver.game.step import Ended, StepTick
from gameserver.hot import Beat, Given
from gameserver.match import checkpoint
from gameserver.match.checkpoint import Checkpoint
from gameserver.match.chronicle import Chronicle
from gameserver.match.recorder import Recorder
from gameserver.ports import Clock
from gameserver.wire import event_record, recording
from gameserver.wire.cut import tables_of
from gameserver.wire.frame import Frame
from gameserver.wire.sensitive import sensitive_fields

FINISHED = "finished"
ABANDONED = "abandoned"
GAME_ERROR = "game_error"
_MIX = 0xD1342543DE82EF95


class Play:
    """``ended`` is the reason once the match is over; ``beat`` what its steps touch, of which this
    keeps the rules' part."""

    __slots__ = (
        "_clock",
        "_game",
        "_now",
        "_origin",
        "_random",
        "_recorder",
        "_tick",
        "beat",
        "chronicle",
        "ended",
    )

    def __init__(
        self,
        origin: Checkpoint,
        state: msgspec.Struct | None,
        *,
        game: AnyGame,
        chronicle: Chronicle,
        clock: Clock,
        now: Callable[[], float],
        recorder: Recorder | None = None,
    ) -> None:
        self.ended = origin.ended
        self.chronicle = chronicle
        self._origin = origin
        self._random = SeededRandom(origin.random)
        self._clock = clock
        self._now = now
        self._recorder = recorder
        self.beat = beat = Beat()
        beat.owner = self
        beat.tick, beat.epoch = origin.tick, chronicle.epoch
        beat.tape = None if recorder is None else recorder.tape
        beat.wall_ms, beat.frame_of = clock.wall_ms, Frame
        self._play_by(game, state)

    def _play_by(self, game: AnyGame, state: Any) -> None:
        self._game = game
        self._tick = StepTick.of(game, self._random)
        beat = self.beat
        beat.state, beat.moment, beat.rules = state, self._tick, game.step
        beat.rate, beat.hidden = game.tick_rate, game.hidden
        beat.encode_view, beat.tables = game.encode_view, tables_of(game.View)

    @property
    def tick(self) -> int:
        """Steps completed."""
        return self.beat.tick

    @tick.setter
    def tick(self, tick: int) -> None:
        self.beat.tick = tick

    @property
    def epoch(self) -> int:
        """The fence under which the match is owned."""
        return self.beat.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self.beat.epoch = epoch

    def begin(self, node: str) -> None:
        """State that the match has started. The seed is cut to what every JSON reader can hold."""
        self._fact(
            event_record.MATCH_STARTED,
            None,
            event_record.MatchStarted(
                players_max=self._origin.players_max,
                seed=self._origin.random & (2**53 - 1),
                node=node,
            ),
        )

    def join(self, player: Player, time_ms: int) -> None:
        """Raises ``Refused``, and nothing has changed, where the game says no."""
        self._tick.reset(self.tick, time_ms)
        drawn = self._random.state
        try:
            self._game.join(self.beat.state, player, self._tick)
        except Refused:
            self._random.state = drawn
            raise
        except Exception:
            if self._recorder is not None:
                self._recorder.joined(player, time_ms)
            raise
        if self._recorder is not None:
            self._recorder.joined(player, time_ms)
        self._fact(
            event_record.PLAYER_JOINED,
            player.id,
            event_record.PlayerJoined(name=player.name, seat=player.seat),
        )
        self.stated(time_ms)

    def signal(self, message: Any, time_ms: int) -> Any:
        """An operator speaks to the game; its answer. Raises ``Refused``, and nothing has changed,
        where the game says no."""
        recorder, drawn = self._recorder, self._random.state
        # Encoded first: the game may keep what it hears, and change it.
        heard = None if recorder is None else msgspec.Raw(msgspec.msgpack.encode(message))
        self._tick.reset(self.tick, time_ms)
        try:
            answer = self._game.signal(self.beat.state, message, self._tick)
        except Refused:
            self._random.state = drawn
            raise
        except Exception:
            if recorder is not None and heard is not None:
                recorder.signalled(heard, time_ms)
            raise
        if recorder is not None and heard is not None:
            recorder.signalled(heard, time_ms)
        self.stated(time_ms)
        return answer

    def leave(self, player: Player, reason: LeaveReason, time_ms: int) -> None:
        """Tell the game that a player has left for good."""
        if self._recorder is not None:
            self._recorder.left(player, reason, time_ms)
        self._tick.reset(self.tick, time_ms)
        self._game.leave(self.beat.state, player, reason, self._tick)
        self._fact(
            event_record.PLAYER_LEFT,
            player.id,
            event_record.PlayerLeft(reason=reason, seat=player.seat),
        )
        self.stated(time_ms)

    def step(self, inputs: Sequence[Given], time_ms: int) -> None:
        """One step of the rules alone."""
        self.beat.advance(inputs, time_ms)

    def exchange(self, game: AnyGame, state: msgspec.Struct) -> None:
        """Go on by the rules of ``game``, from ``state``."""
        ended = self._tick.ended
        self._play_by(game, state)
        self._tick.ended = ended

    def bot(self, player: Player) -> msgspec.Struct | None:
        """What a bot does now; the match's own generator stays where it is."""
        mixed = (self.tick * 1024 + player.seat + 1) * _MIX
        data = self._game.bot(self.beat.state, player, SeededRandom(self._random.state ^ mixed))
        if data is not None and not isinstance(data, type(self._game).Input):
            raise TypeError(f"bot() gave {type(data).__name__}, which is no Input of the game")
        return data

    def team_of(self, player: Player) -> str | None:
        """See ``contract.Game.team_of``."""
        return self._game.team_of(self.beat.state, player)

    def wake_at(self) -> int | None:
        """When a match without a rate wants to step, in ms of match time."""
        return self._game.wake_at(self.beat.state)

    def frame(self, player: Player | None) -> Frame:
        """What everyone sees now, or ``player`` where the game hides something."""
        beat = self.beat
        if player is None:
            return cast(Frame, beat.frame())
        return self._frame(self._game.view_for(beat.state, player))

    def _frame(self, view: msgspec.Struct) -> Frame:
        return Frame.of(
            epoch=self.epoch,
            tick=self.tick,
            server_ms=self._clock.wall_ms(),
            acks=self.beat.acks,
            view=view,
        )

    @property
    def state(self) -> Any:
        """The game's state, to be looked at."""
        return self.beat.state

    @property
    def view(self) -> Any:
        """What everyone may see."""
        return self._game.view(self.beat.state)

    def public_frame(self) -> Frame:
        """What spectators see of a game that hides something."""
        return self._frame(self._game.view_public(self.beat.state))

    def abandon(self, time_ms: int, reason: str = "") -> None:
        """Nobody is left, or (``reason``) somebody wants it."""
        if self._recorder is not None:
            self._recorder.ended(ABANDONED, time_ms, reason)
        if reason:
            self._fact(event_record.MATCH_CLOSED, None, event_record.MatchClosed(reason=reason))
        self._end(ABANDONED, None, time_ms)

    def fail(self, time_ms: int) -> None:
        """The game has raised. What it said in that call is dropped, its state is not used."""
        if self.ended is None:
            if self._recorder is not None:
                self._recorder.ended(GAME_ERROR, time_ms)
            self._end(GAME_ERROR, None, time_ms)

    def encode_state(self) -> msgspec.Raw:
        """Of a match that is over nothing is kept. Raises msgspec's errors."""
        if self.ended is not None:
            return checkpoint.NO_STATE
        return checkpoint.encode_state(self.beat.state)

    def digest(self, encoded: msgspec.Raw | None = None) -> bytes:
        """Names the state, also that of a match that is over; ``encoded``: it, if it is at hand.
        Empty after a ``GAME_ERROR``, or where the last state cannot be encoded."""
        if self.ended == GAME_ERROR:
            return b""
        if encoded is None or self.ended is not None:
            try:
                encoded = checkpoint.encode_state(self.beat.state)
            except Exception:  # the game's state may hold anything
                if self.ended is None:
                    raise
                return b""
        return recording.state_digest(encoded, self._random.state)

    @property
    def random(self) -> int:
        """The generator's state."""
        return self._random.state

    def stated(self, time_ms: int) -> None:
        """The game was called, and may have stated events or the end: write them down."""
        tick = self._tick
        at_ms, at = self._clock.wall_ms(), self._now()
        for emitted in tick.take():
            self.chronicle.state(
                emitted.kind,
                emitted.player_id,
                emitted.data(),
                sensitive=emitted.sensitive,
                tick=self.tick,
                at_ms=at_ms,
                at=at,
            )
        if tick.ended is not None and self.ended is None:
            self._end(FINISHED, tick.ended, time_ms)

    def _end(self, reason: str, ended: Ended | None, time_ms: int) -> None:
        result = None if ended is None or ended.result is None else ended.result
        self._fact(
            event_record.MATCH_ENDED,
            None,
            event_record.MatchEnded(
                reason=reason,
                ticks=self.tick,
                duration_ms=time_ms,
                standings=[
                    event_record.Place(player=one.player_id, place=one.place, score=one.score)
                    for one in (ended.standings if ended is not None else ())
                ],
                result=None if result is None else msgspec.to_builtins(result, str_keys=True),
            ),
        )
        self.ended = reason

    def _fact(self, kind: str, player: str | None, data: msgspec.Struct) -> None:
        self.chronicle.state(
            kind,
            player,
            msgspec.to_builtins(data),
            sensitive=sensitive_fields(type(data)),
            tick=self.tick,
            at_ms=self._clock.wall_ms(),
            at=self._now(),
        )
