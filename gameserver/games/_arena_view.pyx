# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled form of ``arena_plain.encode_view``."""

from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Next
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc

from gameserver.game.fields cimport offset_of, read, read_int
from gameserver.games._arena_state cimport Body, Bullet, must_be, number_of
from gameserver.wire.packing cimport INT_MAX, write_array, write_encoded, write_int, write_map

import msgspec

from gameserver.games.arena_maps import MAPS
from gameserver.games.arena_state import ArenaState

cdef enum:
    VIEW_BYTES = 4096  # of a usual view

cdef Py_ssize_t MAP = offset_of(ArenaState, "map"), BODIES = offset_of(ArenaState, "bodies")
cdef Py_ssize_t BULLETS = offset_of(ArenaState, "bullets"), NOW = offset_of(ArenaState, "now")
cdef Py_ssize_t PICKUPS = offset_of(ArenaState, "pickups")
cdef Py_ssize_t ENDS_TICK = offset_of(ArenaState, "ends_tick")
cdef Py_ssize_t KILLS = offset_of(ArenaState, "kills")
cdef bytes VIEW_HEAD, VIEW_BULLETS, VIEW_PICKUPS, VIEW_ENDS_TICK, VIEW_KILLS
_names = [msgspec.msgpack.encode(name) for name in (
    "players", "bullets", "pickups", "ends_tick", "kills"
)]
VIEW_HEAD, VIEW_BULLETS, VIEW_PICKUPS, VIEW_ENDS_TICK, VIEW_KILLS = _names
VIEW_HEAD = b"\x86" + VIEW_HEAD
cdef dict SEEN = {}


cdef class Seen:
    """What is encoded once of a map: ``tail``, with which a view ends, and the pickups."""

    cdef bytes tail
    cdef tuple pickups


cdef Seen _seen(name):
    cdef Seen seen = SEEN.get(name)
    if seen is None:
        plan = MAPS[name]
        seen = Seen.__new__(Seen)
        seen.tail = msgspec.msgpack.encode("map") + msgspec.msgpack.encode(plan.plan)
        seen.pickups = tuple(msgspec.msgpack.encode(pickup) for pickup in plan.pickups)
        SEEN[name] = seen
    return seen


def encode_view(state):
    """See ``arena_plain.encode_view``."""
    cdef uint8_t[VIEW_BYTES] usual
    cdef dict bodies = read(state, BODIES), bullets = read(state, BULLETS)
    cdef list pickups = read(state, PICKUPS)
    cdef Seen seen = _seen(read(state, MAP))
    cdef Py_ssize_t room = (
        256
        + PyBytes_GET_SIZE(seen.tail)
        + 8 * INT_MAX * (len(bodies) + len(bullets))
        + 4 * INT_MAX * len(pickups)
    )
    cdef uint8_t *start = usual
    cdef uint8_t *end
    if room > VIEW_BYTES:
        start = <uint8_t *> malloc(room)
        if start == NULL:
            raise MemoryError
    try:
        end = write_encoded(start, VIEW_HEAD)
        end = _write_players(end, bodies, read_int(state, NOW))
        end = _write_bullets(write_encoded(end, VIEW_BULLETS), bullets)
        end = write_encoded(end, VIEW_PICKUPS)
        end = _write_pickups(end, pickups, seen.pickups, read_int(state, NOW))
        end = write_int(write_encoded(end, VIEW_ENDS_TICK), read_int(state, ENDS_TICK))
        end = write_int(write_encoded(end, VIEW_KILLS), read_int(state, KILLS))
        end = write_encoded(end, seen.tail)
        return PyBytes_FromStringAndSize(<char *> start, end - start)
    finally:
        if start != usual:
            free(start)


cdef uint8_t *_write_players(uint8_t *out, dict bodies, long long now) except NULL:
    """See ``arena_plain.fighters``."""
    cdef Py_ssize_t at = 0
    cdef PyObject *key
    cdef PyObject *value
    out = write_map(out, len(bodies))
    while PyDict_Next(bodies, &at, &key, &value):
        must_be(value, Body)
        out = write_int(out, number_of(key))
        out = _write_fighter(out, <Body> value, now)
    return out


cdef inline uint8_t *_write_fighter(uint8_t *out, Body body, long long now) noexcept:
    cdef long flags = (body.shield_until > now) | (body.rapid_until > now) << 1
    out = write_array(out, 7)
    out = write_int(out, <long> body.x + body.ahead_x)
    out = write_int(out, <long> body.y + body.ahead_y)
    out = write_int(out, body.aim >> 6)
    out = write_int(out, body.health)
    out = write_int(out, body.kills)
    out = write_int(out, body.deaths)
    return write_int(out, flags | <long> body.ahead << 2)


cdef uint8_t *_write_bullets(uint8_t *out, dict bullets) except NULL:
    """See ``arena_plain.shots``."""
    cdef Py_ssize_t at = 0
    cdef PyObject *key
    cdef PyObject *value
    cdef Bullet bullet
    out = write_map(out, len(bullets))
    while PyDict_Next(bullets, &at, &key, &value):
        must_be(value, Bullet)
        bullet = <Bullet> value
        out = write_array(write_int(out, number_of(key)), 5)
        out = write_int(out, bullet.start_x)
        out = write_int(out, bullet.start_y)
        out = write_int(out, bullet.aim)
        out = write_int(out, bullet.tick)
        out = write_int(out, bullet.seat)
    return out


cdef uint8_t *_write_pickups(uint8_t *out, list pickups, tuple seen, long long now) except NULL:
    """Those that are there."""
    cdef Py_ssize_t index, count = 0
    for ready in pickups:
        count += <long long> ready <= now
    out = write_map(out, count)
    for index in range(len(pickups)):
        if <long long> pickups[index] <= now:
            if index >= len(seen):
                raise IndexError("the map has fewer pickups")
            out = write_encoded(write_int(out, index), seen[index])
    return out
