"""Small parts by themselves: packing, choosing, waiting."""

from __future__ import annotations

from typing import NamedTuple

from gameserver.ids import MatchId
from gameserver.lobby.quick_join import choose
from gameserver.match.backoff import delay_s
from gameserver.match.bundles import BATCH_BYTES_MAX, BODIES_MAX, BODY_BYTES_MAX, Packer
from gameserver.match.outbox import Outbox, Unrelayed
from gameserver.ports import OutboxEntry
from gameserver.wire import event_record


def outbox(name: str = "m", last_seq: int = 0) -> Outbox:
    return Outbox(MatchId(name), last_seq=last_seq, wake=lambda _: None)


def unrelayed(seq: int, size: int = 10) -> Unrelayed:
    return Unrelayed(OutboxEntry(seq, b'"' + b"x" * (size - 2) + b'"'), 0.0)


def test_records_are_packed_into_few_messages_within_all_limits() -> None:
    packer, mine = Packer(), outbox()
    taken = 0
    while packer.add(mine, unrelayed(taken + 1, 30_000)):
        taken += 1
    bundles = packer.finish()
    assert len(bundles) <= BODIES_MAX
    assert all(len(bundle.body) <= BODY_BYTES_MAX for bundle in bundles)
    assert BATCH_BYTES_MAX * 0.8 < sum(len(bundle.body) for bundle in bundles) <= BATCH_BYTES_MAX
    packed = [one.entry.seq for bundle in bundles for one in bundle.parts[mine]]
    assert packed == list(range(1, taken + 1))
    assert sum(len(event_record.decode_bundle(bundle.body)) for bundle in bundles) == taken


def test_ten_messages_are_the_most() -> None:
    packer, mine = Packer(), outbox()
    seq = 0
    while packer.add(mine, unrelayed(seq + 1, 65_000)):
        seq += 1
    assert len(packer.finish()) <= BODIES_MAX
    assert Packer().finish() == []


def test_an_outbox_trims_up_to_the_first_that_is_missing() -> None:
    mine = outbox(last_seq=4)
    assert (len(mine), mine.relayed_seq) == (0, 4)
    mine.offer(unrelayed(seq) for seq in range(3, 9))
    assert [one.entry.seq for one in mine.entries()] == [5, 6, 7, 8]
    mine.relayed([6, 8])
    assert mine.relayed_seq == 4
    mine.relayed([5])
    assert mine.relayed_seq == 6
    mine.offer([unrelayed(6), unrelayed(9)])
    mine.relayed([7, 9])
    assert (len(mine), mine.relayed_seq) == (0, 9)


class Room(NamedTuple):
    match_id: MatchId
    players: int
    players_max: int


def test_quick_join_prefers_the_fullest_then_the_oldest() -> None:
    rooms = [
        Room(MatchId(name), players, 8)
        for name, players in (("a", 1), ("b", 8), ("d", 5), ("c", 5), ("e", 0))
    ]
    chosen = choose(rooms)
    assert chosen is not None
    assert chosen.match_id == "c"
    assert choose([Room(MatchId("b"), 8, 8)]) is None
    assert choose([]) is None


def test_backoff_grows_to_its_limit_and_is_spread() -> None:
    assert delay_s(0, 0.0) == 0.025
    assert delay_s(3, 1.0) == 0.4
    assert delay_s(10_000, 0.999) <= 2.0
    assert delay_s(10_000, 0.0) == 1.0
    assert delay_s(50, 0.0, max_s=8) == 4
