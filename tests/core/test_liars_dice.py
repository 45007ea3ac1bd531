import pytest

from gameserver.game.contract import LeaveReason, Player, Refused
from gameserver.game.random import SeededRandom
from gameserver.game.testkit import Broken, check
from gameserver.games.liars_dice import LiarsDice
from gameserver.games.liars_dice_types import (
    Act,
    Bid,
    BidPlaced,
    Challenged,
    DiceState,
    Eliminated,
    RoundStarted,
)
from tests.core.room import Room, player


def bid(count: int, face: int) -> Act:
    return Act("bid", count, face)


CHALLENGE = Act("challenge")


def table(players: int = 3, mode: str = "blitz") -> Room:
    """A match in its first round, in which seat 0 begins and everyone has three fours."""
    room = Room("liars_dice", mode)
    for seat in range(players):
        room.join(seat)
    if room.state.phase == "lobby":
        room.step(*((seat, Act("ready")) for seat in range(players)))
    room.state.turn = 0
    for hand in room.state.hands.values():
        hand.dice = [4, 4, 4]
    room.events.clear()
    return room


def wake(room: Room) -> None:
    """Let time pass until the match asks to be stepped."""
    due = room.game.wake_at(room.state)
    assert due is not None
    room.time_ms = max(room.time_ms, due)
    room.step()


def test_begins_when_all_are_ready() -> None:
    room = Room("liars_dice", "standard")
    room.join(0)
    room.step((0, Act("ready")))
    assert room.state.phase == "lobby"  # nobody plays alone
    room.join(1)
    room.step((1, Act("ready")))
    assert room.state.phase == "bidding"
    assert room.events[0].event == RoundStarted(round=1, dice=10)
    assert room.events[0].player_id == f"p{room.state.turn}"


def test_begins_when_the_table_is_full() -> None:
    room = Room("liars_dice", "duel")
    room.join(0)
    assert room.kinds() == []
    room.join(1)
    assert room.kinds() == ["round_started"]


def test_begins_a_while_after_the_second_player() -> None:
    room = Room("liars_dice", "blitz")
    room.join(0)
    assert room.game.wake_at(room.state) is None
    room.time_ms = 5_000
    room.join(1)
    assert room.game.wake_at(room.state) == 6_000
    room.leave(0)
    assert room.game.wake_at(room.state) is None
    room.join(0)
    wake(room)
    assert room.state.phase == "bidding"


def test_begins_when_the_one_who_was_not_ready_leaves() -> None:
    room = Room("liars_dice", "standard")
    for seat in range(3):
        room.join(seat)
    room.step((0, Act("ready")), (2, Act("ready")))
    room.leave(1)
    assert room.state.phase == "bidding"


def test_nobody_joins_a_match_that_has_begun() -> None:
    room = table()
    with pytest.raises(Refused, match="join another match"):
        room.join(3)


def test_bids_go_around_and_must_grow() -> None:
    room = table()
    room.step((0, bid(2, 3)))
    assert (room.state.bid, room.state.turn) == (Bid(0, 2, 3), 1)
    for too_low in (bid(2, 3), bid(2, 2), bid(1, 6), bid(10, 1)):
        room.step((1, too_low))
        assert room.state.turn == 1
    room.step((1, bid(2, 4)))
    room.step((2, bid(3, 1)))
    assert (room.state.bid, room.state.turn) == (Bid(2, 3, 1), 0)
    assert [e.event for e in room.events if e.player_id == "p2"] == [BidPlaced(3, 1, False)]


def test_only_the_player_whose_turn_it_is_may_move() -> None:
    room = table()
    room.step((1, bid(1, 1)), (2, CHALLENGE), (0, CHALLENGE), (0, Act("ready")), (9, bid(1, 1)))
    assert room.events == []
    assert (room.state.turn, room.state.bid) == (0, None)


def test_a_false_bid_costs_the_bidder_a_die() -> None:
    room = table()
    room.step((0, bid(1, 5)))
    room.step((1, CHALLENGE))
    reveal = room.seen_by(2).reveal
    assert (reveal.actual, reveal.loser, reveal.challenger) == (0, 0, 1)
    assert reveal.hands == {0: [4, 4, 4], 1: [4, 4, 4], 2: [4, 4, 4]}
    assert room.events[-1].event == Challenged("p0", 1, 5, 0, "p0", auto=False)
    assert room.seen_by(1).players[0].dice == 2
    wake(room)
    assert (room.state.phase, room.state.turn, room.state.reveal) == ("bidding", 0, None)
    assert [len(hand.dice) for hand in room.state.hands.values()] == [2, 3, 3]


def test_a_true_bid_costs_the_challenger_a_die_and_ones_count_as_any_face() -> None:
    room = table()
    room.state.hands[2].dice = [1, 1, 6]
    room.step((0, bid(8, 4)))
    room.step((1, CHALLENGE))
    assert room.state.reveal is not None
    assert (room.state.reveal.actual, room.state.reveal.loser) == (8, 1)
    wake(room)
    assert room.state.turn == 1


def test_ones_are_counted_alone_when_ones_are_bid() -> None:
    room = table()
    room.step((0, bid(1, 1)))
    room.step((1, CHALLENGE))
    assert room.state.reveal is not None
    assert room.state.reveal.actual == 0


