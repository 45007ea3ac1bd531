# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled form of ``shown.PlainShown``: messages are put together in C."""

from cpython cimport array
from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc

from gameserver.wire._cut cimport Cut
from gameserver.wire.packing cimport (
    FRAME_HEADER_MAX,
    INT_MAX,
    frame_before,
    write_array,
    write_encoded,
    write_int,
)

import msgspec

from gameserver.wire import to_client

cdef enum:
    BASES_MAX = 8  # as in ``shown``
    SNAPSHOT_VALUES = 6
    SMALL_BYTES = 512

cdef long long SNAPSHOT = to_client.Snapshot.__struct_config__.tag
cdef long long DELTA = to_client.Delta.__struct_config__.tag
cdef object NOBODY = object()


cdef class Shown(Cut):
    """See ``shown.PlainShown``."""

    cdef readonly long long epoch
    cdef readonly long long tick
    cdef readonly long long server_ms
    cdef readonly bytes usual
    cdef readonly object usual_base
    cdef public object json
    cdef bytes head  # of a delta: its tag, epoch, tick, server_ms, acks
    cdef bytes snapshot
    cdef long long delta_tick  # the base of ``delta``
    cdef bytes delta
    cdef dict deltas  # for other bases

    def __init__(self, long long epoch, long long tick, long long server_ms, acks, whole, tables):
        self.epoch, self.tick, self.server_ms = epoch, tick, server_ms
        self.whole, self.tables = whole, tables
        self.head = _head_of(epoch, tick, server_ms, acks)
        self.usual, self.usual_base = b"", NOBODY

    @property
    def acks(self):
        return msgspec.msgpack.decode(b"\x95" + self.head)[4]

    def expect(self, base):
        """See ``shown.PlainShown``."""
        self.usual = self.packed_for(base)
        self.usual_base = base

    def expect_nothing(self):
        """See ``shown.PlainShown``."""
        self.usual_base = NOBODY

    cpdef bytes packed_for(self, Shown base):
        """See ``shown.PlainShown``."""
        if base is None or base.epoch != self.epoch or base.tables is not self.tables:
            return self._snapshot()
        if self.delta is not None and self.delta_tick == base.tick:
            return self.delta
        encoded = None if self.deltas is None else self.deltas.get(base.tick)
        if encoded is not None:
            return encoded
        encoded = self.compared(base, self.head, base.tick)
        if encoded is None:
            encoded = self._snapshot()
        if self.delta is None:
            self.delta, self.delta_tick = encoded, base.tick
            return encoded
        if self.deltas is None:
            self.deltas = {}
        if len(self.deltas) < BASES_MAX - 1:
            self.deltas[base.tick] = encoded
        return encoded

    cdef bytes _snapshot(self):
        cdef Py_ssize_t whole = PyBytes_GET_SIZE(self.whole), head = PyBytes_GET_SIZE(self.head)
        cdef uint8_t *memory
        cdef uint8_t *start
        cdef uint8_t *at
        if self.snapshot is None:
            memory = <uint8_t *> malloc(FRAME_HEADER_MAX + 2 + head + whole)
            if memory == NULL:
                raise MemoryError
            at = start = memory + FRAME_HEADER_MAX
            at[0] = 0x90 | SNAPSHOT_VALUES
            at = write_encoded(write_encoded(at + 1, self.head), self.whole)
            start[1] = <uint8_t> SNAPSHOT
            start = frame_before(start, at - start)
            try:
                self.snapshot = PyBytes_FromStringAndSize(<char *> start, at - start)
            finally:
                free(memory)
        return self.snapshot


cdef bytes _head_of(long long epoch, long long tick, long long server_ms, acks):
    cdef Py_ssize_t count = len(acks), index
    cdef uint8_t[SMALL_BYTES] small
    cdef uint8_t *memory = small
    cdef uint8_t *at
    if INT_MAX * (5 + count) > SMALL_BYTES:
        memory = <uint8_t *> malloc(INT_MAX * (5 + count))
        if memory == NULL:
            raise MemoryError
    try:
        at = write_int(memory, DELTA)
        at = write_int(at, epoch)
        at = write_int(at, tick)
        at = write_int(at, server_ms)
        at = write_array(at, count)
        if type(acks) is array.array and (<array.array> acks).ob_descr.typecode == c"q":
            for index in range(count):
                at = write_int(at, (<array.array> acks).data.as_longlongs[index])
        else:
            for ack in acks:
                at = write_int(at, ack)
        return PyBytes_FromStringAndSize(<char *> memory, at - memory)
    finally:
        if memory != small:
            free(memory)
