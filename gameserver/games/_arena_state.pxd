"""The fields of a fighter and a bullet, for ``_arena``.

The fields of ``arena_plain_state``, each as wide as the arena needs it, so that an object is not more
than one or two lines of the processor's cache: 80 and 48 bytes.
"""

from cpython.long cimport PyLong_AsLongLong, PyLong_CheckExact
from cpython.object cimport PyObject

cdef enum:
    FIRES = 1  # the last move holds the trigger
    FIRED = 2  # some input of this tick holds it


cdef class Body:
    cdef public int x, y
    cdef public int paid_tick, held_until, late
    cdef public short ahead_x, ahead_y
    cdef public short health
    cdef unsigned short aim
    cdef signed char dx, dy
    cdef public signed char ahead
    cdef unsigned char trigger
    cdef public int shield_until, rapid_until, reload_until
    cdef public int kills, deaths, dead_until
    cdef public str id


cdef class Bullet:
    cdef public int x, y
    cdef public short dx, dy
    cdef int start_x, start_y, tick
    cdef unsigned short aim
    cdef short seat


cdef inline int must_be(PyObject *value, type kind) except -1:
    if type(<object> value) is not kind:
        raise TypeError(f"a state of the arena holds a {type(<object> value).__name__}")
    return 0


cdef inline long long number_of(PyObject *key) except? -1:
    """A seat, or a bullet's number."""
    if not PyLong_CheckExact(<object> key):
        raise TypeError("a key must be an int")
    return PyLong_AsLongLong(<object> key)
