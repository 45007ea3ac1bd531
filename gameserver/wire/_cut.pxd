"""A view that is encoded and can be compared, for ``_shown``."""


cdef class Cut:
    cdef readonly bytes whole
    cdef readonly object tables
    cdef unsigned long long table_bits  # which fields are tables, once compared
    cdef bint told

    cdef bytes compared(self, Cut base, bytes head, long long base_tick)