def test_the_clock_plays_for_who_does_not() -> None:
    room = table()
    wake(room)
    assert [e.event for e in room.events] == [BidPlaced(1, 4, auto=True)]
    wake(room)
    assert room.events[-1].event == Challenged("p0", 1, 4, 9, "p1", auto=True)


def test_the_last_with_dice_wins() -> None:
    room = table()
    room.state.hands[0].left = room.state.hands[1].left = 1
    room.step((0, bid(5, 6)))
    room.step((1, CHALLENGE))
    assert room.events[-1].event == Eliminated(place=3, forfeit=False)
    assert room.tick.ended is None
    wake(room)
    assert (room.state.turn, room.state.hands[0].dice) == (1, [])
    room.state.hands[1].dice, room.state.hands[2].dice = [4], [4, 4, 4]
    room.step((1, bid(4, 5)))
    room.step((2, CHALLENGE))
    assert room.tick.ended is not None
    standings = [(one.player_id, one.place, one.score) for one in room.tick.ended.standings]
    assert standings == [("p2", 1, 2), ("p1", 2, 1), ("p0", 3, 0)]
    assert room.tick.ended.result.rounds == 2
    assert room.game.wake_at(room.state) is None


def test_who_leaves_forfeits_and_the_round_is_rolled_again() -> None:
    room = table()
    room.step((0, bid(2, 2)))
    room.leave(1, LeaveReason.DISCONNECTED)
    assert [e.event for e in room.events[-2:]] == [Eliminated(3, True), RoundStarted(2, 6)]
    assert (room.state.turn, room.state.bid) == (2, None)
    room.leave(2)
    assert room.tick.ended is not None
    assert [one.player_id for one in room.tick.ended.standings] == ["p0", "p2", "p1"]


def test_a_watching_loser_may_leave_without_a_stir() -> None:
    room = table()
    room.state.hands[0].left = 1
    room.step((0, bid(1, 6)))
    room.step((1, CHALLENGE))
    wake(room)
    turn, number = room.state.turn, len(room.events)
    room.leave(0)
    assert (room.state.turn, room.state.round, len(room.events)) == (turn, 2, number)


def test_the_next_to_begin_may_leave_during_the_reveal() -> None:
    room = table()
    room.step((0, bid(1, 6)))
    room.step((1, CHALLENGE))
    room.leave(0)
    wake(room)
    assert (room.state.phase, room.state.turn) == ("bidding", 1)


def test_an_operator_may_start() -> None:
    room = Room("liars_dice", "standard")
    room.join(0)
    assert "error" in room.game.signal(room.state, {"op": "start"}, room.tick)
    room.join(1)
    assert "error" in room.game.signal(room.state, {"op": "stop"}, room.tick)
    assert room.game.signal(room.state, {"op": "start"}, room.tick) == {"started": True}
    assert room.state.phase == "bidding"


def test_views_hide_what_others_have() -> None:
    room = table()
    room.state.hands[0].dice = [1, 2, 3]
    assert room.seen_by(0).own == [1, 2, 3]
    assert room.seen_by(1).own == [4, 4, 4]
    spectators = room.game.view(room.state)
    assert (spectators.own, spectators.reveal) == ([], None)


def test_tells_how_much_of_the_turn_is_left() -> None:
    room = table()
    room.time_ms += 500
    room.step((0, bid(1, 2)))
    assert room.seen_by(0).left_ms == 2_000


def reroll(state: DiceState, who: Player, random: SeededRandom) -> None:
    """What only one player knows: their dice, until they are revealed."""
    hand = state.hands.get(who.seat)
    if state.phase == "bidding" and hand is not None:
        hand.dice = [random.between(1, 6) for _ in hand.dice]


@pytest.mark.parametrize("mode", LiarsDice.modes)
def test_secrets_stay_secret(mode: str) -> None:
    check(LiarsDice, mode=mode, steps=1_500, secrets=reroll)


def test_the_check_for_secrets_would_find_a_leak() -> None:
    class Cheat(LiarsDice):
        def view(self, state):
            view = super().view(state)
            view.own = [die for hand in state.hands.values() for die in hand.dice]
            return view

    with pytest.raises(Broken, match="spectators"):
        check(Cheat, steps=1_500, secrets=reroll)


def test_no_event_tells_a_hand_before_it_is_revealed() -> None:
    """Two matches that differ only in hands state the same facts until a challenge."""
    said = []
    for face in (2, 5):
        room = table()
        for hand in room.state.hands.values():
            hand.dice = [face] * 3
        room.step((0, bid(1, 2)))
        room.step((1, bid(2, 2)))
        said.append(list(room.events))
    assert said[0] == said[1]


@pytest.mark.parametrize(("mode", "players"), [("blitz", 6), ("duel", 2), ("standard", 4)])
def test_bots_play_a_match_to_its_end(mode: str, players: int) -> None:
    room = Room("liars_dice", mode)
    for seat in range(players):
        room.join(seat, bot=True)
    room.play(steps_max=10_000)
    assert room.tick.ended is not None
    places = [one.place for one in room.tick.ended.standings]
    assert places == list(range(1, players + 1))
    assert room.kinds().count("eliminated") == players - 1
    challenges = [e.event for e in room.events if e.kind == "challenged"]
    assert not any(challenge.auto for challenge in challenges)


def test_unknown_players_see_no_hand() -> None:
    room = table()
    assert room.game.view_for(room.state, player(9)).own == []
