# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled form of ``plain``: the same classes and functions, with the usual case in C.

What a tick does for a player who behaves as nearly all do (one small input has arrived, the socket
takes the frame) is done here without a call into Python but for msgspec's decoder. Whatever is not
usual is handed over untouched to the same methods that ``plain`` calls for everything.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from gameserver.game.fields cimport offset_of, read, read_int
from libc.errno cimport EAGAIN, EINTR, errno

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

cdef enum:
    BUFFER = 400
    FIN_BINARY = 0x82
    HEADER = 6  # of a masked frame of up to 125 bytes: RFC 6455, section 5.2
    MASKED = 0x80


cdef class Line:
    """See ``plain.Line``."""

    cdef public int fd
    cdef public bint direct
    cdef public bint fast
    cdef public bint heard
    cdef public bint showing
    cdef public int usual_max
    cdef public long prepaid
    cdef public object decode
    cdef object kind  # of inputs
    cdef Py_ssize_t seq_at
    cdef Py_ssize_t data_at
    cdef public object base
    cdef public object connection
    cdef public object outgoing

    def __cinit__(self):
        self.fd = -1

    @property
    def input_type(self):
        return self.kind

    @input_type.setter
    def input_type(self, kind):
        if kind is not None:
            self.seq_at, self.data_at = offset_of(kind, "seq"), offset_of(kind, "data")
        self.kind = kind


cdef class Member:
    """See ``plain.Member``."""

    cdef public object player
    cdef public object player_id
    cdef public long seat
    cdef public long long input_seq
    cdef public long queued
    cdef public long long queued_tick
    cdef public object subscriber
    cdef public object handle
    cdef public double gone_until
    cdef public Line line

    def __init__(self, player, *, input_seq=0):
        self.player = player
        self.player_id = player.id
        self.seat = player.seat
        self.input_seq = input_seq
        self.queued_tick = -1
        self.gone_until = float("inf")


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
        self.data = data


def collect(tuple present, list inputs, long long tick, long inputs_max, metrics, failed):
    """See ``plain.collect``."""
    cdef unsigned char buffer[BUFFER]
    cdef Member member
    cdef Line line
    cdef ssize_t size, at, length, total = 0
    cdef long frames = 0, messages = 0
    for member in present:
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
            if line.connection is None:
                continue
            if at < size or not size:
                line.connection.take(PyBytes_FromStringAndSize(<char *> buffer + at, size - at))
            if size == BUFFER:
                line.connection.poll()  # There is more.
        except Exception:
            failed()
    metrics.bytes_received += total
    metrics.fast_frames += frames
    metrics.messages_received += messages


cdef long _take(
    Member member,
    Line line,
    unsigned char *buffer,
    ssize_t size,
    list inputs,
    long long tick,
    long inputs_max,
) except -1:
    """One whole frame: an input goes to the step, anything else to the session. How many inputs
    were taken."""
    cdef ssize_t at
    cdef long long seq
    cdef Given given
    for at in range(HEADER, size):
        buffer[at] ^= buffer[2 + ((at - HEADER) & 3)]
    payload = PyBytes_FromStringAndSize(<char *> buffer + HEADER, size - HEADER)
    if line.kind is not None and line.prepaid > 0:
        try:
            message = line.decode(payload)
        except Exception:
            message = None  # The session finds out what is wrong with it, and answers.
        if type(message) is line.kind:
            if member.queued_tick != tick:
                member.queued_tick = tick
                member.queued = 0
            seq = read_int(message, line.seq_at)
            if seq > member.input_seq and member.queued < inputs_max:
                given = Given.__new__(Given)
                given.player_id = member.player_id
                given.seat = member.seat
                given.seq = seq
                given.data = read(message, line.data_at)
                inputs.append(given)
                member.queued += 1
                member.input_seq = seq
                line.prepaid -= 1
                return 1
    line.connection.deliver(payload)
    return 0


def acknowledge(list acks not None, inputs):
    """See ``plain.acknowledge``."""
    cdef Given usual
    cdef Py_ssize_t count = len(acks)
    for given in inputs:
        if type(given) is Given and 0 <= (<Given> given).seat < count:
            usual = given
            acks[usual.seat] = usual.seq
        else:
            acks[given.seat] = given.seq


def spread(tuple present, frame, bytes usual, usual_base, metrics, failed):
    """See ``plain.spread``."""
    cdef const char *data = PyBytes_AS_STRING(usual)
    cdef ssize_t size = PyBytes_GET_SIZE(usual)
    cdef ssize_t sent, total = 0
    cdef long shown = 0
    cdef Member member
    cdef Line line
    for member in present:
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
