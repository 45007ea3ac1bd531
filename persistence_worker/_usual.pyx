# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled way through a body: nearly all records become rows of COPY without being decoded.

A record is *usual* if its bytes are already what ``event_record.canonical`` would make of it, as far
as that can be told at a glance: no blank between tokens, the keys of objects in order, no escape,
no fraction, no sealed field, and not one of the kinds that tell the worker something. Its columns
then lie in the body as PostgreSQL wants them. Whatever else there is goes to ``other``, which is
the plain way (``intake.prepare_any``), so that this decides about nothing but speed.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcmp, memcpy

from hashlib import sha256

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef enum:
    MATCH_MAX = 64
    NAME_MAX = 64
    PLAYER_MAX = 128
    DEPTH_MAX = 32
    DIGITS_MAX = 18  # of a number in ``data``: such a one has room in 64 bits
    RECORD_BYTES_MAX = 65_536
    COLUMNS = 11
    LENGTHS_AND_NUMBERS = 2 + COLUMNS * 4 + 4 * 8 + 1 + 16

cdef int64_t COUNT_MAX = 2**53 - 1
cdef int64_t AT_MS_MAX = 253_402_300_799_999
cdef int64_t YEAR_2000_US = 946_684_800_000_000

ctypedef const uint8_t *Bytes

cdef struct Span:
    Bytes at
    Py_ssize_t size

cdef struct Usual:
    Span id, match, game, mode, kind, player, data
    int64_t seq, epoch, tick, at_ms
    bint has_player


def read(str body, make, other):
    """What ``make(id, at_ms, raw, digest, row)`` makes of each usual record of ``body`` and
    ``other(raw)`` of each other one, in their order. ``None`` where the body is not of the usual
    form, bad or not; raises what the two raise.
    """
    cdef Py_ssize_t size = 0
    cdef Bytes at, end, stop
    cdef Usual found
    try:
        at = <Bytes> PyUnicode_AsUTF8AndSize(body, &size)
    except UnicodeEncodeError:  # a lone surrogate
        return None
    end = at + size
    at = _literal(at, end, b'{"v":1,"records":[')
    if at == NULL:
        return None
    made = []
    if _literal(at, end, b"]}") == end:
        return made
    while True:
        stop = _usual(at, end, &found)
        if stop != NULL and stop - at <= RECORD_BYTES_MAX and not _is_told(found.kind):
            raw = PyBytes_FromStringAndSize(<char *> at, stop - at)
            digest = sha256(raw).digest()[:16]
            made.append(
                make(
                    PyUnicode_DecodeASCII(<char *> found.id.at, found.id.size, NULL),
                    found.at_ms,
                    raw,
                    digest,
                    _row(&found, digest),
                )
            )
        else:
            stop = _end(at, end)
            if stop == NULL:
                return None
            made.append(other(PyBytes_FromStringAndSize(<char *> at, stop - at)))
        if stop < end and stop[0] == c",":
            at = stop + 1
        elif _literal(stop, end, b"]}") == end:
            return made
        else:
            return None


cdef inline Bytes _literal(Bytes at, Bytes end, const char *text) noexcept:
    """Behind ``text``; ``NULL`` if something else stands there, or ``at`` is ``NULL`` already."""
    if at == NULL:
        return NULL
    while text[0] != 0:
        if at == end or at[0] != <uint8_t> text[0]:
            return NULL
        at += 1
        text += 1
    return at


cdef inline bint _is_told(Span kind) noexcept:
    """Whether it is one of ``event_record.SERVER_KINDS``, roughly: others may look like them."""
    if kind.size < 11 or kind.size > 13:
        return False
    return memcmp(kind.at, <const char *> b"match_", 6) == 0 or (
        memcmp(kind.at, <const char *> b"player_", 7) == 0
    )


