"""What compiled rules may know of the hot path: an input, to read it without a call."""


cdef class Given:
    cdef readonly object player_id
    cdef readonly long seat
    cdef readonly long long seq
    cdef readonly object data
