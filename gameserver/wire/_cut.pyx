# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled form of ``cut.PlainCut``: two encoded views are walked side by side as bytes."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

from gameserver.wire.packing cimport (
    FRAME_HEADER_MAX,
    INT_MAX,
    frame_before,
    write_array,
    write_encoded,
    write_int,
    write_map,
)

cdef enum:
    DELTA_EXTRA_BYTES = 16  # as in ``cut``
    STEPS_PER_ENTRY = 64
    DELTA_VALUES = 9
    FIELDS_TOLD_MAX = 64
    SMALL_BYTES = 32_768  # what is compared on the stack

ctypedef const uint8_t *Bytes

cdef struct Span:
    Bytes at
    Py_ssize_t size

cdef struct Entry:
    Span key
    Span whole  # key and value
    bint met

cdef struct Table:
    Span name
    Py_ssize_t changed, changed_end  # among the spans
    Py_ssize_t gone, gone_end


cdef inline Py_ssize_t _big_endian(Bytes at, int size) noexcept nogil:
    cdef Py_ssize_t value = 0
    cdef int index
    for index in range(size):
        value = value << 8 | at[index]
    return value


cdef Bytes _skip(Bytes at, Bytes end) noexcept nogil:
    """Past the msgpack value at ``at``; NULL if it is not one or goes beyond ``end``."""
    cdef Py_ssize_t todo = 1, size
    cdef uint8_t first
    cdef int length
    while todo:
        todo -= 1
        if at >= end:
            return NULL
        first = at[0]
        at += 1
        if first < 0x80 or first >= 0xE0 or first == 0xC0 or first == 0xC2 or first == 0xC3:
            continue
        size = 0
        if first < 0x90:  # fixmap
            todo += 2 * (first & 0x0F)
            continue
        if first < 0xA0:  # fixarray
            todo += first & 0x0F
            continue
        if first < 0xC0:  # fixstr
            size = first & 0x1F
        elif 0xCA <= first <= 0xD3:  # float 32, 64, uint 8 to 64, int 8 to 64
            if first == 0xCA:
                size = 4
            elif first == 0xCB:
                size = 8
            else:
                size = 1 << ((first - 0xCC) & 3)
        elif 0xD4 <= first <= 0xD8:  # fixext
            size = 1 + (1 << (first - 0xD4))
        elif first == 0xC1:
            return NULL
        else:
            # What has a length of its own: bin, ext, str in 1, 2, 4 bytes; array, map in 2, 4.
            if first <= 0xC6:
                length = 1 << (first - 0xC4)
            elif first <= 0xC9:
                length = 1 << (first - 0xC7)
            elif first <= 0xDB:
                length = 1 << (first - 0xD9)
            else:
                length = 2 << ((first - 0xDC) & 1)
            if end - at < length:
                return NULL
            size = _big_endian(at, length)
            at += length
            if first >= 0xDE:
                todo += 2 * size
                size = 0
            elif first >= 0xDC:
                todo += size
                size = 0
            elif 0xC7 <= first <= 0xC9:
                size += 1
            if todo > end - at:
                return NULL
        if end - at < size:
            return NULL
        at += size
    return at


cdef Bytes _map_header(Bytes at, Bytes end, Py_ssize_t *count) noexcept nogil:
    """Past the header of the map at ``at``; NULL if there is none."""
    cdef int length
    if at >= end:
        return NULL
    if at[0] & 0xF0 == 0x80:
        count[0] = at[0] & 0x0F
        return at + 1
    if at[0] != 0xDE and at[0] != 0xDF:
        return NULL
    length = 2 if at[0] == 0xDE else 4
    if end - at < 1 + length:
        return NULL
    count[0] = _big_endian(at + 1, length)
    if count[0] > end - at:
        return NULL
    return at + 1 + length


cdef inline uint8_t *_write(uint8_t *out, Span span) noexcept nogil:
    memcpy(out, span.at, span.size)
    return out + span.size


cdef inline bint _same(Span a, Span b) noexcept nogil:
    return a.size == b.size and memcmp(a.at, b.at, a.size) == 0


