"""The fields of ``msgspec.Struct``s for compiled rules: by their place in memory, not by name.

    cdef Py_ssize_t X = offset_of(Body, "x")    # once, when the module is loaded
    write_int(body, X, read_int(body, X) + 1)   # about 5 ns; by name 60

Nothing is checked but what is named below: the object must be of exactly the type, or a subclass of
it, that the offset was asked of. A field that is ``frozen`` must not be written.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF

cdef extern from *:
    """
    #include <structmember.h>
    #include <string.h>

    /* -1 and an exception for what is no field that holds an object. */
    static Py_ssize_t gs_offset_of(PyObject *type, PyObject *name) {
        PyObject *found = PyObject_GetAttr(type, name);
        Py_ssize_t offset = -1;
        if (found == NULL) return -1;
        if (Py_IS_TYPE(found, &PyMemberDescr_Type)
            && ((PyMemberDescrObject *)found)->d_member->type == T_OBJECT_EX) {
            offset = ((PyMemberDescrObject *)found)->d_member->offset;
        } else {
            PyErr_Format(PyExc_TypeError, "%R is not a field of %R", name, type);
        }
        Py_DECREF(found);
        return offset;
    }
    """
    Py_ssize_t offset_of "gs_offset_of" (object type, object name) except -1


cdef inline PyObject **place_of(object struct, Py_ssize_t offset) noexcept:
    return <PyObject **> (<char *> <PyObject *> struct + offset)


cdef inline object read(object struct, Py_ssize_t offset):
    """The value of a field. Raises ``AttributeError`` for one that is not set."""
    cdef PyObject *value = place_of(struct, offset)[0]
    if value == NULL:
        raise AttributeError("a field is not set")
    return <object> value


cdef inline long long read_int(object struct, Py_ssize_t offset) except? -1:
    """The value of a field of whole numbers. Raises ``OverflowError`` beyond 64 bits."""
    return <long long> read(struct, offset)


cdef inline bint read_bool(object struct, Py_ssize_t offset) except -1:
    """The value of a field that is ``True`` or ``False``."""
    return read(struct, offset) is True


cdef inline int write(object struct, Py_ssize_t offset, object value) except -1:
    """Put ``value`` into a field. Not for containers in a struct that holds none yet: the garbage
    collector would not hear of it."""
    cdef PyObject **place = place_of(struct, offset)
    cdef PyObject *old = place[0]
    Py_INCREF(value)
    place[0] = <PyObject *> value
    Py_XDECREF(old)
    return 0


cdef inline int write_int(object struct, Py_ssize_t offset, long long value) except -1:
    """Put a whole number into a field."""
    return write(struct, offset, value)
