"""What members of parties are told."""

from __future__ import annotations

from gameserver.ids import PlayerId
from gameserver.lobby.party_news import PartyTeller
from gameserver.notification import Notification
from gameserver.parties import Notice, PartyId, PartyNotice

ANN, BOB = PlayerId("ann"), PlayerId("bob")


class Notices:
    """Implements ``notification.Notifier``."""

    def __init__(self) -> None:
        self.told: list[tuple[PlayerId, Notification]] = []

    def notify(self, player: PlayerId, notification: Notification) -> None:
        self.told.append((player, notification))


def test_members_are_notified_and_an_invite_waits() -> None:
    notices = Notices()
    teller = PartyTeller(notices, invite_ms=120_000)
    for kind in Notice:
        teller.tell([BOB], PartyNotice(kind=kind, party=PartyId("g"), player=ANN))
    told = {one.kind: one for _, one in notices.told}
    assert set(told) == {f"party_{kind}" for kind in Notice}
    assert {kind for kind, one in told.items() if one.keep_ms} == {"party_invited"}
    assert {kind for kind, one in told.items() if not one.sender} == {
        "party_kicked",
        "party_leader",
    }
    notice = PartyNotice(kind=Notice.MATCH, party=PartyId("g"), player=ANN, match="m1", until_ms=5)
    teller.tell([ANN, BOB], notice)
    assert [player for player, _ in notices.told[-2:]] == [ANN, BOB]
    assert notices.told[-1][1].data == {
        "party": "g", "player": "ann", "match": "m1", "until_ms": 5
    }  # fmt: skip