cdef Bytes _usual(Bytes at, Bytes end, Usual *found) noexcept:
    """Behind a usual record, whose parts are then in ``found``; else ``NULL``."""
    cdef Bytes began, digits
    at = _literal(at, end, b'{"id":"')
    if at == NULL:
        return NULL
    found.id.at = found.match.at = at
    while at < end and (c"0" <= at[0] <= c"9" or c"a" <= at[0] <= c"z"):
        at += 1
    found.match.size = at - found.match.at
    if not 1 <= found.match.size <= MATCH_MAX:
        return NULL
    at = digits = _literal(at, end, b"/")
    at = _count(at, end, &found.seq)
    if at == NULL or found.seq == 0:
        return NULL
    found.id.size = at - found.id.at
    began = _literal(at, end, b'","match":"')
    if began == NULL or not _same(began, end, found.match.at, found.match.size):
        return NULL
    began = _literal(began + found.match.size, end, b'","seq":')
    if began == NULL or not _same(began, end, digits, at - digits):
        return NULL
    at = _literal(began + (at - digits), end, b',"epoch":')
    at = _literal(_count(at, end, &found.epoch), end, b',"tick":')
    at = _literal(_count(at, end, &found.tick), end, b',"game":')
    at = _literal(_name(at, end, NAME_MAX, &found.game), end, b',"mode":')
    at = _literal(_name(at, end, NAME_MAX, &found.mode), end, b',"kind":')
    at = _literal(_name(at, end, NAME_MAX, &found.kind), end, b',"player":')
    if at == NULL:
        return NULL
    began = _literal(at, end, b"null")
    found.has_player = began == NULL
    if found.has_player:
        began = _name(at, end, PLAYER_MAX, &found.player)
    at = _count(_literal(began, end, b',"at_ms":'), end, &found.at_ms)
    at = _literal(at, end, b',"data":')
    if at == NULL or found.at_ms > AT_MS_MAX or at == end or at[0] != c"{":
        return NULL
    found.data.at = at
    at = _value(at, end, 0)
    if at == NULL:
        return NULL
    found.data.size = at - found.data.at
    return _literal(at, end, b"}")


cdef inline bint _same(Bytes at, Bytes end, Bytes other, Py_ssize_t size) noexcept:
    return end - at >= size and memcmp(at, other, size) == 0


cdef inline Bytes _count(Bytes at, Bytes end, int64_t *value) noexcept:
    """Behind a whole number from 0 to ``COUNT_MAX``."""
    cdef Bytes began = at
    cdef int64_t number = 0
    if at == NULL:
        return NULL
    while at < end and c"0" <= at[0] <= c"9" and at - began < DIGITS_MAX:
        number = number * 10 + (at[0] - c"0")
        at += 1
    if at == began or number > COUNT_MAX or (began[0] == c"0" and at - began > 1):
        return NULL
    value[0] = number
    return at


cdef inline Bytes _name(Bytes at, Bytes end, Py_ssize_t size_max, Span *name) noexcept:
    """Behind a quoted text of 1 to ``size_max`` ASCII characters, none of them escaped."""
    if at == NULL or at == end or at[0] != c'"':
        return NULL
    at += 1
    name.at = at
    while at < end and at[0] != c'"':
        if at[0] < 0x20 or at[0] >= 0x7F or at[0] == c"\\":
            return NULL
        at += 1
    name.size = at - name.at
    if at == end or not 1 <= name.size <= size_max:
        return NULL
    return at + 1


cdef inline Bytes _text(Bytes at, Bytes end) noexcept:
    """Behind a quoted text without escapes, of whatever characters."""
    if at == end or at[0] != c'"':
        return NULL
    at += 1
    while at < end and at[0] != c'"':
        if at[0] < 0x20 or at[0] == 0x7F or at[0] == c"\\":
            return NULL
        at += 1
    return NULL if at == end else at + 1


cdef Bytes _value(Bytes at, Bytes end, int depth) noexcept:
    """Behind a JSON value in its canonical form, as far as that is usual."""
    cdef Bytes began
    if at == end or depth > DEPTH_MAX:
        return NULL
    if at[0] == c'"':
        return _text(at, end)
    if at[0] == c"{":
        return _object(at + 1, end, depth + 1)
    if at[0] == c"[":
        return _array(at + 1, end, depth + 1)
    if at[0] == c"t":
        return _literal(at, end, b"true")
    if at[0] == c"f":
        return _literal(at, end, b"false")
    if at[0] == c"n":
        return _literal(at, end, b"null")
    began = at
    if at[0] == c"-":
        at += 1
        began = at
        if at == end or at[0] == c"0":
            return NULL
    while at < end and c"0" <= at[0] <= c"9":
        at += 1
    if at == began or at - began > DIGITS_MAX or (began[0] == c"0" and at - began > 1):
        return NULL
    return at  # A fraction or an exponent is nothing that may follow a value.


