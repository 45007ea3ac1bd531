# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled form of ``plain``: the same classes and functions, with the usual case in C.

What a tick does for a player who behaves as nearly all do (one small input has arrived, the socket
takes the frame) is done here without a call into Python but for msgspec's decoder. Whatever is not
usual is handed over untouched to the same methods that ``plain`` calls for everything.
"""

cimport cython
from cpython cimport array
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.tuple cimport PyTuple_GET_SIZE
from gameserver.game.fetching cimport CACHE_LINE, fetch
from gameserver.game.fields cimport offset_of, read, read_int
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

from gameserver.wire.unpacking cimport read_real, read_whole

import msgspec

from gameserver.hot.numbers import numbers_of

cdef extern from "sys/socket.h" nogil:
    ssize_t recv(int fd, void *buffer, size_t length, int flags)
    ssize_t send(int fd, const void *buffer, size_t length, int flags)
    int MSG_DONTWAIT

cdef extern from *:
    """
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0  /* macOS: Python ignores SIGPIPE for the whole process */
    #endif
    """
    int MSG_NOSIGNAL

cdef extern from "Python.h":
    void *borrowed "PyTuple_GET_ITEM"(tuple, Py_ssize_t) noexcept

cdef enum:
    BUFFER = 400
    FIN_BINARY = 0x82
    HEADER = 6  # of a masked frame of up to 125 bytes: RFC 6455, section 5.2
    MASKED = 0x80
    MASK_BYTES = 4
    INPUT = 2  # its number among a client's messages: ``wire.from_client``
    ROWS_MAX = 256
    WHOLE = 0
    REAL = 1
    TRUTH = 2

cdef long long SEQ_MAX = 2**32 - 1


cdef class Line:
    """See ``plain.Line``."""

    # What every tick touches comes first: with the object's head, one line of the cache.
    cdef public int fd
    cdef public bint direct
    cdef public bint fast
    cdef public bint heard
    cdef public bint showing
    cdef public short usual_max
    cdef public int prepaid
    cdef Row row  # of inputs that are rows of numbers
    cdef public object base
    cdef object kind  # of messages that are inputs
    cdef public object connection
    cdef public object outgoing
    cdef public object decode
    cdef Py_ssize_t seq_at
    cdef Py_ssize_t data_at

    def __cinit__(self):
        self.fd = -1

    @property
    def input_type(self):
        return self.kind

    @input_type.setter
    def input_type(self, kind):
        self.row = None
        if kind is not None:
            self.seq_at, self.data_at = offset_of(kind, "seq"), offset_of(kind, "data")
            self.row = _row_of(kind)
        self.kind = kind


@cython.final
cdef class Member:
    """See ``plain.Member``."""

    # What every tick touches comes first: with the object's head, one line of the cache.
    cdef public Line line
    cdef public long seat
    cdef public long long input_seq
    cdef public long long queued_tick
    cdef public long queued
    cdef public object player_id
    cdef public object player
    cdef public object subscriber
    cdef public object handle
    cdef public double gone_until
    cdef long long[2] rest  # so that the next object begins with a line, too

    def __init__(self, player, *, input_seq=0):
        self.player = player
        self.player_id = player.id
        self.seat = player.seat
        self.input_seq = input_seq
        self.queued_tick = -1
        self.gone_until = float("inf")


@cython.final
cdef class Row:
    """Its fields are in ``_fast.pxd``."""


cdef dict _rows = {}  # by type of message


cdef Row _row_of(kind):
    """The row that messages of ``kind`` bear; ``None`` where they bear something else."""
    cdef Row row
    cdef long index
    if kind in _rows:
        return _rows[kind]
    row = None
    (input_type,) = (field.type for field in msgspec.structs.fields(kind) if field.name == "data")
    fields = numbers_of(input_type)
    if fields is not None:
        row = Row()
        row.input_type = input_type
        row.count = len(fields)
        for index, (number, low, high) in enumerate(fields):
            if number is float:
                row.kinds[index], row.low[index].real, row.high[index].real = REAL, low, high
            else:
                row.kinds[index] = TRUTH if number is bool else WHOLE
                row.low[index].whole, row.high[index].whole = low, high
    if len(_rows) >= ROWS_MAX:
        _rows.clear()
    _rows[kind] = row
    return row


@cython.final
@cython.no_gc
@cython.freelist(256)
cdef class Given:
    """See ``plain.Given``; its fields are in ``_fast.pxd``. One is made for every input: it cannot
    be part of a cycle, so the collector need not know of it."""

    def __init__(self, player_id, seat, seq, data):
        self.player_id = player_id
        self.seat = seat
        self.seq = seq
        self.made = data

    @property
    def data(self):
        if self.made is None and self.row is not None:
            self.made = self.row.input_type(*_values(self.row, self.numbers))
        return self.made


cdef list _values(Row row, Number *numbers):
    cdef list values = []
    cdef long index
    for index in range(row.count):
        if row.kinds[index] == REAL:
            values.append(numbers[index].real)
        elif row.kinds[index] == TRUTH:
            values.append(numbers[index].whole != 0)
        else:
            values.append(numbers[index].whole)
    return values


# ── an input, read ───────────────────────────────────────────────────────────────────────────────


cdef bint _read_input(
    Row row, const uint8_t *at, const uint8_t *end, long long *seq, Number *numbers
) noexcept:
    """Whether the message is ``[2, seq, [number, …]]``, each within its bounds: then they are
    read. Any other message is for msgspec, which takes more forms than this one."""
    cdef long index
    cdef Number *number
    if end - at < 4 or at[0] != 0x93 or at[1] != INPUT:
        return False
    at = read_whole(at + 2, end, seq)
    if at == NULL or not 1 <= seq[0] <= SEQ_MAX or at >= end or at[0] != (0x90 | row.count):
        return False
    at += 1
    for index in range(row.count):
        number = &numbers[index]
        if row.kinds[index] == REAL:
            at = read_real(at, end, &number.real)
            # Not a number is beyond all bounds.
            if at == NULL or not row.low[index].real <= number.real <= row.high[index].real:
                return False
        elif row.kinds[index] == WHOLE:
            at = read_whole(at, end, &number.whole)
            if at == NULL or not row.low[index].whole <= number.whole <= row.high[index].whole:
                return False
        else:
            if at >= end or not (at[0] == 0xC2 or at[0] == 0xC3):
                return False
            number.whole = at[0] & 1
            at += 1
    return at == end


# ── the loops ────────────────────────────────────────────────────────────────────────────────────


cdef inline void _fetch_next(tuple present, Py_ssize_t index) noexcept:
    """Have the next members' memory brought into the caches while the kernel works for this one:
    by then the caches hold what it and the other matches have touched since the last tick."""
    cdef Py_ssize_t count = PyTuple_GET_SIZE(present)
    cdef void *ahead
    if index + 2 < count:
        ahead = borrowed(present, index + 2)
        fetch(ahead)
        fetch(<char *> ahead + CACHE_LINE)
    if index + 1 < count:
        ahead = <void *> (<Member> borrowed(present, index + 1)).line
        fetch(ahead)
        fetch(<char *> ahead + CACHE_LINE)


cpdef collect(tuple present, list inputs, long long tick, long inputs_max, metrics, failed):
    """See ``plain.collect``."""
    cdef uint8_t[BUFFER] buffer
    cdef Member member
    cdef Line line
    cdef ssize_t size, at, length, total = 0
    cdef long frames = 0, messages = 0
    cdef Py_ssize_t index
    for index in range(PyTuple_GET_SIZE(present)):
        member = <Member> borrowed(present, index)
        _fetch_next(present, index)
        line = member.line
        if line is None:
            continue
        if not line.direct:
            try:
                line.connection.poll()
            except Exception:
                failed()
            continue
        size = recv(line.fd, buffer, BUFFER, MSG_DONTWAIT)
        try:
            if size < 0:
                if errno != EAGAIN and errno != EINTR:
                    line.connection.abort()
                continue
            at = 0
            while line.fast and size - at > HEADER:
                length = HEADER + buffer[at + 1] - MASKED
                if not (
                    buffer[at] == FIN_BINARY
                    and HEADER <= length <= line.usual_max
                    and length <= size - at
                ):
                    break
                line.heard = True
                frames += 1
                messages += _take(member, line, buffer + at, length, inputs, tick, inputs_max)
                at += length
            total += at
            if at < size or not size:
                if line.connection is None:
                    continue
                line.connection.take(PyBytes_FromStringAndSize(<char *> buffer + at, size - at))
            if size == BUFFER and line.connection is not None:
                line.connection.poll()  # There is more.
        except Exception:
            failed()
    metrics.bytes_received += total
    metrics.fast_frames += frames
    metrics.messages_received += messages


cdef inline void _unmask(const uint8_t *mask, uint8_t *payload, ssize_t size) noexcept:
    """RFC 6455, section 5.3; eight bytes in one go."""
    cdef uint64_t twice = 0, word
    cdef ssize_t at = 0
    memcpy(&twice, mask, MASK_BYTES)
    memcpy(<uint8_t *> &twice + MASK_BYTES, mask, MASK_BYTES)
    while at + 8 <= size:
        memcpy(&word, payload + at, 8)
        word ^= twice
        memcpy(payload + at, &word, 8)
        at += 8
    while at < size:
        payload[at] ^= mask[at & 3]
        at += 1


cdef long _take(
    Member member,
    Line line,
    uint8_t *buffer,
    ssize_t size,
    list inputs,
    long long tick,
    long inputs_max,
) except -1:
    """One whole frame: an input goes to the step, anything else to the session. How many inputs
    were taken."""
    cdef Given given
    _unmask(buffer + HEADER - MASK_BYTES, buffer + HEADER, size - HEADER)
    if (line.row is not None or line.kind is not None) and line.prepaid > 0:
        given = _given_of(line, buffer + HEADER, buffer + size)
        if given is not None:
            if member.queued_tick != tick:
                member.queued_tick = tick
                member.queued = 0
            if given.seq > member.input_seq and member.queued < inputs_max:
                given.player_id = member.player_id
                given.seat = member.seat
                inputs.append(given)
                member.queued += 1
                member.input_seq = given.seq
                line.prepaid -= 1
                return 1
    line.connection.deliver(PyBytes_FromStringAndSize(<char *> buffer + HEADER, size - HEADER))
    return 0


cdef Given _given_of(Line line, const uint8_t *at, const uint8_t *end):
    """The input that a message is, of nobody yet; ``None`` where it is none or not right: the
    session finds out what is wrong with it, and answers."""
    cdef Given given = Given.__new__(Given)
    if line.row is not None and _read_input(line.row, at, end, &given.seq, given.numbers):
        given.row = line.row
        return given
    try:
        message = line.decode(PyBytes_FromStringAndSize(<const char *> at, end - at))
    except Exception:
        return None
    if type(message) is not line.kind:
        return None
    given.seq = read_int(message, line.seq_at)
    given.made = read(message, line.data_at)
    return given


cpdef acknowledge(array.array acks, inputs):
    """See ``plain.acknowledge``."""
    cdef Given usual
    cdef Py_ssize_t count = len(acks)
    if acks.ob_descr.typecode != c"q":
        raise TypeError("acks have 64 bits")
    for given in inputs:
        if type(given) is Given and 0 <= (<Given> given).seat < count:
            usual = given
            acks.data.as_longlongs[usual.seat] = usual.seq
        else:
            acks[given.seat] = given.seq


cpdef spread(tuple present, frame, bytes usual, usual_base, metrics, failed):
    """See ``plain.spread``."""
    cdef const char *data = PyBytes_AS_STRING(usual)
    cdef ssize_t size = PyBytes_GET_SIZE(usual)
    cdef ssize_t sent, total = 0
    cdef long shown = 0
    cdef Member member
    cdef Line line
    cdef Py_ssize_t index
    for index in range(PyTuple_GET_SIZE(present)):
        member = <Member> borrowed(present, index)
        _fetch_next(present, index)
        line = member.line
        if line is None:
            continue
        try:
            if not (line.direct and line.showing and line.base is usual_base):
                line.outgoing.frame(frame)
                continue
            sent = send(line.fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL)
            if sent < 0:
                if errno != EAGAIN and errno != EINTR:
                    line.connection.abort()
                    continue
                sent = 0
            line.base = frame
            shown += 1
            total += sent
            if sent != size:
                line.connection.queue(usual[sent:])
        except Exception:
            failed()
    metrics.bytes_sent += total
    metrics.snapshots_sent += shown