cdef class Cut:
    """See ``cut.PlainCut``; its fields are in ``_cut.pxd``."""

    def __init__(self, bytes whole, tables):
        self.whole = whole
        self.tables = tables

    def changes(self, Cut base):
        """See ``cut.PlainCut.changes``. Raises ``ValueError`` for bytes that are not of a view."""
        return self.compared(base, None, 0)

    cdef bytes compared(self, Cut base, bytes head, long long base_tick):
        """The changes alone, or, with ``head``, what a delta has before ``base_tick``, the frame."""
        cdef Bytes new = <Bytes> PyBytes_AS_STRING(self.whole)
        cdef Bytes old = <Bytes> PyBytes_AS_STRING(base.whole)
        cdef Bytes new_end = new + PyBytes_GET_SIZE(self.whole)
        cdef Bytes old_end = old + PyBytes_GET_SIZE(base.whole)
        cdef Py_ssize_t count = 0, old_count = 0
        new = _map_header(new, new_end, &count)
        old = _map_header(old, old_end, &old_count)
        if new == NULL or old == NULL:
            raise ValueError("a view is a map")
        if count != old_count:
            return None
        # An entry takes two bytes at least, so there are at most half as many as bytes.
        cdef Py_ssize_t room = (new_end - new) // 2 + (old_end - old) // 2 + 2
        cdef Py_ssize_t before = 0
        if head is not None:
            before = FRAME_HEADER_MAX + 1 + PyBytes_GET_SIZE(head) + INT_MAX
        cdef Py_ssize_t size = (
            room * (sizeof(Span) + sizeof(Entry)) + (count + 1) * (sizeof(Span) + sizeof(Table))
            + before + 3 * (new_end - new) + (old_end - old) + 64
        )
        cdef char[SMALL_BYTES] small
        cdef void *memory = small if size <= SMALL_BYTES else malloc(size)
        if memory == NULL:
            raise MemoryError
        cdef Entry *entries = <Entry *> memory
        cdef Span *spans = <Span *> (entries + room)
        cdef Span *fields = spans + room
        cdef Table *tables = <Table *> (fields + count + 1)
        cdef uint8_t *out = <uint8_t *> (tables + count + 1)
        cdef uint8_t *start = out + (FRAME_HEADER_MAX if before else 0)
        cdef uint8_t *at = start
        cdef uint8_t *end
        try:
            if before:
                at[0] = 0x90 | DELTA_VALUES
                at = write_encoded(at + 1, head)
                at = write_int(at, base_tick)
            end = _changes(
                self, base, new, new_end, old, old_end, count, entries, spans, fields, tables, at
            )
            if end == NULL:
                return None
            if before:
                start = frame_before(start, end - start)
            return PyBytes_FromStringAndSize(<char *> start, end - start)
        finally:
            if memory != <void *> small:
                free(memory)


