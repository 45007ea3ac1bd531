"""A match played again from its recording has the digests that it had."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameserver.game.contract import AnyGame, Player, PlayerInput, Tick
from gameserver.games.arena import Arena
from gameserver.games.arena_state import ArenaState
from gameserver.games.arena_types import Move
from gameserver.hosting import Terms
from gameserver.ids import MatchId, PlayerId
from gameserver.operating import OperationRefused
from gameserver.replay.player import Replay
from gameserver.replay.recording import Recording, read_lines, write_lines
from gameserver.wire.event_record import Chunk
from gameserver.wire.recording import BadRecording, Leave, Op, Step, TimedStep, pack, unpack
from tests.fakes.memory_queue import MemorySink
from tests.match.games import Calm, Count, Do
from tests.match.house import House, in_virtual_time
from tests.replay.played import GAMES, RecordedArena, played, replayed
from tests.sim.loop import run

KINDS = [(name, mode) for name, game in GAMES.items() for mode in game.modes]


@pytest.mark.parametrize("game", list(GAMES))
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32), failovers=st.integers(0, 2), mode=st.integers(0, 10))
def test_random_matches_are_played_again(game: str, seed: int, failovers: int, mode: int) -> None:
    modes = list(GAMES[game].modes)
    chunks = run(played(seed, game, modes[mode % len(modes)], failovers=failovers))
    checked = replayed(chunks, GAMES[game])
    assert [one.problem for one in checked] == [None] * len(checked)
    assert len({one.epoch for one in checked}) == len([one for one in checked if one.revived]) + 1
    last = Recording(chunks)
    assert last.missing is None and last.ended is not None
    assert sum(one.inputs for one in checked) > 20
    assert all(one.recorded == one.computed for one in checked if one.recorded)


def _changed(chunk: Chunk, change: Callable[[list[Op]], list[Op]]) -> Chunk:
    [body] = pack(change(unpack([chunk.body])))
    return msgspec.structs.replace(chunk, body=body)


def _one_byte(ops: list[Op]) -> list[Op]:
    """The last byte of one input's data is another one: of echo the buttons."""
    for at in range(len(ops) - 1, -1, -1):
        op = ops[at]
        if isinstance(op, Step | TimedStep) and op.inputs:
            seat, seq, data = op.inputs[-1]
            sent = bytes(data)
            other = msgspec.Raw(sent[:-1] + bytes([sent[-1] ^ 1]))
            changed = [*op.inputs[:-1], (seat, seq, other)]
            return [*ops[:at], msgspec.structs.replace(op, inputs=changed), *ops[at + 1 :]]
    raise AssertionError("a chunk without inputs")


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), place=st.integers(0, 1000))
def test_one_changed_byte_of_an_input_is_found_in_its_chunk(seed: int, place: int) -> None:
    chunks = run(played(seed, "echo", failovers=0, seconds=4))
    ops = [unpack([chunk.body]) for chunk in chunks]
    playing = [
        one
        for one in range(len(chunks))
        # What somebody sent who has left by the end of the chunk is in no state.
        if any(isinstance(op, Step) for op in ops[one])
        and not any(isinstance(op, Leave) for op in ops[one])
    ]
    changed = playing[place % len(playing)]
    chunks[changed] = _changed(chunks[changed], _one_byte)
    checked = replayed(chunks, GAMES["echo"])
    assert [one.problem is None for one in checked] == [True] * changed + [False]
    assert checked[-1].chunk == chunks[changed].number
    first, end = chunks[changed].first_tick, chunks[changed].end_tick
    assert checked[-1].problem == f"within the ticks from {first} to {end}: the states differ"


def test_a_chunk_may_be_torn_but_not_unnoticed() -> None:
    chunks = run(played(1, "arena", failovers=0, seconds=3))
    torn = msgspec.structs.replace(chunks[2], body=chunks[2].body[:-3])
    with pytest.raises(BadRecording, match="cut off"):
        replayed([*chunks[:2], torn, *chunks[3:]], GAMES["arena"])
    with pytest.raises(BadRecording, match="first chunk is missing"):
        Recording(chunks[1:])
    gap = Recording([*chunks[:2], *chunks[3:]])
    assert (gap.missing, len(gap.sections)) == (3, 2)


