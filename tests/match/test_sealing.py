"""What tells of a person leaves a match sealed, once, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import msgspec
import pytest

from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.sealing import KmsSealer, SealedMatchStore, SealedRecordings
from gameserver.errors import KeysUnavailable
from gameserver.game.contract import AnyGame, Player, PlayerInput, Sensitive, Tick
from gameserver.replay.recording import Recording
from gameserver.wire import envelope, event_record, sealed_record
from gameserver.wire.recording import BadRecording, Join, unpack
from tests.fakes.clock import EPOCH_MS
from tests.fakes.memory_keys import MemoryKms, data_keys
from tests.fakes.memory_recordings import MemoryRecordings
from tests.match.games import Count, Do, State
from tests.match.house import House, Queue, Store, in_virtual_time
from tests.replay.played import replayed

NAME = b"ADA"
TEXT = b"my secret sentence"


class Said(msgspec.Struct, tag="said"):
    text: Annotated[str, Sensitive]
    length: int


class Keeping(State):
    names: list[str] = msgspec.field(default_factory=list)


class Chatty(Count):
    """Keeps names in its state, and chat in its events."""

    name = "chatty"
    State: ClassVar = Keeping
    Event: ClassVar = Said

    def start(self, setup: Any) -> Keeping:
        return Keeping()

    def join(self, state: State, player: Player, tick: Tick) -> None:
        assert isinstance(state, Keeping)
        state.names.append(player.name)

    def step(self, state: State, inputs: Sequence[PlayerInput[Do]], tick: Tick) -> None:
        for given in inputs:
            tick.emit(Said(TEXT.decode(), given.data.amount), player_id=given.player_id)


class Town:
    """Nodes that share a store, a queue and KMS; each has keys of its own."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.kms = MemoryKms()
        self.store = Store(lambda: EPOCH_MS + loop.time() * 1000)
        self.store.groups = []
        self.queue = Queue()
        self.tasks: list[asyncio.Task[None]] = []

    async def house(
        self,
        node: str,
        *,
        keys: DataKeys | None = None,
        games: dict[str, AnyGame] | None = None,
        **config: Any,
    ) -> House:
        keys = keys or await data_keys(self.kms)
        self.tasks.append(asyncio.create_task(keys.run()))
        return House(
            node=node,
            store=SealedMatchStore(self.store, keys),  # type: ignore[arg-type]
            queue=self.queue,
            games=games or {"chatty": Chatty()},
            sealer=KmsSealer(keys),
            **config,
        )

    def stored(self) -> bytes:
        """All that is in the store and the queue."""
        rows = self.store.rows.values()
        parts = [row.checkpoint or b"" for row in rows]
        parts += [record for row in rows for record in row.outbox.values()]
        return b"\n".join(parts + [body.encode() for body in self.queue.bodies])

    def records(self) -> dict[int, event_record.EventRecord]:
        events = [raw for raw in self._relayed() if not event_record.is_chunk(raw)]
        return {record.seq: record for record in map(event_record.decode_record, events)}

    def chunks(self) -> list[event_record.Chunk]:
        relayed = {raw for raw in self._relayed() if event_record.is_chunk(raw)}
        return sorted(map(event_record.decode_chunk, relayed), key=lambda one: one.number)

    def _relayed(self) -> list[bytes]:
        return [raw for body in self.queue.bodies for raw in event_record.decode_bundle(body)]


def data_of(message: Any) -> Any:
    return message._data if message.seq else {}


@in_virtual_time
async def test_names_and_chat_are_nowhere_but_with_the_players() -> None:
    town = Town()
    async with await town.house("n1") as house:
        seated, watcher = await house.join("ada", "chatty")
        seated.handle.input(1, Do(amount=3))
        await asyncio.sleep(2)
        said = next(one for one in watcher.messages if one.seq and "text" in data_of(one))
        assert data_of(said) == {"text": TEXT.decode(), "length": 3}
        assert house.runner(seated.joined.match).play.state.names == ["ADA"]
        assert b"ada" in town.stored(), "the search finds what is there"
        assert NAME not in town.stored()
        assert TEXT not in town.stored()
        joined, chat = town.records()[2], town.records()[3]
        assert (joined.data["seat"], chat.data["length"]) == (0, 3)
        assert joined.key is not None
        key_id, wrapped = envelope.read_reference(joined.key)
        key = await town.kms.unwrap(key_id, wrapped)
        opened = sealed_record.opened(joined.data, joined.id, {key_id: key.cipher})
        assert opened == {"name": "ADA", "seat": 0}


