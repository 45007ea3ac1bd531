# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled form of ``arena_body`` and ``arena_plain``: the same functions, in C.

What happens now and then (a return, a kill, a pickup) is done by ``arena_plain`` here as well.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Next
from cpython.object cimport PyObject

from gameserver.game.fields cimport offset_of, read, read_bool, read_int, write, write_int
from gameserver.hot._fast cimport Given

from gameserver.games import arena_body, arena_plain
from gameserver.games.arena_maps import MAPS
from gameserver.games.arena_state import ArenaState, Body, Bullet
from gameserver.games.arena_types import Fighter, Move, Shot

cdef enum:
    TARGETS_MAX = 128  # with more fighters ``arena_plain`` takes over

cdef long SPEED = arena_body.SPEED, SPEED_DIAGONAL = arena_body.SPEED_DIAGONAL
cdef long HOLD_TICKS = arena_body.HOLD_TICKS, FORGET_TICKS = arena_body.FORGET_TICKS
cdef long EARLY_TICKS = arena_body.EARLY_TICKS, SPARE_TICKS = arena_body.SPARE_TICKS
cdef long BULLET_TICKS = arena_plain.BULLET_TICKS, RELOAD_TICKS = arena_plain.RELOAD_TICKS
cdef long RELOAD_TICKS_RAPID = arena_plain.RELOAD_TICKS_RAPID
cdef tuple HEADINGS = arena_plain.HEADINGS
cdef long HIT_RADIUS = arena_plain.HIT_RADIUS, DAMAGE = arena_plain.DAMAGE

cdef Py_ssize_t DX = offset_of(Move, "dx"), DY = offset_of(Move, "dy")
cdef Py_ssize_t AIM = offset_of(Move, "aim"), FIRE = offset_of(Move, "fire")

cdef Py_ssize_t X = offset_of(Body, "x"), Y = offset_of(Body, "y")
cdef Py_ssize_t MOVE = offset_of(Body, "move"), FIRED = offset_of(Body, "fired")
cdef Py_ssize_t HEALTH = offset_of(Body, "health"), KILLS = offset_of(Body, "kills")
cdef Py_ssize_t DEATHS = offset_of(Body, "deaths")
cdef Py_ssize_t HELD_UNTIL = offset_of(Body, "held_until")
cdef Py_ssize_t RELOAD_UNTIL = offset_of(Body, "reload_until")
cdef Py_ssize_t SHIELD_UNTIL = offset_of(Body, "shield_until")
cdef Py_ssize_t RAPID_UNTIL = offset_of(Body, "rapid_until")
cdef Py_ssize_t DEAD_UNTIL = offset_of(Body, "dead_until")
cdef Py_ssize_t AHEAD_X = offset_of(Body, "ahead_x"), AHEAD_Y = offset_of(Body, "ahead_y")
cdef Py_ssize_t AHEAD = offset_of(Body, "ahead"), LATE = offset_of(Body, "late")
cdef Py_ssize_t PAID_TICK = offset_of(Body, "paid_tick")

cdef Py_ssize_t BULLETS = offset_of(ArenaState, "bullets"), SHOTS = offset_of(ArenaState, "shots")
cdef Py_ssize_t SHOT = offset_of(Bullet, "shot")
cdef Py_ssize_t AT_X = offset_of(Bullet, "x"), AT_Y = offset_of(Bullet, "y")
cdef Py_ssize_t BY_X = offset_of(Bullet, "dx"), BY_Y = offset_of(Bullet, "dy")
cdef Py_ssize_t SHOT_TICK = offset_of(Shot, "tick"), SHOT_SEAT = offset_of(Shot, "seat")

cdef struct Grid:
    const char *cells
    Py_ssize_t size
    long width

cdef struct Target:
    long x
    long y
    long seat
    PyObject *body


cdef inline Grid _grid(bytes cells, long width) noexcept:
    return Grid(PyBytes_AS_STRING(cells), PyBytes_GET_SIZE(cells), width)


cdef inline int _is_solid(Grid *grid, long x, long y) except -1:
    cdef long at = (y >> 6) * grid.width + (x >> 6)
    if at < 0 or at >= grid.size:
        raise IndexError("outside of the map")
    return grid.cells[at]


