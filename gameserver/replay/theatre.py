"""Replays for people to watch: who may, how many at once, and at which price for the matches here.

    Recordings ──► Recording ──► Replay, a few ms at a time ──► WebSocket frames ──► HTTP API

One replay at a time, in slices with pauses, so that it takes at most a fourth of the event loop
and never holds up a tick for longer than ``SLICE_S`` and one step.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager

from gameserver.config import Config
from gameserver.errors import ReplayRefused
from gameserver.game.contract import AnyGame
from gameserver.ids import PlayerId
from gameserver.ports import Identity, Recordings, ReplaySection, ReplayShown
from gameserver.replay.player import Checked, Replay, Stepped
from gameserver.replay.recording import Recording
from gameserver.wire import to_client
from gameserver.wire.codec import Format
from gameserver.wire.frame import Broadcast, Frame
from gameserver.wire.recording import BadRecording, Join, unpack

SLICE_S = 0.003
PAUSE_S = 3 * SLICE_S
SNAPSHOT_EVERY_S = 5
"""Between whole views, from which a player of the stream can start: it seeks in such steps."""
PART_BYTES = 16_384
BUSY_S = 5.0


class Theatre:
    """Implements ``ports.Replays``."""

    def __init__(
        self, config: Config, *, games: Mapping[str, AnyGame], recordings: Recordings
    ) -> None:
        self._config = config
        self._games = games
        self._recordings = recordings
        self._busy = False

    async def describe(self, match_id: str, viewer: Identity) -> ReplayShown:
        """See ``ports.Replays``."""
        with self._alone():
            recording, game = await self._find(match_id, viewer)
        return ReplayShown(
            match=recording.match,
            game=recording.game,
            mode=recording.mode,
            version=game.version,
            versions=sorted({one.last.version for one in recording.sections}),
            tick_rate=game.tick_rate,
            ticks=recording.end_tick,
            started_ms=recording.first.at_ms,
            ended=recording.ended,
            sections=[
                ReplaySection(
                    chunk=one.last.number,
                    first_tick=one.last.first_tick,
                    end_tick=one.last.end_tick,
                    epoch=one.last.epoch,
                )
                for one in recording.sections
            ],
        )

    async def frames(
        self, match_id: str, viewer: Identity, *, seen_by: PlayerId | None
    ) -> AsyncGenerator[bytes, None]:
        """See ``ports.Replays``."""
        with self._alone():
            recording, game = await self._find(match_id, viewer)
            if seen_by is not None and not self._is_operator(viewer):
                raise ReplayRefused(403, "not_an_operator", "Only operators choose whose eyes.")
            eyes = viewer.player_id if seen_by is None else seen_by
            stream = _Stream(_started(recording, game), eyes)
            loop = asyncio.get_running_loop()
            until, part = loop.time() + SLICE_S, b""
            for piece in stream.run():
                part += piece
                if len(part) >= PART_BYTES:
                    yield part
                    part = b""
                if loop.time() >= until:
                    await asyncio.sleep(PAUSE_S)
                    until = loop.time() + SLICE_S
            if part:
                yield part

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._busy:
            raise ReplayRefused(
                429, "busy", "Another replay is being shown; wait a moment.", retry_after_s=BUSY_S
            )
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    async def _find(self, match_id: str, viewer: Identity) -> tuple[Recording, AnyGame]:
        """The recording, if ``viewer`` may see it. Of a match that is still played only operators
        may: its views might be those of an opponent."""
        try:
            chunks = await self._recordings.pieces(match_id)
            if not chunks:
                raise ReplayRefused(404, "no_recording", "Nothing is stored of such a match.")
            recording = Recording(chunks)
        except BadRecording as error:
            raise ReplayRefused(422, "bad_recording", f"{error}.") from error
        game = self._games.get(recording.game)
        if game is None:
            raise ReplayRefused(
                422, "game_not_installed", f"{recording.game} is not installed here."
            )
        if recording.end_tick > self._config.replay_ticks_max:
            most = self._config.replay_ticks_max
            raise ReplayRefused(422, "replay_too_long", f"More than {most} ticks are not shown.")
        if self._is_operator(viewer):
            return recording, game
        if recording.ended is None:
            raise ReplayRefused(409, "not_over", "The end of the match is not stored yet.")
        if game.hidden and not await _played(recording, viewer.player_id):
            raise ReplayRefused(403, "not_a_player", "Only who has played in it may watch.")
        return recording, game

    def _is_operator(self, viewer: Identity) -> bool:
        # An ID token says who somebody is, not what its bearer may do.
        return viewer.token_use == "access" and self._config.admin_group in viewer.groups


def _started(recording: Recording, game: AnyGame) -> Replay:
    try:
        return Replay(recording, game)
    except BadRecording as error:
        raise ReplayRefused(422, "bad_recording", f"{error}.") from error


async def _played(recording: Recording, player_id: PlayerId) -> bool:
    """Whether somebody ever had a seat."""
    for section in recording.sections:
        try:
            ops = unpack(section.pieces)
        except BadRecording as error:
            raise ReplayRefused(422, "bad_recording", f"{error}.") from error
        if any(isinstance(op, Join) and op.player == player_id for op in ops):
            return True
        await asyncio.sleep(0)
    return False


class _Stream:
    """A replay as the messages of one socket."""

    def __init__(self, replay: Replay, eyes: PlayerId) -> None:
        self._replay = replay
        self._eyes = eyes
        self._base: Frame | None = None
        self._every = SNAPSHOT_EVERY_S * replay.game.tick_rate or 10
        self._whole_at = 0

    def run(self) -> Iterator[bytes]:
        """One piece a step; ends with ``Left``: ``ended``, ``differs``, ``damaged`` or ``cut``."""
        replay = self._replay
        yield self._joined() + self._frame()
        reason = "cut" if replay.recording.missing is not None else "ended"
        try:
            for moment in replay.run():
                match moment:
                    case Stepped():
                        yield _told(moment.told) + self._frame()
                    case Checked(problem=None):
                        yield _told(replay.told())
                    case Checked():
                        reason = "differs"
        except BadRecording:
            reason = "damaged"
        yield _message(to_client.Left(0, replay.recording.match, reason))

    def _frame(self) -> bytes:
        replay = self._replay
        if replay.failed:
            return b""
        try:
            frame = replay.frame(self._eyes)
        except Exception:  # a game's view may raise anything; the match went on, or ended by it
            return b""
        base = self._base if frame.tick < self._whole_at else None
        if base is None:
            self._whole_at = frame.tick + self._every
        self._base = frame
        return frame.encoded(Format.MSGPACK, base)

    def _joined(self) -> bytes:
        replay, recording = self._replay, self._replay.recording
        return _message(
            to_client.Joined(
                ref=0,
                match=recording.match,
                game=recording.game,
                mode=recording.mode,
                epoch=recording.first.epoch,
                tick=0,
                tick_rate=replay.game.tick_rate,
                seat=-1,
                input_seq=0,
                seq=0,
                resumed=False,
                seats=[],
            )
        )


def _message(message: to_client.Joined | to_client.Left) -> bytes:
    return Broadcast(message).encoded(Format.MSGPACK)


def _told(told: Sequence[Broadcast]) -> bytes:
    return b"".join(one.encoded(Format.MSGPACK) for one in told)
