"""Liar's Dice: turns and hidden information, and the example of a game without a tick rate.

    lobby ──full, all ready, or time up──► bidding ◄──roll──┐
                                             │ challenge    │ time up
                                             ▼              │
                                           reveal ──────────┘──► over: one player has dice left

Everyone rolls in secret. In turn, each bids that all hands together hold at least so many dice of
a face (ones count as every face), or challenges the last bid: if it was true the challenger loses
a die, else the bidder does. Who has no dice is out.

Three things to copy into your own turn-based game:

* **The turn clock is ``wake_at``**: the match sleeps until an input arrives or a turn is over. Who
  does not move in time is played for, so nobody waits for a player who has gone.
* **``view_for`` is the only way a secret leaves**, and events carry none: they are sent to all.
* **A move that is not allowed changes nothing.** Views say whose turn it is and what was bid, so a
  client knows beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from gameserver.game.contract import (
    Bots,
    Game,
    LeaveReason,
    Mode,
    Player,
    PlayerInput,
    Random,
    Refused,
    Setup,
    Standing,
    Tick,
)
from gameserver.game.matchmaking import Ready, Rules, Skill
from gameserver.games.bots import LiarsDiceBot
from gameserver.games.liars_dice_types import (
    FACES,
    WILD,
    Act,
    Bid,
    BidPlaced,
    Challenged,
    DiceResult,
    DiceState,
    DiceView,
    Eliminated,
    Hand,
    Place,
    Reveal,
    RoundStarted,
)

_CALM: Mapping[str, int] = {"dice": 5, "turn_ms": 20_000, "reveal_ms": 4_000, "lobby_ms": 15_000}
_REMATCH_MS = 30_000
_SKILL = Skill(window=200, widen_per_s=20, window_max=2000)


class LiarsDice(Game[DiceState, Act, DiceView]):
    """Options of a mode: ``dice`` per player; ``turn_ms``, ``reveal_ms``, ``lobby_ms`` (the last
    counted from the second player on)."""

    name = "liars_dice"
    tick_rate = 0
    hidden = True
    recorded = True
    spectate_delay_ms = 0
    chat = True
    modes: ClassVar = {
        "standard": Mode(
            players_max=6,
            players_min=2,
            title="Up to six, five dice each",
            options=_CALM,
            choices={"dice": (3, 5, 6), "turn_ms": (10_000, 20_000, 60_000)},
            rematch_ms=_REMATCH_MS,
            matchmaking=Rules(team_size=6, team_size_min=2, fill_s=10, party_max=4, skill=_SKILL),
        ),
        "duel": Mode(
            players_max=2,
            players_min=2,
            title="Two players, five dice each",
            options=_CALM,
            rematch_ms=_REMATCH_MS,
            matchmaking=Rules(
                teams=2, team_size=1, skill=_SKILL, ready=Ready(within_s=15, penalty_s=10)
            ),
        ),
        "blitz": Mode(
            players_max=6,
            players_min=2,
            title="Three dice, two seconds a turn",
            options={"dice": 3, "turn_ms": 2_000, "reveal_ms": 500, "lobby_ms": 1_000},
            rematch_ms=_REMATCH_MS,
        ),
        "practice": Mode(
            players_max=6,
            title="With three bots, five dice each",
            options=_CALM,
            bots=Bots(seats=4, wait_ms=1_000),
            rematch_ms=_REMATCH_MS,
        ),
    }
    State: ClassVar = DiceState
    Input: ClassVar = Act
    View: ClassVar = DiceView
    Event: ClassVar = RoundStarted | BidPlaced | Challenged | Eliminated
    Result: ClassVar = DiceResult

    def start(self, setup: Setup) -> DiceState:
        dice, turn, reveal, lobby = (
            int(setup.options[key]) for key in ("dice", "turn_ms", "reveal_ms", "lobby_ms")
        )
        return DiceState(setup.players_max, dice, turn, reveal, lobby, hands={}, out=[])

    def join(self, state: DiceState, player: Player, tick: Tick) -> None:
        if state.phase != "lobby":
            raise Refused("the dice are rolling already; join another match")
        state.now_ms = tick.time_ms
        state.hands[player.seat] = Hand(player.id, state.dice, [])
        if len(state.hands) == state.players_max:
            _begin(state, tick)
        elif len(state.hands) == 2:
            state.due_ms = tick.time_ms + state.lobby_ms

    def leave(self, state: DiceState, player: Player, reason: LeaveReason, tick: Tick) -> None:
        hand = state.hands.get(player.seat)
        if hand is None or state.phase == "over":
            return
        state.now_ms = tick.time_ms
        if state.phase == "lobby":
            del state.hands[player.seat]
            if len(state.hands) < 2:
                state.due_ms = None
            elif all(other.ready for other in state.hands.values()):
                _begin(state, tick)
            return
        first = _next(state, player.seat) if state.turn == player.seat else state.turn
        played = hand.left > 0
        if played:
            _eliminate(state, hand, tick, forfeit=True)
        del state.hands[player.seat]
        state.turn = first
        if played and state.phase == "bidding":
            _roll(state, first, tick)  # a hand is missing, so what was bid means nothing now

    def step(self, state: DiceState, inputs: Sequence[PlayerInput[Act]], tick: Tick) -> None:
        state.now_ms = tick.time_ms
        for given in inputs:
            if given.seat in state.hands:
                _play(state, given.seat, given.data, tick)
        if state.due_ms is not None and tick.time_ms >= state.due_ms:
            _time_up(state, tick)

    def view(self, state: DiceState) -> DiceView:
        return _view(state, [])

    def view_public(self, state: DiceState) -> DiceView:
        return self.view(state)

    def view_for(self, state: DiceState, player: Player) -> DiceView:
        hand = state.hands.get(player.seat)
        return _view(state, hand.dice if hand is not None else [])

    def wake_at(self, state: DiceState) -> int | None:
        return state.due_ms

    def bot(self, state: DiceState, player: Player, random: Random) -> Act | None:
        bot = LiarsDiceBot(random.below(2**63))
        return bot.decide(self.view_for(state, player), player.id, player.seat)

    def signal(self, state: DiceState, message: Any, tick: Tick) -> Any:
        """``{"op": "start"}`` begins without waiting for more players."""
        if message != {"op": "start"}:
            return {"error": 'send {"op": "start"}'}
        if state.phase != "lobby" or len(state.hands) < 2:
            return {"error": "needs a lobby with two players"}
        state.now_ms = tick.time_ms
        _begin(state, tick)
        return {"started": True}


def _view(state: DiceState, own: list[int]) -> DiceView:
    return DiceView(
        players={seat: Place(hand.left, hand.ready) for seat, hand in state.hands.items()},
        phase=state.phase,
        round=state.round,
        turn=state.turn if state.phase == "bidding" else -1,
        bid=state.bid,
        reveal=state.reveal,
        left_ms=None if state.due_ms is None else max(0, state.due_ms - state.now_ms),
        own=list(own),
    )


# ── rules ────────────────────────────────────────────────────────────────────────────────────────


def _begin(state: DiceState, tick: Tick) -> None:
    _roll(state, tick.random.choice(sorted(state.hands)), tick)


def _roll(state: DiceState, first: int, tick: Tick) -> None:
    """A new round that ``first`` begins."""
    state.phase, state.round = "bidding", state.round + 1
    state.bid = state.reveal = None
    for hand in state.hands.values():
        hand.dice = sorted(tick.random.between(1, FACES) for _ in range(hand.left))
    state.turn = first
    state.due_ms = tick.time_ms + state.turn_ms
    tick.emit(RoundStarted(state.round, _dice(state)), player_id=state.hands[first].id)


def _play(state: DiceState, seat: int, act: Act, tick: Tick) -> None:
    match act.action:
        case "ready" if state.phase == "lobby":
            state.hands[seat].ready = True
            if len(state.hands) > 1 and all(hand.ready for hand in state.hands.values()):
                _begin(state, tick)
        case "bid" if state.phase == "bidding" and seat == state.turn:
            bid = Bid(seat, act.count, act.face)
            if bid.count <= _dice(state) and bid.beats(state.bid):
                _place(state, bid, tick, auto=False)
        case "challenge" if state.phase == "bidding" and seat == state.turn:
            if state.bid is not None:
                _challenge(state, state.bid, tick, auto=False)
        case _:
            pass  # not now, or not this player's turn


def _time_up(state: DiceState, tick: Tick) -> None:
    """The lobby or the reveal is over, or someone did not move: the clock plays for them."""
    match state.phase:
        case "lobby":
            _begin(state, tick)
        case "reveal":
            _roll(state, state.turn, tick)
        case "bidding" if state.bid is not None:
            _challenge(state, state.bid, tick, auto=True)
        case "bidding":
            face = state.hands[state.turn].dice[-1]
            _place(state, Bid(state.turn, 1, face), tick, auto=True)
        case "over":
            state.due_ms = None


def _place(state: DiceState, bid: Bid, tick: Tick, *, auto: bool) -> None:
    state.bid = bid
    state.turn = _next(state, bid.seat)
    state.due_ms = tick.time_ms + state.turn_ms
    bidder = state.hands[bid.seat].id
    tick.emit(BidPlaced(bid.count, bid.face, auto), player_id=bidder)


def _challenge(state: DiceState, bid: Bid, tick: Tick, *, auto: bool) -> None:
    challenger = state.turn
    hands = {seat: hand.dice for seat, hand in state.hands.items() if hand.dice}
    actual = sum(die in (bid.face, WILD) for dice in hands.values() for die in dice)
    loser = challenger if actual >= bid.count else bid.seat
    state.phase = "reveal"
    state.reveal = Reveal(bid, challenger, actual, loser, hands)
    state.due_ms = tick.time_ms + state.reveal_ms
    tick.emit(
        Challenged(
            bidder=state.hands[bid.seat].id,
            count=bid.count,
            face=bid.face,
            actual=actual,
            loser=state.hands[loser].id,
            auto=auto,
        ),
        player_id=state.hands[challenger].id,
    )
    hand = state.hands[loser]
    state.turn = loser if hand.left > 1 else _next(state, loser)
    if hand.left > 1:
        hand.left -= 1
    else:
        _eliminate(state, hand, tick, forfeit=False)


def _eliminate(state: DiceState, hand: Hand, tick: Tick, *, forfeit: bool) -> None:
    """Take the player out; the last one who is left has won, and the match ends."""
    place = sum(other.left > 0 for other in state.hands.values())
    hand.left = 0
    state.out.append(hand.id)
    tick.emit(Eliminated(place, forfeit), player_id=hand.id)
    if place == 2:
        winner = next(other for other in state.hands.values() if other.left)
        order = [winner.id, *reversed(state.out)]
        state.phase, state.due_ms = "over", None
        tick.end(
            [
                Standing(player_id=player_id, place=index + 1, score=len(order) - index - 1)
                for index, player_id in enumerate(order)
            ],
            DiceResult(rounds=state.round),
        )


def _next(state: DiceState, seat: int) -> int:
    """The next seat in turn that still has dice; ``seat`` itself if there is no other."""
    playing = sorted(other for other, hand in state.hands.items() if hand.left)
    later = [other for other in playing if other > seat]
    return (later or playing or [seat])[0]


def _dice(state: DiceState) -> int:
    return sum(hand.left for hand in state.hands.values())