cdef inline int _step(Grid *grid, long *x, long *y, long dx, long dy, long speed) except -1:
    """One axis after the other, so that a fighter slides along a wall."""
    if not _is_solid(grid, x[0] + dx * speed, y[0]):
        x[0] += dx * speed
    if not _is_solid(grid, x[0], y[0] + dy * speed):
        y[0] += dy * speed
    return 0


def walk(dict bodies, plan, inputs, long now):
    """See ``arena_body.walk``."""
    cdef Grid grid = _grid(plan.solid_for_fighters, plan.width)
    cdef long long paid
    cdef long x, y, dx, dy
    for each in inputs:
        if type(each) is Given:
            seat, move = (<Given> each).seat, (<Given> each).data
        else:
            seat, move = each.seat, each.data
        body = bodies.get(seat)
        if body is None:
            continue
        write(body, MOVE, move)
        if read_bool(move, FIRE):
            write(body, FIRED, True)
        paid = read_int(body, PAID_TICK)
        if read_int(body, HELD_UNTIL) <= now:
            paid = now - 1
        write_int(body, HELD_UNTIL, now + FORGET_TICKS)
        if paid >= now + EARLY_TICKS:
            continue
        write_int(body, PAID_TICK, paid + 1)
        dx, dy = read_int(move, DX), read_int(move, DY)
        if (dx or dy) and read_int(body, HEALTH) > 0:
            x, y = read_int(body, X), read_int(body, Y)
            _step(&grid, &x, &y, dx, dy, SPEED_DIAGONAL if dx and dy else SPEED)
            write_int(body, X, x)
            write_int(body, Y, y)


cdef int _go_ahead(Grid *grid, body, move, long now) except -1:
    """See ``arena_body.go_ahead``."""
    cdef long x, y, ahead = 0, dx = read_int(move, DX), dy = read_int(move, DY)
    cdef long speed = SPEED_DIAGONAL if dx and dy else SPEED
    cdef long long paid = read_int(body, PAID_TICK), late = read_int(body, LATE) + 1
    if paid >= now:
        write_int(body, LATE, 0)
        write_int(body, AHEAD, 0)
        write_int(body, AHEAD_X, 0)
        write_int(body, AHEAD_Y, 0)
        return 0
    x, y = read_int(body, X), read_int(body, Y)
    if now - paid >= FORGET_TICKS:
        _step(grid, &x, &y, dx, dy, speed)
        write_int(body, X, x)
        write_int(body, Y, y)
        paid = now - FORGET_TICKS + 1
    elif late >= SPARE_TICKS:
        paid += 1
        late = 0
    write_int(body, PAID_TICK, paid)
    write_int(body, LATE, late)
    if dx or dy:
        ahead = min(now - paid, HOLD_TICKS - 1)
    write_int(body, AHEAD, ahead)
    cdef long from_x = x, from_y = y
    for _ in range(ahead):
        _step(grid, &x, &y, dx, dy, speed)
    write_int(body, AHEAD_X, x - from_x)
    write_int(body, AHEAD_Y, y - from_y)
    return 0


def act(state, long now, random):
    """See ``arena_plain.act``."""
    plan = MAPS[state.map]
    cdef Grid grid = _grid(plan.solid_for_fighters, plan.width)
    cdef dict bodies = state.bodies
    cdef list pickups = state.pickups
    cdef long late
    cdef bint still, wants
    for seat, body in bodies.items():
        move = read(body, MOVE)
        late = read_int(body, LATE)
        still = not (read_int(move, DX) or read_int(move, DY))
        if read_int(body, HELD_UNTIL) <= now:
            if not still or read_bool(move, FIRE):
                move = arena_body.stand(body)
                write(body, MOVE, move)
                late, still = 0, True
        elif late or read_int(body, PAID_TICK) < now:
            _go_ahead(&grid, body, move, now)
            late = read_int(body, LATE)
        if read_int(body, HEALTH) <= 0:
            write(body, FIRED, False)
            if now >= read_int(body, DEAD_UNTIL):
                arena_plain.place(state, body, now, random)
            continue
        if pickups and not still:
            arena_plain.reach(state, plan, body, now)
        wants = read_bool(body, FIRED)
        if wants:
            write(body, FIRED, False)
        else:
            wants = late < HOLD_TICKS and read_bool(move, FIRE)
        if wants and read_int(body, RELOAD_UNTIL) <= now:
            _shoot(state, seat, body, move, now)


