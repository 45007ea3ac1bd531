import msgspec
import pytest

from gameserver.game.loader import load_game
from gameserver.games.bots import BOTS, LiarsDiceBot
from gameserver.games.liars_dice_types import Act, Bid, DiceView, Place
from tests.core.room import Room


def test_there_is_a_bot_for_every_bundled_game() -> None:
    assert set(BOTS) == {"arena", "liars_dice", "echo"}


@pytest.mark.parametrize("name", BOTS)
def test_bots_send_what_the_server_takes(name: str) -> None:
    game = load_game(name)
    for mode, chosen in game.modes.items():
        room = Room(name, mode)
        for seat in range(min(4, chosen.players_max)):
            room.join(seat, bot=True)
        for _ in range(100):
            decided = [(s, b.decide(room.seen_by(s), f"p{s}", s)) for s, b in room.bots.items()]
            inputs = [(seat, data) for seat, data in decided if data is not None]
            for _, data in inputs:
                encoded = msgspec.msgpack.encode(data)
                assert msgspec.msgpack.decode(encoded, type=game.Input) == data
            room.step(*inputs)
            if room.tick.ended is not None:
                break


@pytest.mark.parametrize("name", BOTS)
def test_a_bot_without_a_seat_does_not_fail(name: str) -> None:
    room = Room(name, next(iter(load_game(name).modes)))
    bot = BOTS[name](seed=1)
    bot.decide(room.game.view(room.state), "p0", 0)


def seen(own: list[int], bid: Bid | None, others: int = 5) -> DiceView:
    places = {0: Place(len(own), True), 1: Place(others, True)}
    return DiceView(places, "bidding", 1, 0, bid, None, None, own)


def test_the_dice_bot_doubts_the_impossible_and_believes_its_own_hand() -> None:
    bot = LiarsDiceBot(1)
    assert bot.decide(seen([2, 3, 4, 5, 6], Bid(1, 9, 6)), "p0", 0) == Act("challenge")
    assert bot.decide(seen([6, 6, 6, 6, 6], Bid(1, 5, 6)), "p0", 0) != Act("challenge")


def test_the_dice_bot_always_makes_a_legal_move() -> None:
    bot = LiarsDiceBot(2)
    for count in range(1, 11):
        for face in range(1, 7):
            last = Bid(1, count, face)
            act = bot.decide(seen([1, 2, 2, 4, 6], last), "p0", 0)
            assert act.action == "challenge" or (
                act.count <= 10 and Bid(0, act.count, act.face).beats(last)
            )
    assert bot.decide(seen([1], None, 1), "p0", 0).action == "bid"
