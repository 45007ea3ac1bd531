"""Writing msgpack in C, as short as msgspec has it: for ``_cut``, and for compiled views.

Each function writes at ``out`` and returns the place after it. Room is the caller's business:
``INT_MAX`` bytes for a whole number, ``HEADER_MAX`` for the header of a map or an array,
``FRAME_HEADER_MAX`` before a payload.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

cdef enum:
    INT_MAX = 9
    HEADER_MAX = 5
    FRAME_HEADER_MAX = 10


cdef inline uint8_t *write_int(uint8_t *out, long long value) noexcept nogil:
    """A whole number."""
    cdef int size, index
    if -32 <= value < 128:
        out[0] = <uint8_t> value
        return out + 1
    if value >= 0:
        size = 1 if value < 0x100 else 2 if value < 0x10000 else 4 if value >> 32 == 0 else 8
        out[0] = 0xCC if size == 1 else 0xCD if size == 2 else 0xCE if size == 4 else 0xCF
    else:
        size = 1 if value >= -0x80 else 2 if value >= -0x8000 else 4 if value >> 31 == -1 else 8
        out[0] = 0xD0 if size == 1 else 0xD1 if size == 2 else 0xD2 if size == 4 else 0xD3
    for index in range(size):
        out[1 + index] = <uint8_t> (value >> (8 * (size - 1 - index)))
    return out + 1 + size


cdef inline uint8_t *write_header(
    uint8_t *out, uint8_t fix, uint8_t wide, Py_ssize_t count
) noexcept nogil:
    """For ``write_map`` and ``write_array``."""
    if count < 16:
        out[0] = <uint8_t> (fix | count)
        return out + 1
    if count < 0x10000:
        out[0] = wide
        out[1] = <uint8_t> (count >> 8)
        out[2] = <uint8_t> count
        return out + 3
    out[0] = wide + 1
    out[1] = <uint8_t> (count >> 24)
    out[2] = <uint8_t> (count >> 16)
    out[3] = <uint8_t> (count >> 8)
    out[4] = <uint8_t> count
    return out + 5


cdef inline uint8_t *write_map(uint8_t *out, Py_ssize_t count) noexcept nogil:
    """The header of a map of so many entries."""
    return write_header(out, 0x80, 0xDE, count)


cdef inline uint8_t *write_array(uint8_t *out, Py_ssize_t count) noexcept nogil:
    """The header of an array of so many values."""
    return write_header(out, 0x90, 0xDC, count)


cdef inline uint8_t *write_encoded(uint8_t *out, bytes encoded) noexcept:
    """What is msgpack already. Must not be ``None``."""
    memcpy(out, PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded))
    return out + PyBytes_GET_SIZE(encoded)


cdef inline uint8_t *frame_before(uint8_t *payload, Py_ssize_t size) noexcept nogil:
    """Write the header of a binary frame before ``payload``: RFC 6455, section 5.2."""
    cdef uint8_t *start
    cdef int index
    if size < 126:
        start = payload - 2
        start[1] = <uint8_t> size
    elif size < 0x10000:
        start = payload - 4
        start[1] = 126
        start[2], start[3] = <uint8_t> (size >> 8), <uint8_t> size
    else:
        start = payload - FRAME_HEADER_MAX
        start[1] = 127
        for index in range(8):
            start[2 + index] = <uint8_t> (size >> (8 * (7 - index)))
    start[0] = 0x82
    return start
