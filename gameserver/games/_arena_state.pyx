# cython: language_level=3
"""The compiled form of ``arena_plain_state``: the same classes with their fields in C.

They are stored by the bytes of the Structs (``gameserver.game.packed``). A number that a field does
not hold is an ``OverflowError``.
"""

cimport cython

from msgspec import convert
from msgspec.structs import astuple

from gameserver.games import arena_plain_state as plain
from gameserver.games.arena_types import Move, Shot


@cython.final
@cython.no_gc
cdef class Body:
    """See ``arena_plain_state.Body``."""

    def __init__(
        self,
        str id not None,
        x=0,
        y=0,
        move=Move(),
        fired=False,
        health=0,
        kills=0,
        deaths=0,
        held_until=0,
        reload_until=0,
        shield_until=0,
        rapid_until=0,
        dead_until=0,
        ahead_x=0,
        ahead_y=0,
        ahead=0,
        paid_tick=0,
        late=0,
    ):
        self.id = id
        self.x, self.y = x, y
        self.move = move
        self.fired = fired
        self.health, self.kills, self.deaths = health, kills, deaths
        self.held_until, self.reload_until = held_until, reload_until
        self.shield_until, self.rapid_until = shield_until, rapid_until
        self.dead_until = dead_until
        self.ahead_x, self.ahead_y, self.ahead = ahead_x, ahead_y, ahead
        self.paid_tick, self.late = paid_tick, late

    @property
    def move(self):
        """The last input."""
        return Move(self.dx, self.dy, self.aim, self.trigger & FIRES != 0)

    @move.setter
    def move(self, move):
        cdef bint fires = move.fire
        cdef signed char dx = move.dx, dy = move.dy
        self.aim = move.aim
        self.dx, self.dy = dx, dy
        self.trigger = (self.trigger & FIRED) | (FIRES if fires else 0)

    @property
    def fired(self):
        return self.trigger & FIRED != 0

    @fired.setter
    def fired(self, bint fired):
        self.trigger = (self.trigger & FIRES) | (FIRED if fired else 0)

    def pack(self):
        """See ``gameserver.game.packed``."""
        return (
            self.id,
            self.x,
            self.y,
            self.move,
            self.fired,
            self.health,
            self.kills,
            self.deaths,
            self.held_until,
            self.reload_until,
            self.shield_until,
            self.rapid_until,
            self.dead_until,
            self.ahead_x,
            self.ahead_y,
            self.ahead,
            self.paid_tick,
            self.late,
        )

    @classmethod
    def unpack(cls, values):
        """Whatever the Struct reads, and its fields can hold."""
        return cls(*astuple(convert(values, plain.Body)))

    def __eq__(self, other):
        return type(other) is Body and self.pack() == (<Body> other).pack()

    def __repr__(self):
        return repr(plain.Body(*self.pack()))

    def __reduce__(self):
        return Body, self.pack()


@cython.final
@cython.no_gc
cdef class Bullet:
    """See ``arena_plain_state.Bullet``."""

    def __init__(self, shot, x, y, dx, dy):
        self.start_x, self.start_y, self.aim = shot.x, shot.y, shot.aim
        self.tick, self.seat = shot.tick, shot.seat
        self.x, self.y, self.dx, self.dy = x, y, dx, dy

    @property
    def shot(self):
        """What clients know of it."""
        return Shot(self.start_x, self.start_y, self.aim, self.tick, self.seat)

    def pack(self):
        """See ``gameserver.game.packed``."""
        return self.shot, self.x, self.y, self.dx, self.dy

    @classmethod
    def unpack(cls, values):
        """Whatever the Struct reads, and its fields can hold."""
        return cls(*astuple(convert(values, plain.Bullet)))

    def __eq__(self, other):
        return type(other) is Bullet and self.pack() == (<Bullet> other).pack()

    def __repr__(self):
        return repr(plain.Bullet(*self.pack()))

    def __reduce__(self):
        return Bullet, self.pack()
