"""What a proposal must be, said a second time and as plainly as the rules say it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from gameserver.game.matchmaking import Rules
from gameserver.matchmaking import Proposal, Ticket, TicketId


def faults(
    proposal: Proposal, tickets: Mapping[TicketId, Ticket], rules: Rules, now_ms: int
) -> list[str]:
    """Everything that is wrong with a new match."""
    members = [tickets[one] for one in proposal.tickets]
    return [
        *_shape(proposal, members, rules, now_ms),
        *_skill(members, rules, now_ms),
        *_latency(proposal, members, rules, now_ms),
        *_properties(proposal, members, rules),
    ]


def _shape(proposal: Proposal, members: list[Ticket], rules: Rules, now_ms: int) -> list[str]:
    found = []
    teams: dict[int, list[str]] = {team: [] for team in range(rules.teams)}
    place_of = {place.player: place for place in proposal.places}
    players = [one.player for ticket in members for one in ticket.players]
    if sorted(players) != sorted(place_of) or len(set(players)) < len(players):
        found.append("places are not those of the tickets' players")
        return found
    for place in proposal.places:
        teams[place.team].append(place.role)
    sizes = [len(team) for team in teams.values()]
    waited_s = max(now_ms - one.enqueued_ms for one in members) / 1000
    fewest = rules.team_size_min or rules.team_size
    if max(sizes) > rules.team_size or min(sizes) < fewest or max(sizes) - min(sizes) > 1:
        found.append(f"teams of {sizes}")
    if sum(sizes) < rules.size and waited_s < rules.fill_s:
        found.append("began early with fewer")
    for roles in teams.values():
        count = Counter(roles)
        if any(count[role.name] != role.count for role in rules.roles):
            found.append(f"roles {roles}")
    for ticket in members:
        if len({place_of[one.player].team for one in ticket.players}) > 1:
            found.append("a party was parted")
        for one in ticket.players:
            role = place_of[one.player].role
            if role and one.roles and role not in one.roles:
                found.append(f"{one.player} plays {one.roles}, not {role}")
    return found


def _skill(members: list[Ticket], rules: Rules, now_ms: int) -> list[str]:
    if rules.skill is None:
        return []
    means = [sum(one.skill for one in each.players) / len(each.players) for each in members]
    waited_s = max(now_ms - each.enqueued_ms for each in members) / 1000
    window = min(rules.skill.window_max, rules.skill.window + rules.skill.widen_per_s * waited_s)
    if max(means) - min(means) > window + 1e-6:
        return [f"skills from {min(means)} to {max(means)}, window {window}"]
    return []


def _latency(proposal: Proposal, members: list[Ticket], rules: Rules, now_ms: int) -> list[str]:
    latency = rules.latency
    if latency is None:
        return []
    found = []
    for ticket in members:
        waited_s = (now_ms - ticket.enqueued_ms) / 1000
        limit = min(latency.limit_ms_max, latency.limit_ms + latency.widen_per_s * waited_s)
        distance = ticket.wish.latency_ms.get(proposal.region)
        if distance is None or distance > limit + 1e-6:
            found.append(f"{proposal.region} is {distance} ms away, limit {limit}")
    return found


def _properties(proposal: Proposal, members: list[Ticket], rules: Rules) -> list[str]:
    found = []
    for choice in rules.required:
        agreed = proposal.properties[choice.name]
        found += [
            f"{choice.name} {agreed} is not accepted"
            for ticket in members
            if agreed not in (ticket.wish.accepts.get(choice.name) or choice.values)
        ]
    for each in rules.ranges:
        number = proposal.properties[each.name]
        for ticket in members:
            low, high = ticket.wish.ranges.get(each.name, (each.low, each.high))
            if not low <= float(number) <= high:
                found.append(f"{each.name} {number} is not accepted")
    return found
