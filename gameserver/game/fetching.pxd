"""Memory brought into the processor's caches before it is needed, for compiled loops: between two
ticks a match is not touched, and by its next one the caches hold what others needed meanwhile.

    fetch(<void *> body)    # returns at once; what follows need not wait for it
"""

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define GS_FETCH(address) __builtin_prefetch(address)
    #else
    #define GS_FETCH(address) ((void) (address))
    #endif
    """
    void fetch "GS_FETCH" (const void *address) noexcept nogil

cdef enum:
    CACHE_LINE = 64  # bytes; of most processors
