from collections.abc import Iterator

import msgspec
import pytest

from gameserver.game import packed
from gameserver.game.contract import LeaveReason
from gameserver.games.arena_body import EARLY_TICKS, HOLD_TICKS, SPARE_TICKS, SPEED
from gameserver.games.arena_maps import MAPS, TILE
from gameserver.games.arena_plain import (
    DAMAGE,
    HEALTH_MAX,
    PICKUP_TICKS,
    RELOAD_TICKS,
    RESPAWN_TICKS,
    SHIELD_TICKS,
)
from gameserver.games.arena_state import Body
from gameserver.games.arena_types import Kill, Lead, Move
from gameserver.wire.codec import Format
from gameserver.wire.frame import Frame
from tests.core.room import Room

RIGHT = 0


def middle(tile: int) -> int:
    return tile * TILE + TILE // 2


@pytest.fixture
def room() -> Room:
    """Two fighters in a free row of the box, 4 tiles apart, 0 left of 1, both without a shield."""
    room = Room("arena", "bench")
    room.join(0)
    room.join(1)
    for seat, tile in ((0, 2), (1, 6)):
        body = room.state.bodies[seat]
        body.x, body.y, body.shield_until = middle(tile), middle(2), 0
    return room


def body(room: Room, seat: int) -> Body:
    return room.state.bodies[seat]


def until_killed(room: Room) -> Iterator[int]:
    """Seat 0 shoots at seat 1 until it falls."""
    while body(room, 1).health:
        room.step((0, Move(0, 0, RIGHT, True)))
        yield room.number


def seen(room: Room, seat: int) -> tuple[int, int]:
    fighter = room.seen_by(seat).players[seat]
    return fighter.x, fighter.y


def test_an_input_is_a_step(room: Room) -> None:
    x, y = seen(room, 0)
    room.step((0, Move(dx=1)))
    assert seen(room, 0) == (x + SPEED, y)
    room.step((0, Move(dx=1, dy=1)))
    aslant = seen(room, 0)
    assert aslant[0] - (x + SPEED) == aslant[1] - y < SPEED


def test_inputs_lead_to_the_same_place_however_late_they_come(room: Room) -> None:
    way = [Move(dx=1), Move(dx=1), Move(dy=1), Move(dy=1), Move(dx=-1), Move(), Move(dy=-1)]
    rooms = [room, Room("arena", "bench")]
    rooms[1].join(0)
    rooms[1].state.bodies[0].x, rooms[1].state.bodies[0].y = body(room, 0).x, body(room, 0).y
    for move in way:
        rooms[0].step((0, move))
    rooms[1].step((0, way[0]))
    for _ in range(4):
        rooms[1].step()  # held up
    rooms[1].step(*((0, move) for move in way[1:6]))
    rooms[1].step((0, way[6]))
    assert seen(rooms[0], 0) == seen(rooms[1], 0)


def test_who_is_late_goes_on_in_everybodys_eyes_until_it_is_known_better(room: Room) -> None:
    x, y = seen(room, 0)
    room.step((0, Move(dx=1)))
    for late in range(1, 4):
        room.step()
        assert seen(room, 0) == (x + (1 + late) * SPEED, y)
        assert room.seen_by(1).players[0].flags >> 2 == late
    # It stood still after the first step, and what was held up comes with the next.
    room.step(*[(0, Move())] * 4)
    assert seen(room, 0) == (x + SPEED, y)
    assert room.seen_by(1).players[0].flags >> 2 == 0


def test_nobody_is_faster_than_time(room: Room) -> None:
    x, y = seen(room, 0)
    for _ in range(5):
        room.step(*[(0, Move(dx=1))] * 8)
    assert seen(room, 0) == (x + (5 + EARLY_TICKS) * SPEED, y)


def test_who_sends_too_few_inputs_walks_as_fast(room: Room) -> None:
    body(room, 0).x, body(room, 0).y = middle(1), middle(1)  # a row without a wall
    for number in range(60):
        room.step(*[(0, Move())] * (number % 2 == 0))
    for number in range(20):
        room.step(*[(0, Move(dx=1))] * (number % 2 == 0))
    assert seen(room, 0)[0] >= middle(1) + 20 * SPEED


def test_a_step_ahead_that_is_never_needed_is_given_up(room: Room) -> None:
    body(room, 0).x, body(room, 0).y = middle(1), middle(1)
    room.step((0, Move(dx=1)))
    room.step()  # an input that was never made
    for _ in range(SPARE_TICKS + 2):
        room.step((0, Move(dx=1)))
    assert room.seen_by(0).players[0].flags >> 2 == 0
    assert seen(room, 0)[0] == middle(1) + (SPARE_TICKS + 3) * SPEED


def test_an_input_holds_for_half_a_second(room: Room) -> None:
    x = body(room, 0).x
    room.step((0, Move(dx=1)))
    for _ in range(2 * HOLD_TICKS):
        room.step()
    assert body(room, 0).x == x + HOLD_TICKS * SPEED


