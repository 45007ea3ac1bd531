"""Plays a recording again, by the very code that played the match, and compares digests.

    replay = Replay(recording, game)
    for moment in replay.run():
        match moment:
            case Stepped(): replay.frame(None)
            case Checked(problem=None): …

A step is a moment, so that whoever plays decides how many to take at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from gameserver.game.contract import AnyGame, LeaveReason, Player, Setup
from gameserver.game.random import SeededRandom
from gameserver.hot import Given
from gameserver.ids import MatchId, PlayerId
from gameserver.match import checkpoint as checkpoints
from gameserver.match.checkpoint import BadCheckpoint, Checkpoint
from gameserver.match.chronicle import Chronicle
from gameserver.match.play import GAME_ERROR, Play
from gameserver.match.unsealed import Unsealed
from gameserver.replay.recording import Recording, Section
from gameserver.wire.event_record import Chunk
from gameserver.wire.frame import Broadcast, Frame
from gameserver.wire.recording import (
    BadRecording,
    End,
    Idle,
    Join,
    Leave,
    Op,
    Signal,
    Step,
    TimedStep,
    decoder,
    unpack,
)


class Stepped(msgspec.Struct, frozen=True):
    """A step is done; ``told``: the key events since the step before."""

    tick: int
    time_ms: int
    told: Sequence[Broadcast]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A section was played. ``recorded`` and ``computed`` are digests in hex, empty where there is
    none; ``problem`` says in what it differs from the match."""

    chunk: int
    epoch: int
    version: int
    revived: bool
    first_tick: int
    end_tick: int
    inputs: int
    joins: int
    leaves: int
    recorded: str
    computed: str
    problem: str | None


Moment = Stepped | Checked


class _Differs(Exception):
    """The game does not do what it did."""


class _Clock:
    """Implements ``ports.Clock``: wall time as it may have been."""

    ms = 0

    def wall_ms(self) -> int:
        return self.ms