class OtherRules(RecordedArena):
    """As after a change of the rules that nobody has numbered."""

    def step(self, state: ArenaState, inputs: Sequence[PlayerInput[Move]], tick: Tick) -> None:
        super().step(state, inputs, tick)
        if tick.number == 30:
            next(iter(state.bodies.values())).x += 1


class Raises(RecordedArena):
    def step(self, state: ArenaState, inputs: Sequence[PlayerInput[Move]], tick: Tick) -> None:
        if tick.number == 30:
            raise RuntimeError("not as it was")
        super().step(state, inputs, tick)


def test_other_rules_are_found_where_they_first_show() -> None:
    chunks = run(played(5, "arena", failovers=0, seconds=4))
    *fine, other = replayed(chunks, OtherRules())
    assert all(one.problem is None for one in fine)
    assert other.first_tick <= 30 < other.end_tick
    assert other.recorded != other.computed
    *fine, other = replayed(chunks, Raises())
    assert other.problem == "tick 30: the game raises RuntimeError('not as it was')"
    with pytest.raises(BadRecording, match="not of 'echo'"):
        Replay(Recording(chunks), GAMES["echo"])


class RecordedCount(Count):
    recorded = True


class RecordedCalm(Calm):
    recorded = True


@in_virtual_time
async def test_a_game_that_raised_raises_again() -> None:
    games: dict[str, AnyGame] = {"count": RecordedCount(), "calm": RecordedCalm()}
    for name, what in (("count", "fail"), ("calm", "fail"), ("count", "garbage")):
        async with House(games=games) as house:
            seated, _ = await house.join("a", name)
            seated.handle.input(1, Do("add", 3))
            await asyncio.sleep(1.4)
            seated.handle.input(2, Do(what))
            await asyncio.sleep(3)
            sink = MemorySink()
            sink.drain(house.queue)
        chunks = sink.recording(seated.joined.match)
        checked = replayed(chunks, games[name])
        assert [one.problem for one in checked] == [None] * len(checked)
        assert Recording(chunks).ended == "game_error"


class Draws(RecordedCount):
    """Draws before it refuses."""

    def join(self, state: object, player: Player, tick: Tick) -> None:  # type: ignore[override]
        tick.random.below(6)
        super().join(state, player, tick)  # type: ignore[arg-type]


@in_virtual_time
async def test_who_is_refused_leaves_no_trace() -> None:
    games: dict[str, AnyGame] = {"count": Draws()}
    async with House(games=games) as house:
        seated, _ = await house.join("a")
        seated.handle.input(1, Do("refuse"))
        await asyncio.sleep(1)
        with pytest.raises(Exception, match="closed"):
            await house.join("b", match=seated.joined.match)
        await asyncio.sleep(3)
        sink = MemorySink()
        sink.drain(house.queue)
    checked = replayed(sink.recording(seated.joined.match), games["count"])
    assert [one.problem for one in checked] == [None] * len(checked)


@in_virtual_time
async def test_what_players_settle_and_operators_do_is_played_again() -> None:
    games: dict[str, AnyGame] = {"count": RecordedCount()}
    match = MatchId("m1")
    async with House(games=games) as house:
        terms = Terms(by=PlayerId("a"), options={"total": 100}, players_max=3)
        await house.service.hosting.open(match, "count", "eight", terms)
        await house.join("a", match=match)
        operations = house.service.operations
        assert await operations.signal(match, 7) == {"total": 107}
        with pytest.raises(OperationRefused):
            await operations.signal(match, "refuse")
        with pytest.raises(OperationRefused, match="64 bits"):
            await operations.signal(match, 2**70)
        operations.kick(match, PlayerId("a"))
        await asyncio.sleep(1)
        await operations.end(match, "enough")
        await asyncio.sleep(3)
        sink = MemorySink()
        sink.drain(house.queue)
    checked = replayed(sink.recording(match), games["count"])
    assert [one.problem for one in checked] == [None] * len(checked)
    assert sum(one.leaves for one in checked) == 1