cdef int _shoot(state, seat, body, move, long now) except -1:
    """See ``arena_plain.shoot``."""
    cdef bint rapid = read_int(body, RAPID_UNTIL) > now
    cdef long aim = read_int(move, AIM) >> 6
    cdef dict bullets = read(state, BULLETS)
    write_int(body, RELOAD_UNTIL, now + (RELOAD_TICKS_RAPID if rapid else RELOAD_TICKS))
    write_int(body, SHIELD_UNTIL, 0)
    dx, dy = HEADINGS[aim]
    key = (read_int(state, SHOTS) + 1) & 0xFFFF
    write(state, SHOTS, key)
    x = read(body, X) + read(body, AHEAD_X)
    y = read(body, Y) + read(body, AHEAD_Y)
    bullets[key] = Bullet(Shot(x, y, aim, now, seat), x, y, dx, dy)
    return 0


def fly(state, long now, tick):
    """See ``arena_plain.fly``."""
    cdef dict bodies = state.bodies, bullets = state.bullets
    if len(bodies) > TARGETS_MAX:
        return arena_plain.fly(state, now, tick)
    cdef Target targets[TARGETS_MAX]
    cdef Target *target
    cdef long count = 0, x, y, shooter, health, index, spent_tick = now - BULLET_TICKS
    cdef long off_x, off_y
    for seat, body in bodies.items():
        if read_int(body, HEALTH) > 0 and read_int(body, SHIELD_UNTIL) <= now:
            target = &targets[count]
            target.x = read_int(body, X) + read_int(body, AHEAD_X)
            target.y = read_int(body, Y) + read_int(body, AHEAD_Y)
            target.seat = seat
            target.body = <PyObject *> body
            count += 1
    plan = MAPS[state.map]
    cdef Grid grid = _grid(plan.solid_for_bullets, plan.width)
    gone = None
    for key, bullet in bullets.items():
        x = read_int(bullet, AT_X) + read_int(bullet, BY_X)
        y = read_int(bullet, AT_Y) + read_int(bullet, BY_Y)
        write_int(bullet, AT_X, x)
        write_int(bullet, AT_Y, y)
        shot = read(bullet, SHOT)
        if read_int(shot, SHOT_TICK) <= spent_tick or _is_solid(&grid, x, y):
            gone = _noted(gone, key)
            continue
        shooter = read_int(shot, SHOT_SEAT)
        for index in range(count):
            target = &targets[index]
            off_x, off_y = target.x - x, target.y - y
            if (
                -HIT_RADIUS < off_x < HIT_RADIUS
                and -HIT_RADIUS < off_y < HIT_RADIUS
                and off_x * off_x + off_y * off_y < HIT_RADIUS * HIT_RADIUS
                and target.seat != shooter
            ):
                body = <object> target.body
                health = read_int(body, HEALTH)
                if health <= 0:
                    continue
                gone = _noted(gone, key)
                health = max(0, health - DAMAGE)
                write_int(body, HEALTH, health)
                if not health:
                    arena_plain.kill(state, bodies[shooter], body, now, tick)
                break
    if gone is not None:
        for key in <list> gone:
            del bullets[key]


cdef list _noted(list keys, key):
    if keys is None:
        return [key]
    keys.append(key)
    return keys


def fighters(dict bodies, long now):
    """See ``arena_plain.fighters``."""
    cdef dict seen = {}
    cdef long flags, ahead
    for seat, body in bodies.items():
        x, y = read(body, X), read(body, Y)
        ahead = read_int(body, AHEAD)
        flags = ahead << 2
        if ahead:
            x, y = x + read(body, AHEAD_X), y + read(body, AHEAD_Y)
        if read_int(body, SHIELD_UNTIL) > now:
            flags |= 1
        if read_int(body, RAPID_UNTIL) > now:
            flags |= 2
        seen[seat] = Fighter(
            x,
            y,
            read_int(read(body, MOVE), AIM) >> 6,
            read(body, HEALTH),
            read(body, KILLS),
            read(body, DEATHS),
            flags,
        )
    return seen


def shots(dict bullets):
    """See ``arena_plain.shots``."""
    cdef dict seen = {}
    for key, bullet in bullets.items():
        seen[key] = read(bullet, SHOT)
    return seen