class Replay:
    """``run`` once. ``state`` is the game's; ``players`` are those seated now, by seat."""

    def __init__(self, recording: Recording, game: AnyGame) -> None:
        """Raises ``BadRecording`` where ``game`` is another one, or cannot start."""
        if game.name != recording.game:
            raise BadRecording(f"the match is one of {recording.game!r}, not of {game.name!r}")
        self.recording = recording
        self.game = game
        self.players: dict[int, Player] = {}
        self._clock = _Clock()
        self._decode = decoder(game.Input).decode
        self._steps = self._inputs = self._joins = self._leaves = 0
        self._raised: Exception | None = None
        self._started_ms = self._clock.ms = recording.first.at_ms
        self._start(recording)

    def _start(self, recording: Recording) -> None:
        first, setup, game = recording.first, recording.setup, self.game
        random = SeededRandom(int(setup.seed))
        given = Setup(
            mode=first.mode,
            players_max=setup.players_max,
            options=setup.options,
            random=random,
        )
        try:
            state = game.start(given)
        except Exception as error:  # another version of the rules may raise anything
            raise BadRecording(f"{game.name} does not start from the setup: {error!r}") from error
        self._continue(random.state, state, chronicle=self._new_chronicle(first), tick=0)
        self.play.begin("replay")

    def _new_chronicle(self, first: Chunk) -> Chronicle:
        return Chronicle(
            match_id=MatchId(first.match),
            game=first.game,
            mode=first.mode,
            epoch=first.epoch,
            seq=0,
            entry_seq=0,
            keep=1,
            sealer=Unsealed(),
        )

    def _continue(
        self, random: int, state: msgspec.Struct, *, chronicle: Chronicle, tick: int
    ) -> None:
        first = self.recording.first
        self.chronicle = chronicle
        self.state = state
        origin = Checkpoint(
            match=first.match,
            game=first.game,
            mode=first.mode,
            players_max=self.recording.setup.players_max,
            created_ms=first.at_ms,
            tick=tick,
            time_ms=0,
            event_seq=chronicle.seq,
            random=random,
            state=checkpoints.NO_STATE,
            seats=[],
        )
        self.play = Play(
            origin,
            state,
            game=self.game,
            chronicle=chronicle,
            clock=self._clock,
            now=lambda: 0.0,
        )

    # ── what may be seen ─────────────────────────────────────────────────────────────────────

    @property
    def tick(self) -> int:
        """Steps played."""
        return self.play.tick

    @property
    def failed(self) -> bool:
        """Whether the game has raised, or as recorded did: then there is nothing more to see."""
        return self._raised is not None or self.play.ended == GAME_ERROR

    def frame(self, viewer: PlayerId | None) -> Frame:
        """What everyone sees now, or, where the game hides something, ``viewer``, if seated."""
        player = next((one for one in self.players.values() if one.id == viewer), None)
        return self.play.frame(player if self.game.hidden else None)

    def told(self) -> Sequence[Broadcast]:
        """The key events that were not asked for yet."""
        stated = self.chronicle.durable(self.chronicle.entry_seq)
        return [one.message for one in stated if one.message is not None]

    # ── playing ──────────────────────────────────────────────────────────────────────────────

    def run(self) -> Iterator[Moment]:
        """Every step, and after each section what became of it. Ends behind the first that
        differs: from there on it is another match. Raises ``BadRecording`` for a damaged one."""
        for section in self.recording.sections:
            self._inputs = self._joins = self._leaves = 0
            problem = None
            try:
                yield from self._section(section)
                self._compare(section.last)
            except _Differs as differs:
                problem = str(differs)
            yield self._checked(section.last, problem)
            if problem is not None:
                return

    def _section(self, section: Section) -> Iterator[Moment]:
        chunk = section.last
        if chunk.revived:
            self._revive()
        self.play.epoch = self.chronicle.epoch = chunk.epoch
        for op in unpack(section.pieces):
            if self._raised is not None and not isinstance(op, End):
                raise _Differs(f"tick {self.tick}: the game raises {self._raised!r}")
            yield from self._apply(op)
        if self._raised is not None and self.play.ended is None:
            raise _Differs(f"tick {self.tick}: the game raises {self._raised!r}")

    def _revive(self) -> None:
        """Another owner began with the decoded checkpoint: so must we."""
        try:
            encoded = checkpoints.encode_state(self.state)
            state = checkpoints.decode_state(encoded, self.game.State)
        except (BadCheckpoint, TypeError, ValueError, OverflowError) as error:
            told = f"tick {self.tick}: the state does not outlive its owner: {error}"
            raise _Differs(told) from error
        self._continue(self.play.random, state, chronicle=self.chronicle, tick=self.tick)

    def _apply(self, op: Op) -> Iterator[Moment]:
        match op:
            case Idle():
                for _ in range(op.count):
                    yield self._step((), None)
                    if self._raised is not None:
                        return
            case Step():
                yield self._step(op.inputs, None)
            case TimedStep():
                yield self._step(op.inputs, op.time_ms)
            case Join():
                self._join(op)
            case Leave():
                self._leave(op)
            case End():
                self._at(op.time_ms)
                if op.reason == GAME_ERROR:
                    self.play.fail(op.time_ms)
                else:
                    self.play.abandon(op.time_ms, op.closed)
            case Signal():
                self._signal(op)

    def _step(self, raw: Sequence[tuple[int, int, msgspec.Raw]], time_ms: int | None) -> Stepped:
        if time_ms is None:
            time_ms = self.tick * 1000 // self.game.tick_rate if self.game.tick_rate else 0
        self._at(time_ms)
        inputs = [self._given(seat, seq, data) for seat, seq, data in raw]
        self._inputs += len(inputs)
        self._steps += 1
        try:
            self.play.step(inputs, time_ms)
        except Exception as error:  # as a runner: whatever a game raises ends its match
            self._raised = error
        return Stepped(self.tick, time_ms, self.told())

    def _given(self, seat: int, seq: int, data: msgspec.Raw) -> Given:
        player = self.players.get(seat)
        if player is None:
            raise BadRecording(f"tick {self.tick}: an input of seat {seat}, where nobody sits")
        try:
            return Given(player.id, seat, seq, self._decode(data))
        except msgspec.DecodeError as error:
            raise _Differs(
                f"tick {self.tick}: an input of seat {seat} is none of this {self.game.name}: "
                f"{error}"
            ) from error

    def _join(self, op: Join) -> None:
        if op.seat in self.players:
            raise BadRecording(f"tick {self.tick}: two players in seat {op.seat}")
        player = Player(
            id=PlayerId(op.player),
            name=op.name,
            seat=op.seat,
            groups=op.groups,
            team=op.team,
            role=op.role,
        )
        self._at(op.time_ms)
        self._joins += 1
        try:
            self.play.join(player, op.time_ms)
        except Exception as error:  # refusals too: who was refused is not recorded
            self._raised = error
            return
        self.players[op.seat] = player

    def _leave(self, op: Leave) -> None:
        player = self.players.pop(op.seat, None)
        if player is None or op.reason not in set(LeaveReason):
            raise BadRecording(f"tick {self.tick}: seat {op.seat} is left as {op.reason!r}")
        self._at(op.time_ms)
        self._leaves += 1
        try:
            self.play.leave(player, LeaveReason(op.reason), op.time_ms)
        except Exception as error:
            self._raised = error

    def _signal(self, op: Signal) -> None:
        self._at(op.time_ms)
        try:
            self.play.signal(msgspec.msgpack.decode(op.message), op.time_ms)
        except Exception as error:  # refusals too: what was refused is not recorded
            self._raised = error

    def _at(self, time_ms: int) -> None:
        self._clock.ms = self._started_ms + time_ms

    # ── comparing ────────────────────────────────────────────────────────────────────────────

    def _compare(self, chunk: Chunk) -> None:
        within = f"within the ticks from {chunk.first_tick} to {chunk.end_tick}"
        if self._steps != chunk.end_tick:
            raise _Differs(f"{within}: {self._steps} steps are there instead of {chunk.end_tick}")
        if self.play.ended != chunk.ended:
            raise _Differs(
                f"{within}: the match {_how(self.play.ended)}; as recorded it {_how(chunk.ended)}"
            )
        if chunk.digest and self.play.digest() != chunk.digest:
            raise _Differs(f"{within}: the states differ")
        if self.chronicle.seq != chunk.event_seq:
            raise _Differs(
                f"{within}: {self.chronicle.seq} key events are stated by then; "
                f"as recorded {chunk.event_seq}"
            )

    def _checked(self, chunk: Chunk, problem: str | None) -> Checked:
        try:
            computed = self.play.digest().hex()
        except Exception:  # a state that cannot be encoded has none
            computed = ""
        return Checked(
            chunk=chunk.number,
            epoch=chunk.epoch,
            version=chunk.version,
            revived=chunk.revived,
            first_tick=chunk.first_tick,
            end_tick=chunk.end_tick,
            inputs=self._inputs,
            joins=self._joins,
            leaves=self._leaves,
            recorded=chunk.digest.hex(),
            computed=computed,
            problem=problem,
        )


def _how(ended: str | None) -> str:
    return "goes on" if ended is None else f"ends ({ended})"