@in_virtual_time
async def test_an_event_is_sealed_once_however_often_its_commit_is_repeated() -> None:
    town = Town()
    async with await town.house("n1") as house:
        seated, _ = await house.join("ada", "chatty")
        runner = house.runner(seated.joined.match)
        town.store.down = True
        await asyncio.sleep(0.5)
        first = [entry.record for entry in runner.commits.prepare_commit().records]  # type: ignore[union-attr]
        await asyncio.sleep(1)
        town.store.down = False
        await asyncio.sleep(2)
        relayed = [event_record.encode_record(one) for one in town.records().values()]
        assert relayed[: len(first)] == first


@in_virtual_time
async def test_the_next_owner_opens_the_match_and_relays_the_same_bytes() -> None:
    town = Town()
    second = await town.house("n2")
    first = await town.house("n1")
    await first.service.start()
    town.queue.down = True
    seated, watcher = await first.join("ada", "chatty")
    match_id, epoch = seated.joined.match, seated.joined.epoch
    seated.handle.input(1, Do())
    await asyncio.sleep(2)
    before = dict(town.store.rows[match_id].outbox)
    assert len(before) == 3
    await first.service.stop()
    async with second:
        await asyncio.sleep(4)
        again, _ = await second.join("ada", match=match_id, resume=(epoch, 1))
        assert [data_of(one).get("name") for one in again.missed[:1]] == ["ADA"]
        assert data_of(again.missed[1])["text"] == TEXT.decode()
        assert [seat.name for seat in again.joined.seats] == ["ADA"]
        assert second.runner(match_id).play.state.names == ["ADA"]
        town.queue.down = False
        await asyncio.sleep(2)
        relayed = {seq: event_record.encode_record(one) for seq, one in town.records().items()}
        assert {seq: relayed[seq] for seq in before} == before
        assert town.kms.unwrapped == 1
        assert watcher.events == [1, 2, 3]


@in_virtual_time
async def test_without_a_key_nothing_is_written_and_the_match_pauses_at_its_bound() -> None:
    town = Town()
    keys = await data_keys(town.kms, age_ms=20_000)
    async with await town.house("n1", keys=keys, uncommitted_events_max=20) as house:
        seated, watcher = await house.join("ada", "chatty")
        runner = house.runner(seated.joined.match)
        town.kms.down = True
        await asyncio.sleep(16)
        assert runner.state == "running", "an outage of less than half the age is not noticed"
        version = town.store.rows[runner.match_id].version
        for seq in range(1, 30):
            seated.handle.input(seq, Do())
            await asyncio.sleep(0.3)
        assert (runner.state, runner.uncommitted) == ("paused", 20)
        assert watcher.kinds[-1] == "Paused"
        assert town.store.rows[runner.match_id].version == version
        assert town.store.rows[runner.match_id].leased_until_ms > EPOCH_MS + 24_000, "still ours"
        town.kms.down = False
        await asyncio.sleep(20)
        assert runner.state == "running"
        assert watcher.events == list(range(1, watcher.events[-1] + 1))
        assert watcher.kinds.count("said") >= 20
        assert TEXT not in town.stored()


@in_virtual_time
async def test_a_match_whose_key_kms_does_not_give_is_taken_over_once_it_does() -> None:
    town = Town()
    first, second = await town.house("n1"), await town.house("n2")
    await first.service.start()
    seated, _ = await first.join("ada", "chatty")
    await asyncio.sleep(2)
    await first.service.stop()
    town.kms.down = True
    async with second:
        await asyncio.sleep(10)
        assert second.service.listing() == []
        town.kms.down = False
        await asyncio.sleep(4)
        [info] = second.service.listing()
        assert (info.id, info.state) == (seated.joined.match, "running")


