"""PyCapsules around Arrow structures that the Rust library makes and frees.

Only the capsules are Python's. What a consumer moves out of one is freed by Rust callbacks that need neither the GIL
nor this module; a capsule that nobody consumed frees its content when it is collected.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from rangebar_anyio._native import CData, check, ffi, lib

_RESOURCE = "BarTable"

_Destructor = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
_new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
    ("PyCapsule_New", ctypes.pythonapi)
)
# The capsule is being collected, so it goes in as a plain address: a reference to it would bring it back to life.
_pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def _destructor(name: bytes, free: Callable[[CData], None]) -> int:
    """Give the address of a C function that frees a capsule's content; it is never freed itself."""

    def destroy(capsule: int, name: bytes = name, cast: Callable[..., CData] = ffi.cast) -> None:
        free(cast("void *", _pointer_of(capsule, name)))

    callback = _Destructor(destroy)
    # A capsule may outlive this module, and C has only the address of these two.
    for immortal in (callback, name, _pointer_of):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(immortal))

    return ctypes.cast(callback, ctypes.c_void_p).value or 0


_SCHEMA = b"arrow_schema"
_STREAM = b"arrow_array_stream"
_free_schema = _destructor(_SCHEMA, lib.rb_arrow_schema_free)
_free_stream = _destructor(_STREAM, lib.rb_arrow_stream_free)


def schema_capsule(*, exact: bool) -> object:
    """Give the schema of a table as an ``arrow_schema`` capsule."""
    out = ffi.new("void **")
    status = lib.rb_arrow_schema_new(exact, out)

    if status < 0:
        check(status, _RESOURCE)

    return _capsule(out[0], _SCHEMA, _free_schema)


def stream_capsule(bars: CData, count: int, *, exact: bool) -> object:
    """Give a copy of bars as an ``arrow_array_stream`` capsule; ``OverflowError`` above Arrow's 38 digits."""
    out = ffi.new("void **")
    status = lib.rb_arrow_stream_new(bars, count, exact, out)

    if status == lib.RB_ERR_OVERFLOW:
        raise OverflowError("a sum has more than the 38 digits of Arrow's decimal128; use to_numpy(exact=True)")

    if status < 0:
        check(status, _RESOURCE)

    return _capsule(out[0], _STREAM, _free_stream)


def _capsule(content: CData, name: bytes, destructor: int) -> object:
    return _new_capsule(int(ffi.cast("uintptr_t", content)), name, destructor)
