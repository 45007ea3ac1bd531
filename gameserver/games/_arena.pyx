# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled form of ``arena_body`` and ``arena_plain``: the same functions, in C.

What happens now and then (a return, a kill, a pickup) is done by ``arena_plain`` here as well. A body
is borrowed from the dict that holds it: nothing that is called here takes one out.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError, PyDict_Next
from cpython.object cimport PyObject

from gameserver.game.fetching cimport CACHE_LINE, fetch
from gameserver.game.fields cimport offset_of, read, read_bool, read_int, write, write_int
from gameserver.games._arena_state cimport FIRED, FIRES, Body, Bullet, must_be, number_of
from gameserver.hot._fast cimport Given

from gameserver.games import arena_body, arena_plain
from gameserver.games.arena_maps import CELLS, MAPS, Map
from gameserver.games.arena_state import ArenaState
from gameserver.games.arena_types import Move

cdef enum:
    TARGETS_MAX = 128  # with more fighters ``arena_plain`` takes over
    DIRECTIONS = 1024
    TICKS_MAX = 2_147_000_000  # what lies a little ahead of it still fits a field

cdef long SPEED = arena_body.SPEED, SPEED_DIAGONAL = arena_body.SPEED_DIAGONAL
cdef long HOLD_TICKS = arena_body.HOLD_TICKS, FORGET_TICKS = arena_body.FORGET_TICKS
cdef long EARLY_TICKS = arena_body.EARLY_TICKS, SPARE_TICKS = arena_body.SPARE_TICKS
cdef long TICK_RATE = arena_plain.TICK_RATE
cdef long BULLET_TICKS = arena_plain.BULLET_TICKS, RELOAD_TICKS = arena_plain.RELOAD_TICKS
cdef long RELOAD_TICKS_RAPID = arena_plain.RELOAD_TICKS_RAPID
cdef long HIT_RADIUS = arena_plain.HIT_RADIUS, DAMAGE = arena_plain.DAMAGE
cdef short[DIRECTIONS] HEADINGS_X = [x for x, _ in arena_plain.HEADINGS]
cdef short[DIRECTIONS] HEADINGS_Y = [y for _, y in arena_plain.HEADINGS]

cdef object INPUT = Move
if Move.__struct_fields__ != ("dx", "dy", "aim", "fire"):
    raise TypeError("rules and inputs of the arena do not belong together")
cdef Py_ssize_t DX = offset_of(Move, "dx"), DY = offset_of(Move, "dy")
cdef Py_ssize_t AIM = offset_of(Move, "aim"), FIRE = offset_of(Move, "fire")

cdef Py_ssize_t MAP = offset_of(ArenaState, "map"), BODIES = offset_of(ArenaState, "bodies")
cdef Py_ssize_t BULLETS = offset_of(ArenaState, "bullets"), NOW = offset_of(ArenaState, "now")
cdef Py_ssize_t SECONDS = offset_of(ArenaState, "seconds")
cdef Py_ssize_t ENDS = offset_of(ArenaState, "ends_tick")
cdef Py_ssize_t PICKUPS = offset_of(ArenaState, "pickups"), SHOTS = offset_of(ArenaState, "shots")

cdef struct Grid:
    const char *cells
    Py_ssize_t size
    long width

cdef struct Target:
    long x
    long y
    long seat
    PyObject *body

cdef struct Wish:
    long seat, dx, dy, aim
    bint fire


cdef inline int _checked(long long value) except? -1:
    """``value``, which a field must hold."""
    if value != <int> value:
        raise OverflowError("a number of the arena has 32 bits")
    return <int> value


cdef Py_ssize_t WIDTH_AT = Map._fields.index("width")
cdef Py_ssize_t FIGHTERS_AT = Map._fields.index("solid_for_fighters")
cdef Py_ssize_t BULLETS_AT = Map._fields.index("solid_for_bullets")


cdef inline Grid _grid(plan, Py_ssize_t at):
    cdef bytes cells = (<tuple> plan)[at]
    return Grid(PyBytes_AS_STRING(cells), PyBytes_GET_SIZE(cells), (<tuple> plan)[WIDTH_AT])


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


cdef inline int _hear(given, Wish *wish) except -1:
    """What an input says, and whose it is: the one place that knows how inputs are made."""
    cdef Given usual
    if type(given) is Given:
        usual = given
        wish.seat = usual.seat
        if usual.row is not None and usual.row.input_type is INPUT:
            wish.dx, wish.dy = usual.numbers[0].whole, usual.numbers[1].whole
            wish.aim, wish.fire = usual.numbers[2].whole, usual.numbers[3].whole != 0
            return 0
    else:
        wish.seat = given.seat
    move = given.data
    if type(move) is not INPUT and not isinstance(move, Move):
        raise TypeError("an input must be a Move")
    wish.dx, wish.dy, wish.aim = read_int(move, DX), read_int(move, DY), read_int(move, AIM)
    wish.fire = read_bool(move, FIRE)
    return 0


