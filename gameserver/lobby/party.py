"""What becomes of a party when one of its players does something. Pure.

Each function gives the party that comes of it, the same one where nothing changes, or raises
``PartyRefused``. Who repeats what has been done gets the party as it is.
"""

from __future__ import annotations

import msgspec

from gameserver.ids import PlayerId
from gameserver.parties import INVITES_MAX, Party, PartyId, PartyRefused

NO_PARTY = "no_party"
NOT_LEADER = "not_leader"
NOT_A_MEMBER = "not_a_member"
NO_INVITE = "no_invite"
PARTY_FULL = "party_full"
TOO_MANY_INVITES = "too_many_invites"
ALREADY_IN_PARTY = "already_in_party"
BUSY = "party_busy"


def founded(party: PartyId, player: PlayerId) -> Party:
    """A party of one."""
    return Party(id=party, leader=player, members=(player,))


def invited(
    party: Party, by: PlayerId, guest: PlayerId, *, now_ms: int, until_ms: int, size_max: int
) -> Party:
    """The leader invites somebody, or does so again for longer."""
    _check_leader(party, by)
    if guest in party.members:
        return party
    invites = {one: until for one, until in party.invites.items() if until > now_ms}
    if len(party.members) >= size_max:
        raise PartyRefused(PARTY_FULL, f"a party has at most {size_max} players")
    if guest not in invites and len(invites) >= INVITES_MAX:
        raise PartyRefused(TOO_MANY_INVITES, f"{len(invites)} invites are open: wait for answers")
    return _with(party, invites={**invites, guest: until_ms})


def withdrawn(party: Party, by: PlayerId, guest: PlayerId) -> Party:
    """The leader takes an invite back."""
    _check_leader(party, by)
    return declined(party, guest)


def declined(party: Party, guest: PlayerId) -> Party:
    """Who was invited does not want to come."""
    return party.uninvited(guest)


def accepted(party: Party, guest: PlayerId, *, now_ms: int, size_max: int) -> Party:
    """Who was invited comes in."""
    if guest in party.members:
        return party
    if party.invites.get(guest, 0) <= now_ms:
        raise PartyRefused(NO_INVITE, "you are not invited, or not any more")
    if len(party.members) >= size_max:
        raise PartyRefused(PARTY_FULL, f"a party has at most {size_max} players")
    members = (*party.members, guest)
    return _with(party.uninvited(guest), members=members)


def kicked(party: Party, by: PlayerId, member: PlayerId) -> Party:
    """The leader puts a member out."""
    _check_leader(party, by)
    if member == by:
        raise PartyRefused(NOT_A_MEMBER, "you lead: leave the party instead, or disband it")
    left = party.without((member,))
    assert left is not None, "the leader stays"
    return left


def promoted(party: Party, by: PlayerId, member: PlayerId) -> Party:
    """The leader lets another one lead."""
    if party.leader == member and by in party.members:
        return party
    _check_leader(party, by)
    if member not in party.members:
        raise PartyRefused(NOT_A_MEMBER, "only a member can lead")
    return _with(party, leader=member)


def disbanded(party: Party, by: PlayerId) -> None:
    """The leader ends it."""
    _check_leader(party, by)


def _check_leader(party: Party, by: PlayerId) -> None:
    if party.leader != by:
        raise PartyRefused(NOT_LEADER, "only the leader may do this")


def _with(party: Party, **changes: object) -> Party:
    return msgspec.structs.replace(party, **changes)
