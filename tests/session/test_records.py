"""The gate tells of each session when it opens, lasts longer and ends."""

from __future__ import annotations

import msgspec

from gameserver.ids import SessionId
from gameserver.ports import Admission, Identity
from gameserver.wire import codec, from_client
from gameserver.wire.codec import Format
from tests.adapters.ws_peer import until
from tests.session.parts import (
    FakeConnection,
    FakeVerifier,
    identity,
    make_gate,
)


class Records:
    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def opened(self, session_id: SessionId, identity: Identity) -> None:
        self.told.append(("opened", identity.expires_ms))

    def refreshed(self, session_id: SessionId, identity: Identity) -> None:
        self.told.append(("refreshed", identity.expires_ms))

    def closed(self, session_id: SessionId) -> None:
        self.told.append(("closed", 0))


async def test_records_follow_a_session() -> None:
    first = identity(expires_in_s=60)
    longer = msgspec.structs.replace(first, expires_ms=first.expires_ms + 1_000)
    records = Records()
    gate = make_gate(verifier=FakeVerifier(longer), records=records)
    session = gate.open(FakeConnection(Format.MSGPACK), Admission(identity=first))
    refresh = from_client.Refresh(ref=1, token="t" * 20)
    session.received(codec.encode_client(refresh, Format.MSGPACK, None))
    await until(lambda: len(records.told) == 2)
    session.closed()
    await gate.settle()
    assert records.told == [
        ("opened", first.expires_ms),
        ("refreshed", longer.expires_ms),
        ("closed", 0),
    ]
