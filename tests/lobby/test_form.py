"""Which tickets are brought together: each rule by itself, and all of them against an oracle."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameserver.game.matchmaking import Choice, Latency, Range, Role, Rules, Skill
from gameserver.ids import MatchId
from gameserver.lobby.crowd import Crowd, arrivals
from gameserver.lobby.form import form
from gameserver.lobby.pool import Pool
from gameserver.lobby.rules import Compiled
from gameserver.lobby.seats import Seats
from gameserver.matchmaking import Proposal, Vacancy
from tests.lobby.builders import DUEL, formed, numbered, ticket, together
from tests.lobby.oracle import faults


def test_the_oldest_gets_the_nearest_in_skill() -> None:
    rules = Rules(team_size=2, skill=Skill(window=1000, window_max=1000))
    found = formed(
        rules, ticket("a", 1000, at_ms=1), ticket("b", 1400, at_ms=0), ticket("c", 1300, at_ms=2)
    )
    assert together(found) == [{"b", "c"}]


def test_a_skill_window_widens_with_waiting_up_to_its_end() -> None:
    rules = Rules(team_size=2, skill=Skill(window=100, widen_per_s=10, window_max=300))
    far = ticket("a", 1000), ticket("b", 1250)
    assert formed(rules, *far, now_ms=14_000) == []
    assert together(formed(rules, *far, now_ms=15_000)) == [{"a", "b"}]
    too_far = ticket("a", 1000), ticket("b", 1301)
    assert formed(rules, *too_far, now_ms=3_600_000) == []


def test_who_waits_longest_sets_the_window_and_the_others_need_not() -> None:
    rules = Rules(team_size=2, skill=Skill(window=100, widen_per_s=10, window_max=300))
    found = formed(rules, ticket("a", 1000), ticket("b", 1250, at_ms=15_000), now_ms=15_000)
    assert together(found) == [{"a", "b"}]


def test_parties_stay_in_one_team() -> None:
    rules = Rules(teams=2, team_size=3, party_max=3)
    found = formed(rules, ticket("a", size=2), ticket("b", size=2), ticket("c"), ticket("d"))
    assert len(found) == 1 and len(found[0].places) == 6
    # Two pairs and a third: no team of three can be made of the pairs alone.
    assert formed(rules, ticket("a", size=2), ticket("b", size=2), ticket("c", size=2)) == []


def test_roles_are_filled_even_if_the_first_comer_must_step_aside() -> None:
    rules = Rules(team_size=3, roles=(Role("healer"), Role("tank")))
    found = formed(
        rules,
        ticket("any"),
        ticket("both", roles=("healer", "tank"), at_ms=1),
        ticket("healer", roles=("healer",), at_ms=2),
    )
    roles = {place.player: place.role for place in found[0].places}
    assert roles == {"any.0": "", "both.0": "tank", "healer.0": "healer"}
    none = formed(rules, *(ticket(name, roles=("tank",)) for name in "abc"))
    assert none == [], "nobody heals"


def test_a_region_must_be_near_to_everyone_by_their_own_patience() -> None:
    rules = Rules(team_size=2, latency=Latency(regions=("eu", "us"), limit_ms=50, widen_per_s=10))
    here = ticket("a", latency_ms={"eu": 20, "us": 100})
    there = ticket("b", latency_ms={"eu": 120, "us": 20}, at_ms=0)
    assert formed(rules, here, there, now_ms=4_900) == []
    found = formed(rules, here, there, now_ms=5_100)
    assert [one.region for one in found] == ["us"]
    newcomer = ticket("b", latency_ms={"eu": 120, "us": 20}, at_ms=5_000)
    assert [one.region for one in formed(rules, here, newcomer, now_ms=5_100)] == ["us"]


def test_required_values_and_ranges_must_suit_all_together() -> None:
    rules = Rules(
        team_size=3,
        required=(Choice("map", ("x", "y", "z")),),
        ranges=(Range("stake", 0, 100),),
    )
    pairwise = [
        ticket("a", accepts={"map": ("x", "y")}),
        ticket("b", accepts={"map": ("y", "z")}),
        ticket("c", accepts={"map": ("x", "z")}),
    ]
    assert formed(rules, *pairwise) == [], "any two agree, the three do not"
    found = formed(
        rules,
        ticket("a", accepts={"map": ("x", "y")}, ranges={"stake": (10, 50)}),
        ticket("b", accepts={"map": ("y",)}, ranges={"stake": (20, 100)}),
        ticket("c"),
    )
    assert found[0].properties == {"map": "y", "stake": 20}
    assert formed(rules, *(ticket(n, ranges={"stake": r}) for n, r in
                           (("a", (0, 10)), ("b", (11, 20)), ("c", (5, 15))))) == []  # fmt: skip


def test_preferred_values_decide_among_those_who_fit() -> None:
    rules = Rules(
        team_size=2,
        skill=Skill(window=200, window_max=200),
        preferred=(Choice("language", ("en", "fr"), weight=2),),
    )
    found = formed(
        rules,
        ticket("a", 1500, accepts={"language": ("en",)}),
        ticket("near", 1501, accepts={"language": ("fr",)}, at_ms=1),
        ticket("far", 1600, accepts={"language": ("en",)}, at_ms=2),
    )
    assert together(found) == [{"a", "far"}]
    assert found[0].properties == {"language": "en"}


def test_fewer_may_begin_after_a_while() -> None:
    rules = Rules(team_size=8, team_size_min=2, fill_s=10)
    three = [ticket(name) for name in "abc"]
    assert formed(rules, *three, now_ms=9_999) == []
    assert together(formed(rules, *three, now_ms=10_000)) == [{"a", "b", "c"}]
    assert formed(rules, ticket("alone"), now_ms=60_000) == []
    full = formed(rules, *(ticket(f"t{n}") for n in range(9)))
    assert [len(one.tickets) for one in full] == [8], "a full one begins at once"


def test_teams_are_balanced() -> None:
    rules = Rules(teams=2, team_size=2, skill=Skill(window=1000, window_max=1000))
    found = formed(rules, *(ticket(name, skill) for name, skill in
                            (("a", 2000), ("b", 1900), ("c", 1100), ("d", 1000))))  # fmt: skip
    teams: dict[int, list[str]] = {0: [], 1: []}
    for place in found[0].places:
        teams[place.team].append(place.player[0])
    assert sorted(map(sorted, teams.values())) == [["a", "d"], ["b", "c"]]


def vacancy(**given: object) -> Vacancy:
    base = Vacancy(
        match=MatchId("running"),
        node="n1",
        teams=(("healer",), ("healer", "")),
        region="",
        properties={"map": "x"},
        skill_low=1400,
        skill_high=1600,
        since_ms=0,
    )
    return msgspec.structs.replace(base, **given)


def test_free_seats_of_a_running_match_are_filled_first() -> None:
    rules = Rules(
        teams=2,
        team_size=2,
        skill=Skill(window=300, window_max=300),
        roles=(Role("healer"),),
        required=(Choice("map", ("x", "y")),),
    )
    found = formed(
        rules,
        ticket("other_map", accepts={"map": ("y",)}),
        ticket("too_good", 1800),
        ticket("healer_only", roles=("healer",)),
        ticket("fits", at_ms=5),
        vacancies=(vacancy(),),
    )
    assert together(found) == [{"healer_only"}] or together(found) == [{"fits"}]
    assert found[0].is_backfill and found[0].match == "running"
    assert [place.team for place in found[0].places] == [0]
    assert formed(rules, ticket("too_good", 1800), vacancies=(vacancy(),)) == []


def test_a_party_that_no_team_can_hold_waits_without_harm() -> None:
    rules = Rules(team_size=2, party_max=2, roles=(Role("healer"), Role("tank")))
    tanks = ticket("tanks", size=2, roles=("tank",))
    assert together(formed(rules, tanks, ticket("h", roles=("healer",)), ticket("x", at_ms=9))) == [
        {"h", "x"}
    ]


def test_an_anchor_without_a_match_is_left_alone_for_a_moment() -> None:
    pool = Pool(Compiled(DUEL))
    pool.add(ticket("a"))
    assert list(form(pool, 1_000, numbered())) == [None]
    assert list(form(pool, 1_100, numbered())) == []
    pool.add(ticket("b", at_ms=1_100))
    [found] = [one for one in form(pool, 1_100, numbered()) if one]
    assert set(found.tickets) == {"a", "b"}, "as a candidate of others it is there all the time"


EVERYTHING = Rules(
    teams=2,
    team_size=3,
    team_size_min=2,
    fill_s=20,
    party_max=3,
    roles=(Role("healer"),),
    skill=Skill(window=150, widen_per_s=5, window_max=500),
    latency=Latency(regions=("eu", "us", "ap"), limit_ms=60, widen_per_s=3, limit_ms_max=150),
    required=(Choice("map", ("x", "y", "z")),),
    preferred=(Choice("language", ("en", "fr")),),
    ranges=(Range("stake", 0, 100),),
)
RULE_SETS = [
    EVERYTHING,
    msgspec.structs.replace(EVERYTHING, team_size_min=0, roles=(), preferred=()),
    Rules(teams=1, team_size=8, team_size_min=2, skill=Skill(), party_max=4),
    Rules(teams=4, team_size=2, party_max=2, latency=EVERYTHING.latency),
]


@pytest.mark.parametrize("rules", RULE_SETS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), passes=st.lists(st.integers(0, 40_000), max_size=4))
def test_every_proposal_keeps_every_rule(rules: Rules, seed: int, passes: list[int]) -> None:
    crowd = Crowd(players=150, rate=15, seed=seed, party_share=0.4, skill_deviation=150)
    tickets = {one.ticket.id: one.ticket for one in arrivals(rules, crowd)}
    pool = Pool(Compiled(rules))
    pool.add_all(tickets.values())
    seen: set[str] = set()
    now_ms = max(one.enqueued_ms for one in tickets.values())
    for pause_ms in [0, *passes]:
        now_ms += pause_ms
        for proposal in form(pool, now_ms, numbered()):
            if proposal is not None:
                assert faults(proposal, tickets, rules, now_ms) == []
                assert not seen & set(proposal.tickets)
                seen |= set(proposal.tickets)
    assert seen | set(pool.rows) == set(tickets), "none is lost"
    assert len(pool.by_skill) == len(pool.by_age) == len(pool.rows) == len(tickets) - len(seen)


def test_the_oracle_can_fail() -> None:
    tickets = {one.id: one for one in (ticket("a", 1000), ticket("b", 2000))}
    rules = Rules(team_size=2, skill=Skill())
    loose = msgspec.structs.replace(rules, skill=None)
    [proposal] = formed(loose, *tickets.values())
    assert faults(proposal, tickets, loose, 0) == []
    assert faults(proposal, tickets, rules, 0) != []
    halved = msgspec.structs.replace(proposal, places=proposal.places[:1])
    assert faults(halved, tickets, loose, 0) != []


def test_the_order_of_arrival_in_memory_does_not_matter() -> None:
    """Another node, which has read the same tickets in another order, forms the same matches."""
    crowd = Crowd(players=400, rate=40, seed=5, party_share=0.3)
    tickets = [one.ticket for one in arrivals(EVERYTHING, crowd)]
    now_ms = tickets[-1].enqueued_ms + 5_000

    def all_of(order: list) -> list[Proposal]:
        return formed(EVERYTHING, *order, now_ms=now_ms)

    assert all_of(tickets) == all_of(tickets[::-1]) != []


def test_a_pass_that_was_broken_off_goes_on_where_it_ended() -> None:
    rules = Rules(team_size=2, skill=Skill(window=1, widen_per_s=0, window_max=1))
    pool = Pool(Compiled(rules))
    pool.add_all(ticket(f"t{n}", 100 * n, at_ms=n) for n in range(6))
    tried: list[str] = []
    for _ in range(3):
        passing = form(pool, 1_000, numbered())
        for _ in range(2):
            assert next(passing) is None
            assert pool.resume is not None
            tried.append(pool.resume[1])
        passing.close()
    assert tried == ["t0", "t1", "t2", "t3", "t4", "t5"], "nobody is passed over"
    assert list(form(pool, 1_000, numbered())) == []
    assert pool.resume is None


def test_a_ticket_that_did_not_fit_leaves_nothing_to_the_next_of_its_number() -> None:
    rules = Rules(teams=2, team_size=2, roles=(Role(name="healer", count=1),))
    seats = Seats(rules)
    any_role, healer_only = 0, 1
    assert seats.add(0, [healer_only])
    assert not seats.add_to(0, 1, [healer_only])
    assert not seats.add_to(1, 1, [healer_only, healer_only]), "one healer a team"
    assert seats.add_to(1, 1, [any_role])
    assert seats.swap(0, 1)
    assert sorted(seats.places()) == [(0, 0), (1, 0)]