cdef uint8_t *_changes(
    Cut view,
    Cut base,
    Bytes new,
    Bytes new_end,
    Bytes old,
    Bytes old_end,
    Py_ssize_t count,
    Entry *entries,
    Span *spans,
    Span *fields,
    Table *tables,
    uint8_t *out,
) except? NULL:
    """Write the changes to ``out``; past them, or NULL where a delta is not worth it."""
    cdef Py_ssize_t field, changed_fields = 0, table_count = 0, used = 0
    cdef Py_ssize_t tables_changed = 0, tables_gone = 0, index
    cdef Bytes value, old_value
    cdef Span name, old_name, both, old_both
    cdef Table *table
    cdef bint is_table
    # Fields of the same names in the same order: looked up once in a view's life.
    cdef bint told = base.told and base.tables is view.tables
    cdef unsigned long long bits = 0
    for field in range(count):
        value = _skip(new, new_end)
        old_value = _skip(old, old_end)
        if value == NULL or old_value == NULL:
            raise ValueError("a view is cut short")
        name.at, name.size = new, value - new
        old_name.at, old_name.size = old, old_value - old
        if not _same(name, old_name):
            return NULL
        new = _skip(value, new_end)
        old = _skip(old_value, old_end)
        if new == NULL or old == NULL:
            raise ValueError("a view is cut short")
        if told:
            is_table = base.table_bits >> field & 1
        else:
            is_table = PyBytes_FromStringAndSize(<char *> name.at, name.size) in view.tables
        if is_table and field < FIELDS_TOLD_MAX:
            bits |= 1ULL << field
        if not is_table:
            both.at, both.size = name.at, new - name.at
            old_both.at, old_both.size = old_name.at, old - old_name.at
            if not _same(both, old_both):
                fields[changed_fields] = both
                changed_fields += 1
            continue
        table = &tables[table_count]
        table_count += 1
        table.name = name
        table.changed = used
        used = _compare(value, new, old_value, old, entries, spans, used, table)
        if used < 0:
            raise ValueError("a view is cut short")
        tables_changed += table.changed_end > table.changed
        tables_gone += table.gone_end > table.gone

    view.told, view.table_bits = count <= FIELDS_TOLD_MAX, bits
    cdef uint8_t *at = write_map(out, changed_fields)
    for field in range(changed_fields):
        at = _write(at, fields[field])
    at = write_map(at, tables_changed)
    for field in range(table_count):
        table = &tables[field]
        if table.changed_end > table.changed:
            at = _write(at, table.name)
            at = write_map(at, table.changed_end - table.changed)
            for index in range(table.changed, table.changed_end):
                at = _write(at, spans[index])
    at = write_map(at, tables_gone)
    for field in range(table_count):
        table = &tables[field]
        if table.gone_end > table.gone:
            at = _write(at, table.name)
            at = write_array(at, table.gone_end - table.gone)
            for index in range(table.gone, table.gone_end):
                at = _write(at, spans[index])
    if at - out + DELTA_EXTRA_BYTES >= PyBytes_GET_SIZE(view.whole):
        return NULL
    return at


cdef Py_ssize_t _compare(
    Bytes new,
    Bytes new_end,
    Bytes old,
    Bytes old_end,
    Entry *entries,
    Span *spans,
    Py_ssize_t used,
    Table *table,
) except? -2:
    """Note which entries of a table are new or changed, and which keys are gone; -1 for bytes that
    are no table."""
    cdef Py_ssize_t count = 0, old_count = 0, index, expected = 0, at, steps = 0, steps_max
    cdef Bytes value, following
    cdef Span key, whole
    new = _map_header(new, new_end, &count)
    old = _map_header(old, old_end, &old_count)
    if new == NULL or old == NULL:
        return -1
    for index in range(old_count):
        value = _skip(old, old_end)
        following = NULL if value == NULL else _skip(value, old_end)
        if following == NULL:
            return -1
        entries[index].key.at, entries[index].key.size = old, value - old
        entries[index].whole.at, entries[index].whole.size = old, following - old
        entries[index].met = False
        old = following
    steps_max = STEPS_PER_ENTRY * (count + old_count)
    by_key = None
    for index in range(count):
        value = _skip(new, new_end)
        following = NULL if value == NULL else _skip(value, new_end)
        if following == NULL:
            return -1
        key.at, key.size = new, value - new
        whole.at, whole.size = new, following - new
        new = following
        # Tables keep their order from tick to tick, so the first look nearly always hits.
        at = -1
        if by_key is None:
            at = _find(entries, old_count, expected, key, &steps)
            if steps > steps_max:
                by_key = {
                    PyBytes_FromStringAndSize(<char *> entries[each].key.at, entries[each].key.size): each
                    for each in range(old_count)
                }
        else:
            at = by_key.get(PyBytes_FromStringAndSize(<char *> key.at, key.size), -1)
        if at >= 0:
            entries[at].met = True
            expected = at + 1
            if _same(whole, entries[at].whole):
                continue
        spans[used] = whole
        used += 1
    table.changed_end = table.gone = used
    for index in range(old_count):
        if not entries[index].met:
            spans[used] = entries[index].key
            used += 1
    table.gone_end = used
    return used


cdef Py_ssize_t _find(
    Entry *entries, Py_ssize_t count, Py_ssize_t expected, Span key, Py_ssize_t *steps
) noexcept nogil:
    """Where ``key`` is, looked for from ``expected`` on; -1 if nowhere."""
    cdef Py_ssize_t index
    for index in range(expected, count):
        steps[0] += 1
        if _same(entries[index].key, key):
            return index
    for index in range(min(expected, count)):
        steps[0] += 1
        if _same(entries[index].key, key):
            return index
    return -1
