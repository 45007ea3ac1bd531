"""What compiled rules may know of the hot path: an input, to read it without a call or an object.

    if given.row is not None and given.row.input_type is Move:
        dx = given.numbers[0].whole    # the first field of the game's ``Input``
    else:
        dx = given.data.dx
"""

from cpython cimport array

cdef enum:
    NUMBERS_MAX = 8  # as in ``numbers``


cdef union Number:
    long long whole  # of truth values too
    double real


cdef class Row:
    """A game's ``Input`` whose fields are numbers, in the order of its array."""

    cdef object input_type
    cdef long count
    cdef char[NUMBERS_MAX] kinds
    cdef Number[NUMBERS_MAX] low
    cdef Number[NUMBERS_MAX] high


cdef class Given:
    """An input. Where it has a ``row``, its fields are ``numbers`` in the order of the row, within
    their bounds, and ``data`` makes a struct of them when it is first asked for."""

    cdef readonly object player_id
    cdef readonly long seat
    cdef readonly long long seq
    cdef object made
    cdef Row row
    cdef Number[NUMBERS_MAX] numbers


cpdef collect(
    tuple present, list inputs, long long tick, long inputs_max, metrics, failed
)
cpdef acknowledge(array.array acks, inputs)
cpdef spread(tuple present, frame, bytes usual, usual_base, metrics, failed)
