"""Reading msgpack's numbers in C, for ``hot``.

Each function reads at ``at``, before ``end``, and returns the place after it, or NULL where something
else is there: then ``value`` may be anything.
"""

from libc.stdint cimport uint8_t
from libc.string cimport memcpy


cdef inline const uint8_t *read_whole(
    const uint8_t *at, const uint8_t *end, long long *value
) noexcept nogil:
    """Past the whole number of 64 bits at ``at``; NULL if there is none."""
    cdef uint8_t first
    cdef unsigned long long bits = 0
    cdef int size, index
    if at >= end:
        return NULL
    first = at[0]
    at += 1
    if first < 0x80:
        value[0] = first
        return at
    if first >= 0xE0:
        value[0] = <long long> first - 0x100
        return at
    if not 0xCC <= first <= 0xD3:
        return NULL
    size = 1 << (first & 3)
    if end - at < size:
        return NULL
    for index in range(size):
        bits = bits << 8 | at[index]
    if first == 0xCF and bits >> 63:
        return NULL
    if first >= 0xD0 and size < 8 and bits >> (8 * size - 1):
        bits |= ~0ULL << (8 * size)
    value[0] = <long long> bits
    return at + size


cdef inline const uint8_t *read_real(
    const uint8_t *at, const uint8_t *end, double *value
) noexcept nogil:
    """Past the float at ``at``; NULL if there is none: a whole number is for msgspec to read."""
    cdef unsigned long long bits = 0
    cdef unsigned int half
    cdef float single
    cdef int size, index
    if at >= end or not (at[0] == 0xCA or at[0] == 0xCB):
        return NULL
    size = 4 if at[0] == 0xCA else 8
    at += 1
    if end - at < size:
        return NULL
    for index in range(size):
        bits = bits << 8 | at[index]
    if size == 8:
        memcpy(value, &bits, 8)
    else:
        half = <unsigned int> bits
        memcpy(&single, &half, 4)
        value[0] = single
    return at + size