@in_virtual_time
async def test_a_damaged_checkpoint_is_left_alone() -> None:
    town = Town()
    first, second = await town.house("n1"), await town.house("n2")
    await first.service.start()
    seated, _ = await first.join("ada", "chatty")
    await asyncio.sleep(2)
    await first.service.stop()
    row = town.store.rows[seated.joined.match]
    assert row.checkpoint is not None
    row.checkpoint = row.checkpoint[:-1] + bytes([row.checkpoint[-1] ^ 1])
    async with second:
        await asyncio.sleep(5)
        assert second.service.listing() == []
        other, _ = await second.join("bob", "chatty")
        assert other.joined.seat == 0, "others play on"
    for task in town.tasks:
        assert not task.done()


class Long(Chatty):
    """Says more than a record holds once it is sealed, though not before."""

    name = "chatty"

    def step(self, state: State, inputs: Sequence[PlayerInput[Do]], tick: Tick) -> None:
        for _ in inputs:
            tick.emit(Said("x" * 60_000, 1))


@in_virtual_time
async def test_an_event_that_is_too_long_when_sealed_ends_its_match_when_it_is_stated() -> None:
    town = Town()
    house = await town.house("n1", games={"chatty": Long()})
    async with house:
        seated, watcher = await house.join("ada", "chatty")
        seated.handle.input(1, Do())
        await asyncio.sleep(1)
        assert house.metrics.games_failed == 1
        assert watcher.reasons == ["game_error"]
        assert "said" not in watcher.kinds


class Recorded(Chatty):
    recorded = True


async def sealed_recording(town: Town) -> list[event_record.Chunk]:
    """Of a match that two nodes have played, which ended because the player left."""
    games: dict[str, AnyGame] = {"chatty": Recorded()}
    first = await town.house("n1", games=games)
    second = await town.house("n2", games=games, empty_match_ms=1_000)
    await first.service.start()
    town.queue.down = True
    seated, _ = await first.join("ada", "chatty")
    seated.handle.input(1, Do(amount=3))
    await asyncio.sleep(3)
    match_id = seated.joined.match
    outbox = town.store.rows[match_id].outbox.values()
    kept = {raw for raw in outbox if event_record.is_chunk(raw)}
    assert kept
    await first.service.stop()
    async with second:
        await asyncio.sleep(4)
        again, _ = await second.join("ada", match=match_id, resume=(seated.joined.epoch, 1))
        again.handle.leave("left")
        town.queue.down = False
        await asyncio.sleep(5)
        chunks = town.chunks()
        assert kept <= {event_record.encode_record(one) for one in chunks}, "sealed once"
    return chunks


@in_virtual_time
async def test_a_recording_is_sealed_as_a_whole_and_played_again_where_it_is_opened() -> None:
    town = Town()
    chunks = await sealed_recording(town)
    assert all(envelope.blob_key(one.body) is not None for one in chunks)
    stored = MemoryRecordings()
    match_id = stored.put(chunks)
    opened = await SealedRecordings(stored, await data_keys(town.kms)).pieces(match_id)
    names = [op.name for one in opened for op in unpack([one.body]) if isinstance(op, Join)]
    assert names == ["ADA"]
    checked = replayed(opened, Recorded())
    assert [one.problem for one in checked] == [None] * len(opened)
    assert sum(one.revived for one in checked) == 1
    assert Recording(opened).ended == "abandoned"


@in_virtual_time
async def test_a_recording_opens_in_its_place_only_and_not_without_kms() -> None:
    town = Town()
    chunks = await sealed_recording(town)
    moved = msgspec.structs.replace(chunks[0], body=chunks[1].body)
    with pytest.raises(BadRecording):
        unpack([chunks[0].body])
    stored = MemoryRecordings()
    match_id = stored.put([moved, *chunks[1:]])
    recordings = SealedRecordings(stored, await data_keys(town.kms))
    with pytest.raises(BadRecording, match="chunk 1 cannot be opened"):
        await recordings.pieces(match_id)
    stored.put(chunks)
    opened = await recordings.pieces(match_id)
    stored.put(opened)
    assert await recordings.pieces(match_id) == opened, "what was stored before sealing began"
    stored.put(chunks)
    town.kms.down = True
    fresh = MemoryKms()
    elsewhere = SealedRecordings(stored, await data_keys(fresh))
    fresh.down = True
    with pytest.raises(KeysUnavailable):
        await elsewhere.pieces(match_id)