@pytest.mark.parametrize("dx", [-1, 0, 1])
@pytest.mark.parametrize("dy", [-1, 0, 1])
def test_stays_off_the_walls(room: Room, dx: int, dy: int) -> None:
    plan = MAPS["box"]
    for _ in range(200):
        room.step((0, Move(dx, dy)))
        fighter = body(room, 0)
        corners = [(fighter.x + u, fighter.y + v) for u in (-56, 56) for v in (-56, 56)]
        assert all(plan.plan.rows[v // TILE][u // TILE] != "#" for u, v in corners)


def test_a_shot_asked_for_by_any_input_of_a_tick_is_fired(room: Room) -> None:
    room.step((0, Move(fire=True)), (0, Move(fire=False)))
    assert len(room.state.bullets) == 1
    for _ in range(RELOAD_TICKS):
        room.step()
    assert len(room.state.bullets) == 1


def test_reloads_however_often_fire_is_pressed(room: Room) -> None:
    for _ in range(2 * RELOAD_TICKS):
        room.step(*[(0, Move(aim=49_152, fire=True))] * 8)
    assert room.state.shots == 2


def test_a_bullet_is_sent_once(room: Room) -> None:
    room.step((0, Move(aim=RIGHT, fire=True)))
    first = room.seen_by(1).bullets
    room.step()
    assert room.seen_by(1).bullets == first
    assert [(shot.x, shot.seat, shot.tick) for shot in first.values()] == [(middle(2), 0, 0)]


def test_walls_stop_bullets(room: Room) -> None:
    for _ in range(30):
        room.step((0, Move(aim=49_152, fire=True)))  # up
    room.step((0, Move(fire=False)))
    for _ in range(30):
        room.step()
    assert room.state.bullets == {}
    assert body(room, 1).health == HEALTH_MAX


def test_kills_and_returns_with_a_shield(room: Room) -> None:
    steps = list(until_killed(room))
    assert len(steps) > (HEALTH_MAX // DAMAGE - 1) * RELOAD_TICKS
    assert [emitted.event for emitted in room.events] == [Kill("p1", 1), Lead(1)]
    assert {emitted.player_id for emitted in room.events} == {"p0"}
    assert (body(room, 0).kills, body(room, 1).deaths) == (1, 1)
    room.step((0, Move(fire=False)))
    for _ in range(RESPAWN_TICKS):
        room.step()
    assert body(room, 1).health == HEALTH_MAX
    assert room.seen_by(0).players[1].flags & 1
    for _ in range(SHIELD_TICKS):
        room.step()
    assert not room.seen_by(0).players[1].flags & 1


def test_a_shield_stops_bullets_until_its_owner_shoots(room: Room) -> None:
    body(room, 1).shield_until = 10_000
    for _ in range(20):
        room.step((0, Move(aim=RIGHT, fire=True)))
    assert body(room, 1).health == HEALTH_MAX
    room.step((1, Move(aim=49_152, fire=True)))
    assert sum(1 for _ in until_killed(room)) > 0


def test_the_dead_do_nothing(room: Room) -> None:
    list(until_killed(room))
    where = body(room, 1).x, body(room, 1).y
    shots = room.state.shots
    for _ in range(10):
        room.step((0, Move(fire=False)), (1, Move(dx=1, fire=True)))
    assert (body(room, 1).x, body(room, 1).y) == where
    assert room.state.shots <= shots + 1


def test_the_clock_waits_for_a_second_player() -> None:
    room = Room("arena", "standard")
    room.join(0)
    for _ in range(100):
        room.step()
    assert room.seen_by(0).ends_tick == 0
    room.join(5)
    room.step()
    assert room.seen_by(0).ends_tick == 100 + 180 * 20


def test_time_ends_a_match_and_equals_share_a_place() -> None:
    room = Room("arena", "quick")
    for seat in range(3):
        room.join(seat)
    body(room, 2).kills = 2
    for _ in range(15 * 20 + 1):
        assert room.tick.ended is None
        room.step()
    assert room.tick.ended is not None
    places = [(one.player_id, one.place, one.score) for one in room.tick.ended.standings]
    assert places == [("p2", 1, 2), ("p0", 2, 0), ("p1", 2, 0)]
    assert room.tick.ended.result.ended_by == "time"


def test_enough_kills_end_a_match(room: Room) -> None:
    room.state.kills = 1
    list(until_killed(room))
    assert room.tick.ended is not None
    assert room.tick.ended.result.ended_by == "kills"
    assert room.tick.ended.standings[0].player_id == "p0"


def test_bullets_of_a_left_player_do_not_score_for_the_next_in_the_seat(room: Room) -> None:
    room.step((0, Move(aim=RIGHT, fire=True)))
    room.leave(0, LeaveReason.DISCONNECTED)
    assert room.state.bullets == {}
    room.join(0)
    assert body(room, 0).kills == 0


def test_late_joiners_and_leavers_do_not_stop_a_match() -> None:
    room = Room("arena", "quick", options={"kills": 0})
    for number in range(15 * 20):
        seat = number // 20 % 8
        if number % 20 == 0 and seat not in room.players:
            room.join(seat)
        if number % 50 == 49:
            room.leave(max(room.players))
        room.step(*((seat, Move(1, 0, 9_000 * seat, True)) for seat in room.players))
    assert room.tick.ended is None or room.tick.ended.standings


def test_pickups_heal_or_load_and_come_back() -> None:
    room = Room("arena", "standard")
    room.join(0)
    health, rapid = (
        next(pickup for pickup in MAPS["court"].pickups if pickup.kind == kind) for kind in (1, 2)
    )
    fighter = body(room, 0)
    before = room.seen_by(0).pickups
    fighter.x, fighter.y, fighter.health = health.x, health.y, HEALTH_MAX
    room.step((0, Move(dx=1)))
    assert room.seen_by(0).pickups == before  # nobody takes health they do not need
    fighter.health = 10
    room.step((0, Move(dx=-1)))
    assert fighter.health == 60
    fighter.x, fighter.y = rapid.x, rapid.y
    room.step((0, Move(dx=1)))
    assert len(room.seen_by(0).pickups) == len(before) - 2
    assert room.seen_by(0).players[0].flags & 2
    for _ in range(PICKUP_TICKS):
        room.step()
    assert room.seen_by(0).pickups == before


def test_signals() -> None:
    room = Room("arena", "quick")

    def signal(message: object) -> dict:
        return room.game.signal(room.state, message, room.tick)

    assert signal({"op": "add_time", "seconds": 10}) == {"error": "the clock has not begun"}
    room.join(0)
    room.join(1)
    room.step()
    assert signal({"op": "add_time", "seconds": 10}) == {"ends_tick": 25 * 20}
    for unknown in (None, "end", {"op": "add_time", "seconds": 0}, {"op": "add_time"}, {}):
        assert "error" in signal(unknown)
    signal({"op": "end"})
    assert room.tick.ended is not None


@pytest.mark.parametrize("name", MAPS)
def test_maps_are_closed_and_places_to_return_are_free(name: str) -> None:
    made = MAPS[name]
    rows = made.plan.rows
    assert {len(row) for row in rows} == {len(rows[0])}
    assert set(rows[0] + rows[-1]) == {"#"}
    assert all(row[0] == row[-1] == "#" for row in rows)
    assert set("".join(rows)) == {"#", "."}
    assert len(made.spawns) >= 8
    for x, y in made.spawns:
        assert not made.solid_for_fighters[(y >> 6) * made.width + (x >> 6)]


def test_bots_play_a_match_to_its_end_and_one_wins() -> None:
    room = Room("arena", "standard")
    for seat in range(4):
        room.join(seat, bot=True)
    room.play(steps_max=180 * 20 + 1)
    assert room.tick.ended is not None
    first, *others = room.tick.ended.standings
    assert (first.place, first.score) == (1, 15)
    assert all(other.place > 1 and other.score < 15 for other in others)
    assert room.kinds().count("kill") == sum(one.score for one in room.tick.ended.standings)


def test_two_bots_find_each_other_around_the_walls() -> None:
    room = Room("arena", "standard")
    for seat in range(2):
        room.join(seat, bot=True)
    room.play(steps_max=180 * 20 + 1)
    assert room.kinds().count("kill") >= 5


def test_the_same_bots_play_the_same_match() -> None:
    histories = []
    for _ in range(2):
        room = Room("arena", "quick", seed=3)
        for seat in range(3):
            room.join(seat, bot=True)
        room.play(steps_max=400)
        histories.append((room.number, room.events, packed.encode(room.state)))
    assert histories[0] == histories[1]


def test_the_benchmark_modes_send_what_the_workload_says() -> None:
    """Rooms of 8: input messages of about 16 bytes, snapshots of about 200."""
    for name, mode, largest_mean in (("echo", "standard", 210), ("arena", "bench", 210)):
        room = Room(name, mode)
        for seat in range(8):
            room.join(seat, bot=True)
        sizes, base = [], None
        for number in range(200):
            decided = {s: b.decide(room.seen_by(s), f"p{s}", s) for s, b in room.bots.items()}
            room.step(*((seat, data) for seat, data in decided.items() if data is not None))
            frame = Frame.of(
                epoch=1_800_000_000_000,
                tick=1_000 + number,
                server_ms=1_800_000_000_000 + 50 * number,
                acks=[1_000 + number] * 8,
                view=room.game.view(room.state),
            )
            if base is not None:
                sizes.append(len(frame.encoded(Format.MSGPACK, base)))
            base = frame
            for data in decided.values():
                assert data is None or len(msgspec.msgpack.encode((2, 1_000, data))) <= 16
        assert 140 < sum(sizes) / len(sizes) < largest_mean
        assert room.tick.ended is None
