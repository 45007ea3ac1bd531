"""The fronts of snapshots and deltas, for bots that never look at the view.

A msgpack array is decoded only as far as its Struct has fields; msgspec skips the rest, which for
a delta of eight entities costs a third of decoding it.
"""

from __future__ import annotations

import msgspec

SNAPSHOT = 3
DELTA = 4


class SnapshotHead(msgspec.Struct, array_like=True, gc=False):
    """``[3, epoch, tick, server_ms, acks, …]``"""

    kind: int
    epoch: int
    tick: int
    server_ms: int
    acks: list[int]


class DeltaHead(msgspec.Struct, array_like=True, gc=False):
    """``[4, epoch, tick, server_ms, acks, base, …]``"""

    kind: int
    epoch: int
    tick: int
    server_ms: int
    acks: list[int]
    base: int


decode_snapshot_head = msgspec.msgpack.Decoder(SnapshotHead).decode
decode_delta_head = msgspec.msgpack.Decoder(DeltaHead).decode
