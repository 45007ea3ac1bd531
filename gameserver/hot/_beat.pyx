# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled form of ``plain_beat.Beat``: the same step, without a look-up by name where it can be."""

cimport cython
from gameserver.game.fields cimport offset_of, read, write, write_int
from gameserver.hot._fast cimport acknowledge, collect, spread

from array import array

from gameserver.game.step import StepTick

cdef enum:
    OBSERVED_MAX = 64

cdef Py_ssize_t NUMBER = offset_of(StepTick, "number"), TIME_MS = offset_of(StepTick, "time_ms")
cdef Py_ssize_t EVENTS = offset_of(StepTick, "events"), ENDED = offset_of(StepTick, "ended")


@cython.final
cdef class Beat:
    """See ``plain_beat.Beat``."""

    # In the order in which a step needs them: what lies together comes into the caches together.
    cdef public double trusted_until
    cdef public bint polling
    cdef public bint dirty
    cdef public bint hidden
    cdef public int inputs_max
    cdef public long rate
    cdef public long long tick
    cdef public tuple lines
    cdef public list inputs
    cdef public object metrics
    cdef public object owner
    cdef public object tape
    cdef public object moment
    cdef public object rules
    cdef public object state
    cdef public object acks
    cdef public tuple audience
    cdef public object frame_of
    cdef public long long epoch
    cdef public object wall_ms
    cdef public object encode_view
    cdef public object tables
    cdef public object shown
    cdef public tuple guests

    def __init__(self):
        self.trusted_until = float("inf")
        self.lines = self.audience = self.guests = ()
        self.acks = array("q")
        self.inputs = []
        self.tables = frozenset()

    def step(self, double now):
        """See ``plain_beat.Beat``."""
        cdef list inputs
        cdef bint told
        if now > self.trusted_until:
            self.owner.lapsed()
            return
        metrics = self.metrics
        if self.polling:
            collect(
                self.lines,
                self.inputs,
                self.tick,
                self.inputs_max,
                metrics,
                self.owner.subscriber_failed,
            )
        inputs = self.inputs
        if inputs:
            self.inputs = []
            metrics.inputs_received += len(inputs)
        try:
            told = self._advance(
                inputs, self.tick * 1000 // self.rate if self.rate else self.owner.time_ms
            )
            if inputs:
                acknowledge(self.acks, inputs)
            if self.audience:
                self.show()
            if not self.rate:
                self.owner.wake()
        except Exception as error:
            self.owner.fail(error)
            return
        if told or not self.dirty or self.tape is not None:
            self.owner.changed()
        metrics.ticks += 1

    def advance(self, inputs, time_ms):
        """See ``plain_beat.Beat``."""
        return self._advance(inputs, time_ms)

    cdef bint _advance(self, inputs, long long time_ms) except -1:
        cdef bint told
        if self.tape is not None:
            self.tape.step(inputs, time_ms)
        moment = self.moment
        if type(moment) is not StepTick:  # Its fields are found by their places.
            raise TypeError("a step needs a StepTick")
        write_int(moment, NUMBER, self.tick)
        write_int(moment, TIME_MS, time_ms)
        if <list> read(moment, EVENTS):
            write(moment, EVENTS, [])
        self.rules(self.state, inputs, moment)
        self.tick += 1
        told = bool(<list> read(moment, EVENTS)) or read(moment, ENDED) is not None
        if told:
            self.owner.stated(time_ms)
        return told

    cpdef show(self):
        """See ``plain_beat.Beat``."""
        if self.hidden:
            self.owner.show_each()
            return
        frame = self.frame()
        frame.expect(self.shown)
        self.shown = frame
        spread(
            self.lines,
            frame,
            frame.usual,
            frame.usual_base,
            self.metrics,
            self.owner.subscriber_failed,
        )
        if self.guests:
            self.owner.show_guests(frame)
        frame.expect_nothing()

    cpdef frame(self):
        """See ``plain_beat.Beat``."""
        return self.frame_of(
            self.epoch,
            self.tick,
            self.wall_ms(),
            self.acks,
            self.encode_view(self.state),
            self.tables,
        )


# ── a round of steps ─────────────────────────────────────────────────────────────────────────────


cdef int _observe(histogram, double *values, Py_ssize_t count) except -1:
    """``Histogram.observe_all``."""
    cdef tuple bounds = histogram.bounds
    cdef list counts = histogram.counts
    cdef Py_ssize_t bucket, index, last = len(bounds)
    cdef double total = 0
    for index in range(count):
        bucket = 0
        while bucket < last and values[index] > <double> bounds[bucket]:
            bucket += 1
        counts[bucket] += 1
        total += values[index]
    histogram.count += count
    histogram.total += total
    return 0


def step_all(tuple steps, list gone, double due, clock, lateness_ms, took_ms, failed):
    """See ``plain_beat.step_all``."""
    cdef double[OBSERVED_MAX] late, took
    cdef Py_ssize_t index, count = 0
    cdef double began, now = clock()
    for index in range(len(steps)):
        step = steps[index]
        if gone and step in gone:
            continue
        late[count] = (now - due) * 1000 if now > due else 0.0
        try:
            step(now)
        except Exception:
            failed()
        began, now = now, clock()
        took[count] = (now - began) * 1000
        count += 1
        if count == OBSERVED_MAX:
            _observe(lateness_ms, late, count)
            _observe(took_ms, took, count)
            count = 0
    _observe(lateness_ms, late, count)
    _observe(took_ms, took, count)