def step(state, inputs, tick):
    """See ``arena_plain.step``."""
    cdef long long now = tick.number, seconds, ends = read_int(state, ENDS)
    cdef dict bodies = read(state, BODIES), bullets = read(state, BULLETS)
    plan = MAPS[read(state, MAP)]
    cdef Grid grid = _grid(plan, FIGHTERS_AT)
    if not 0 <= now < TICKS_MAX:
        raise OverflowError("a match of the arena has too many ticks")
    write_int(state, NOW, now)
    if not ends and len(bodies) > 1:
        seconds = read_int(state, SECONDS)
        if seconds:
            write_int(state, ENDS, now + seconds * TICK_RATE)
    _fetch_all(bodies)
    _fetch_all(bullets)
    _walk_all(bodies, inputs, &grid, now)
    _act(state, bodies, plan, &grid, now, tick.random)
    if len(bodies) > TARGETS_MAX:
        arena_plain.fly(state, now, tick)
    elif bullets:
        grid = _grid(plan, BULLETS_AT)
        _fly(state, bodies, bullets, &grid, now, tick)
    ends = read_int(state, ENDS)
    if ends and now >= ends:
        arena_plain.end(state, tick, "time")


cdef void _fetch_all(dict things) noexcept:
    """Have all brought into the caches at once, not one after the other when each is needed."""
    cdef Py_ssize_t at = 0
    cdef PyObject *value
    while PyDict_Next(things, &at, NULL, &value):
        fetch(value)
        fetch(<char *> value + CACHE_LINE)


cdef int _walk_all(dict bodies, inputs, Grid *grid, long now) except -1:
    """See ``arena_body.walk``."""
    cdef PyObject *value
    cdef Wish wish
    for given in inputs:
        _hear(given, &wish)
        value = PyDict_GetItemWithError(bodies, wish.seat)
        if value != NULL:
            must_be(value, Body)
            _walk(<Body> value, &wish, grid, now)
    return 0


cdef inline int _walk(Body body, Wish *wish, Grid *grid, long now) except -1:
    cdef long x = body.x, y = body.y, paid = body.paid_tick
    if not (-1 <= wish.dx <= 1 and -1 <= wish.dy <= 1 and 0 <= wish.aim < 0x10000):
        raise OverflowError("a Move is out of bounds")
    body.dx, body.dy, body.aim = wish.dx, wish.dy, wish.aim
    body.trigger = FIRES | FIRED if wish.fire else body.trigger & FIRED
    if body.held_until <= now:
        paid = now - 1
    body.held_until = now + FORGET_TICKS
    if paid >= now + EARLY_TICKS:
        return 0
    body.paid_tick = paid + 1
    if (wish.dx or wish.dy) and body.health > 0:
        _step(grid, &x, &y, wish.dx, wish.dy, SPEED_DIAGONAL if wish.dx and wish.dy else SPEED)
        body.x, body.y = _checked(x), _checked(y)
    return 0


cdef int _go_ahead(Grid *grid, Body body, long now) except -1:
    """See ``arena_body.go_ahead``."""
    cdef long x = body.x, y = body.y, ahead = 0, dx = body.dx, dy = body.dy
    cdef long speed = SPEED_DIAGONAL if dx and dy else SPEED
    cdef long paid = body.paid_tick, late = <long> body.late + 1
    if paid >= now:
        body.late = body.ahead = body.ahead_x = body.ahead_y = 0
        return 0
    if now - paid >= FORGET_TICKS:
        _step(grid, &x, &y, dx, dy, speed)
        body.x, body.y = _checked(x), _checked(y)
        paid = now - FORGET_TICKS + 1
    elif late >= SPARE_TICKS:
        paid += 1
        late = 0
    body.paid_tick, body.late = _checked(paid), _checked(late)
    if dx or dy:
        ahead = min(now - paid, HOLD_TICKS - 1)
    body.ahead = ahead
    cdef long from_x = x, from_y = y
    for _ in range(ahead):
        _step(grid, &x, &y, dx, dy, speed)
    body.ahead_x, body.ahead_y = x - from_x, y - from_y
    return 0


cdef int _stand(Body body) except -1:
    """See ``arena_body.stand``; the last input is put in its place, too."""
    body.x = _checked(<long> body.x + body.ahead_x)
    body.y = _checked(<long> body.y + body.ahead_y)
    body.late = body.ahead = body.ahead_x = body.ahead_y = 0
    body.dx = body.dy = 0
    body.trigger &= FIRED
    return 0


cdef int _act(state, dict bodies, plan, Grid *grid, long now, random) except -1:
    """See ``arena_plain.act``."""
    cdef bint pickups = len(<list> read(state, PICKUPS)) > 0
    cdef Py_ssize_t at = 0
    cdef PyObject *key
    cdef PyObject *value
    while PyDict_Next(bodies, &at, &key, &value):
        must_be(value, Body)
        _turn(state, key, <Body> value, plan, grid, pickups, now, random)
    return 0


