from gameserver.games.bots import EchoBot
from gameserver.games.echo import EchoInput, Value
from tests.core.room import Room


def test_everyone_sees_everyones_last_input() -> None:
    room = Room("echo", "standard")
    room.join(0)
    room.join(3)
    room.step((3, EchoInput(1, 2, 3, 4)), (3, EchoInput(5, 6, 7, 8)), (9, EchoInput()))
    assert room.seen_by(0).players == {0: Value(), 3: Value(5, 6, 7, 8, 2, 0)}
    room.leave(3)
    assert room.seen_by(0).players == {0: Value()}


def test_a_view_is_not_changed_by_later_steps() -> None:
    room = Room("echo", "pair")
    room.join(0)
    before = room.game.view(room.state)
    room.step((0, EchoInput(1)))
    assert before.players == {0: Value()}


def test_the_bot_sends_numbers_of_three_bytes() -> None:
    room = Room("echo", "pair")
    room.join(0)
    bot = EchoBot(1)
    for _ in range(100):
        sent = bot.decide(room.seen_by(0), room.players[0].id, 0)
        assert min(sent.x, sent.y, sent.z) >= 1_000