@in_virtual_time
async def test_nothing_is_recorded_where_nobody_wants_it() -> None:
    for game, recording in ((Count(), True), (RecordedCount(), False)):
        async with House(games={"count": game}, recording=recording) as house:
            seated, _ = await house.join("a")
            await asyncio.sleep(3)
            row = house.store.rows[house.runner(seated.joined.match).match_id]
            assert b'"chunk"' not in b"".join(row.outbox.values())
            sink = MemorySink()
            sink.drain(house.queue)
        assert sink.chunks == {} and sink.records


def test_a_recording_outlives_the_store_that_forgot_its_last_commits() -> None:
    """The owner goes on, and writes what was lost again: chunks too."""

    async def history() -> list[Chunk]:
        games: dict[str, AnyGame] = {"count": RecordedCount()}
        async with House(games=games) as house:
            seated, _ = await house.join("a")
            await asyncio.sleep(1.5)
            match_id = house.runner(seated.joined.match).match_id
            row = house.store.rows[match_id]
            kept = row.version, row.checkpoint, row.seq, dict(row.outbox)
            house.queue.down = True
            for seq in range(1, 30):
                seated.handle.input(seq, Do("add", seq))
                await asyncio.sleep(0.1)
            row.version, row.checkpoint, row.seq, row.outbox = kept
            await asyncio.sleep(6)
            assert house.metrics.commits_conflicting >= 1
            house.queue.down = False
            seated.handle.input(31, Do("end"))
            await asyncio.sleep(6)
            sink = MemorySink()
            sink.drain(house.queue)
            return sink.recording(match_id)

    chunks = run(history())
    assert Recording(chunks).ended == "finished"
    checked = replayed(chunks, RecordedCount())
    assert [one.problem for one in checked] == [None] * len(checked)


def test_what_is_too_large_for_one_message_is_cut_and_put_together_again() -> None:
    class Hoard(RecordedCount):
        """Its inputs do not compress."""

        Input = Do  # type: ignore[assignment]

    async def history() -> list[Chunk]:
        import random

        noise = random.Random(1)
        games: dict[str, AnyGame] = {"count": Hoard()}
        async with House(games=games, recording_bytes_max=4_000_000) as house:
            seated, _ = await house.join("a")
            for seq in range(1, 20):
                text = "".join(chr(noise.randrange(0x4E00, 0x9FFF)) for _ in range(20_000))
                seated.handle.input(seq, Do(text))
                await asyncio.sleep(0.051)
            await asyncio.sleep(3)
            seated.handle.input(99, Do("end"))
            await asyncio.sleep(3)
            sink = MemorySink()
            sink.drain(house.queue)
        return sink.recording(seated.joined.match)

    chunks = run(history())
    assert any(one.more for one in chunks)
    checked = replayed(chunks, RecordedCount())
    assert [one.problem for one in checked] == [None] * len(checked)
    assert sum(one.inputs for one in checked) == 20
    lines = list(write_lines(chunks))
    assert list(read_lines(lines)) == chunks


@in_virtual_time
async def test_a_match_pauses_where_its_recording_cannot_be_committed() -> None:
    games: dict[str, AnyGame] = {"count": RecordedCount()}
    async with House(
        games=games, recording_bytes_max=65_536, lease_ttl_ms=60_000, checkpoint_interval_ms=60_000
    ) as house:
        seated, watcher = await house.join("a")
        runner = house.runner(seated.joined.match)
        await asyncio.sleep(1)
        house.store.down = True
        for seq in range(1, 40):
            seated.handle.input(seq, Do("x" * 3_000))
            await asyncio.sleep(0.051)
        assert (runner.state, watcher.kinds[-1]) == ("paused", "Paused")
        house.store.down = False
        await asyncio.sleep(3)
        assert runner.state == "running"
        # It was committed long before the interval was over.
        recorder = runner.commits._recorder
        assert recorder is not None and recorder.pending < 16_384


def test_the_file_names_the_line_that_is_wrong() -> None:
    with pytest.raises(BadRecording, match="line 2"):
        list(read_lines([b"\n", b"{}\n"]))


def test_the_recorded_arena_is_the_arena() -> None:
    assert RecordedArena.step is Arena.step