cdef int _turn(
    state, PyObject *key, Body body, plan, Grid *grid, bint pickups, long now, random
) except -1:
    """What one fighter does."""
    cdef bint wants, still = not (body.dx or body.dy)
    if body.held_until <= now:
        if not still or body.trigger & FIRES:
            _stand(body)
            still = True
    elif body.late or body.paid_tick < now:
        _go_ahead(grid, body, now)
    if body.health <= 0:
        body.trigger &= FIRES
        if now >= body.dead_until:
            arena_plain.place(state, body, now, random)
        return 0
    if pickups and not still:
        arena_plain.reach(state, plan, body, now)
    wants = body.trigger & FIRED or (body.trigger & FIRES and body.late < HOLD_TICKS)
    if wants:
        body.trigger &= FIRES
        if body.reload_until <= now:
            _shoot(state, number_of(key), body, now)
    return 0


cdef int _shoot(state, long long seat, Body body, long now) except -1:
    """See ``arena_plain.shoot``."""
    cdef int x = _checked(<long> body.x + body.ahead_x), y = _checked(<long> body.y + body.ahead_y)
    cdef long aim = body.aim >> 6
    cdef Bullet bullet = Bullet.__new__(Bullet)
    if seat != <short> seat:
        raise OverflowError("a seat of the arena has 16 bits")
    body.reload_until = now + (RELOAD_TICKS_RAPID if body.rapid_until > now else RELOAD_TICKS)
    body.shield_until = 0
    bullet.x = bullet.start_x = x
    bullet.y = bullet.start_y = y
    bullet.dx, bullet.dy, bullet.aim = HEADINGS_X[aim], HEADINGS_Y[aim], aim
    bullet.tick, bullet.seat = now, seat
    number = (read_int(state, SHOTS) + 1) & 0xFFFF
    write(state, SHOTS, number)
    (<dict> read(state, BULLETS))[number] = bullet
    return 0


cdef int _fly(state, dict bodies, dict bullets, Grid *grid, long now, tick) except -1:
    """See ``arena_plain.fly``; of at most ``TARGETS_MAX`` fighters."""
    cdef Target targets[TARGETS_MAX]
    cdef long count = _targets(bodies, now, targets)
    cdef Py_ssize_t at = 0
    cdef PyObject *key
    cdef PyObject *value
    cdef PyObject *hit
    cdef Bullet bullet
    cdef long x, y
    gone = None
    while PyDict_Next(bullets, &at, &key, &value):
        must_be(value, Bullet)
        bullet = <Bullet> value
        x, y = <long> bullet.x + bullet.dx, <long> bullet.y + bullet.dy
        bullet.x, bullet.y = _checked(x), _checked(y)
        hit = NULL
        if bullet.tick > now - BULLET_TICKS and not _is_solid(grid, x, y):
            hit = _hit(targets, count, x, y, bullet.seat)
            if hit == NULL:
                continue
        gone = _noted(gone, <object> key)
        if hit != NULL:
            _hurt(state, <Body> hit, bullet.seat, now, tick)
    if gone is not None:
        for number in <list> gone:
            del bullets[number]
    return 0


cdef long _targets(dict bodies, long now, Target *targets) except -1:
    """Whom a bullet can hit; how many."""
    cdef Py_ssize_t at = 0
    cdef PyObject *key
    cdef PyObject *value
    cdef Target *target
    cdef Body body
    cdef long count = 0
    while PyDict_Next(bodies, &at, &key, &value):
        must_be(value, Body)
        body = <Body> value
        if body.health > 0 and body.shield_until <= now:
            target = &targets[count]
            target.x, target.y = <long> body.x + body.ahead_x, <long> body.y + body.ahead_y
            target.seat = number_of(key)
            target.body = value
            count += 1
    return count


cdef PyObject *_hit(Target *targets, long count, long x, long y, long shooter) noexcept:
    """Who is at ``x``, ``y`` and still lives; NULL for nobody."""
    cdef Target *target
    cdef long index, off_x, off_y
    for index in range(count):
        target = &targets[index]
        off_x, off_y = target.x - x, target.y - y
        if (
            -HIT_RADIUS < off_x < HIT_RADIUS
            and -HIT_RADIUS < off_y < HIT_RADIUS
            and off_x * off_x + off_y * off_y < HIT_RADIUS * HIT_RADIUS
            and target.seat != shooter
            and (<Body> target.body).health > 0
        ):
            return target.body
    return NULL


cdef int _hurt(state, Body body, long shooter, long now, tick) except -1:
    body.health = max(0, body.health - DAMAGE)
    if not body.health:
        arena_plain.kill(state, (<dict> read(state, BODIES))[shooter], body, now, tick)
    return 0


cdef list _noted(list keys, key):
    if keys is None:
        return [key]
    keys.append(key)
    return keys