cdef Bytes _object(Bytes at, Bytes end, int depth) noexcept:
    """Behind what follows a ``{``."""
    cdef Span key, last
    cdef int order
    last.at, last.size = NULL, 0
    if at < end and at[0] == c"}":
        return at + 1
    while True:
        at = _literal(_name(at, end, RECORD_BYTES_MAX, &key), end, b":")
        if at == NULL:
            return NULL
        if last.at != NULL:
            order = memcmp(last.at, key.at, min(last.size, key.size))
            if order > 0 or (order == 0 and last.size >= key.size):
                return NULL
        last = key
        at = _value(at, end, depth)
        if at == NULL or at == end:
            return NULL
        if at[0] == c"}":
            return at + 1
        if at[0] != c",":
            return NULL
        at += 1


cdef Bytes _array(Bytes at, Bytes end, int depth) noexcept:
    """Behind what follows a ``[``."""
    if at < end and at[0] == c"]":
        return at + 1
    while True:
        at = _value(at, end, depth)
        if at == NULL or at == end:
            return NULL
        if at[0] == c"]":
            return at + 1
        if at[0] != c",":
            return NULL
        at += 1


cdef Bytes _end(Bytes at, Bytes end) noexcept:
    """Behind the object that begins at ``at``, if it is JSON at all; ``NULL`` without an end."""
    cdef Py_ssize_t depth = 0
    if at == end or at[0] != c"{":
        return NULL
    while at < end:
        if at[0] == c'"':
            at += 1
            while at < end and at[0] != c'"':
                at += 2 if at[0] == c"\\" else 1
            if at >= end:
                return NULL
        elif at[0] == c"{" or at[0] == c"[":
            depth += 1
        elif at[0] == c"}" or at[0] == c"]":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return NULL


cdef bytes _row(Usual *found, bytes digest):
    """The record as ``copying`` describes it."""
    cdef Py_ssize_t size = LENGTHS_AND_NUMBERS + found.match.size + found.kind.size
    size += found.game.size + found.mode.size + found.data.size
    if found.has_player:
        size += found.player.size
    row = PyBytes_FromStringAndSize(NULL, size)
    cdef uint8_t *out = <uint8_t *> PyBytes_AS_STRING(row)
    out[0], out[1] = 0, COLUMNS
    out = _write_text(out + 2, found.match)
    out = _write_number(out, found.seq)
    out = _write_text(out, found.kind)
    if found.has_player:
        out = _write_text(out, found.player)
    else:
        out = _write(out, 0xFFFFFFFF, 4)
    out = _write_text(out, found.game)
    out = _write_text(out, found.mode)
    out = _write_number(out, found.epoch)
    out = _write_number(out, found.tick)
    out = _write_number(out, found.at_ms * 1000 - YEAR_2000_US)
    out = _write(out, found.data.size + 1, 4)
    out[0] = 1
    memcpy(out + 1, found.data.at, found.data.size)
    out = _write(out + 1 + found.data.size, 16, 4)
    memcpy(out, PyBytes_AS_STRING(digest), 16)
    return row


cdef inline uint8_t *_write(uint8_t *out, uint64_t value, int size) noexcept:
    cdef int shift = 8 * size
    while shift:
        shift -= 8
        out[0] = <uint8_t> (value >> shift)
        out += 1
    return out


cdef inline uint8_t *_write_number(uint8_t *out, int64_t value) noexcept:
    return _write(_write(out, 8, 4), <uint64_t> value, 8)


cdef inline uint8_t *_write_text(uint8_t *out, Span text) noexcept:
    out = _write(out, text.size, 4)
    memcpy(out, text.at, text.size)
    return out + text.size
