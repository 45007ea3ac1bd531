"""What becomes of parties by the rules alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameserver.ids import PlayerId
from gameserver.lobby import party as rules
from gameserver.parties import INVITES_MAX, Party, PartyId, PartyRefused

ANN, BOB, CID, DAN = (PlayerId(name) for name in ("ann", "bob", "cid", "dan"))


def a_party(*members: PlayerId, **invites: int) -> Party:
    asked = {PlayerId(name): until_ms for name, until_ms in invites.items()}
    return Party(id=PartyId("g"), leader=members[0], members=members, invites=asked)


def test_the_longest_member_leads_when_the_leader_goes() -> None:
    party = a_party(ANN, BOB, CID)
    left = party.without((ANN,))
    assert left is not None and (left.leader, left.members) == (BOB, (BOB, CID))
    promoted = rules.promoted(party, ANN, CID)
    assert promoted.leader == CID and promoted.members == party.members
    assert promoted.without((ANN, CID)) == a_party(BOB)
    assert party.without(party.members) is None
    assert party.without((DAN,)) is party


@pytest.mark.parametrize("act", ["invited", "withdrawn", "kicked", "promoted", "disbanded"])
def test_only_the_leader_leads(act: str) -> None:
    given = () if act == "disbanded" else (CID,)
    times = {"now_ms": 1, "until_ms": 2, "size_max": 3} if act == "invited" else {}
    with pytest.raises(PartyRefused) as error:
        getattr(rules, act)(a_party(ANN, BOB), BOB, *given, **times)
    assert error.value.code == rules.NOT_LEADER


def test_invites_end_and_have_a_most() -> None:
    open_ = {f"p{n}": 10 for n in range(INVITES_MAX)}
    party, times = a_party(ANN, **open_), {"until_ms": 99, "size_max": 3}
    with pytest.raises(PartyRefused) as error:
        rules.invited(party, ANN, BOB, now_ms=9, **times)
    assert error.value.code == rules.TOO_MANY_INVITES
    assert rules.invited(party, ANN, PlayerId("p3"), now_ms=9, **times).invites["p3"] == 99
    assert rules.invited(party, ANN, BOB, now_ms=10, **times).invites == {BOB: 99}
    asked = a_party(ANN, bob=10)
    assert rules.accepted(asked, BOB, now_ms=9, size_max=2) == a_party(ANN, BOB)
    for party, now_ms, size_max, code in (
        (asked, 10, 2, rules.NO_INVITE),
        (asked, 9, 1, rules.PARTY_FULL),
        (a_party(ANN), 9, 2, rules.NO_INVITE),
    ):
        with pytest.raises(PartyRefused) as error:
            rules.accepted(party, BOB, now_ms=now_ms, size_max=size_max)
        assert error.value.code == code


NAMES = [PlayerId(f"p{n}") for n in range(5)]


def done(party: Party, act: str, by: PlayerId, whom: PlayerId, now_ms: int) -> Party | None:
    match act:
        case "invite":
            until_ms = now_ms + 9
            return rules.invited(party, by, whom, now_ms=now_ms, until_ms=until_ms, size_max=3)
        case "accept":
            return rules.accepted(party, by, now_ms=now_ms, size_max=3)
        case "decline":
            return rules.declined(party, by)
        case "leave":
            return party.without((by,))
        case "kick":
            return rules.kicked(party, by, whom)
        case _:
            return rules.promoted(party, by, whom)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["invite", "accept", "decline", "leave", "kick", "promote"]),
            st.sampled_from(NAMES),
            st.sampled_from(NAMES),
        ),
        max_size=40,
    )
)
def test_whatever_is_done_a_party_stays_one(acts: list[tuple[str, PlayerId, PlayerId]]) -> None:
    """And to do the last thing once more changes nothing."""
    party: Party | None = rules.founded(PartyId("g"), NAMES[0])
    for now_ms, (act, by, whom) in enumerate(acts):
        try:
            party = None if party is None else done(party, act, by, whom, now_ms)
        except PartyRefused:
            continue
        if party is None:
            return
        assert party.leader in party.members and 1 <= len(party.members) <= 3
        assert len(set(party.members)) == len(party.members)
        assert not set(party.invites) & set(party.members)
        assert done(party, act, by, whom, now_ms) == party
