"""What compiled rules may know of the hot path: an input, to read it without a call.

    dx = whole_of(given, 0, offset_of(Move, "dx"))    # the first field of the game's ``Input``
"""

from gameserver.game.fields cimport read_bool, read_int

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
    """An input. With ``row`` its fields are ``numbers``, and a struct is made when it is asked
    for; else ``made`` is the struct."""

    cdef readonly object player_id
    cdef readonly long seat
    cdef readonly long long seq
    cdef object made
    cdef Row row
    cdef Number[NUMBERS_MAX] numbers


cdef inline long long whole_of(Given given, long index, Py_ssize_t offset) except? -1:
    """The ``index``-th field of an input, which lies at ``offset`` and holds whole numbers."""
    if given.row is not None:
        return given.numbers[index].whole
    return read_int(given.made, offset)


cdef inline bint truth_of(Given given, long index, Py_ssize_t offset) except -1:
    """The ``index``-th field of an input, which lies at ``offset`` and is true or false."""
    if given.row is not None:
        return given.numbers[index].whole != 0
    return read_bool(given.made, offset)
