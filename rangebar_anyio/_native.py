"""The Rust library, seen from Python: the only module that imports the generated cffi module.

Conventions for whoever owns a handle:

- a status is looked at by its sign: zero and above are answers of the call, below zero go to :func:`check` with the
  name of what the caller holds, which always raises;
- a handle is made by :func:`owned`, which frees it when the last reference is gone. Closing means replacing the
  reference by :data:`NULL`: a call that another thread is inside of keeps the handle alive until it returns, and every
  later call answers ``RB_ERR_NULL``, so no export is ever entered with a dead pointer;
- what an error says about the input (which field, which row) is found out by the caller, who still has the input.
"""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn, Protocol, TypeAlias, cast

from rangebar_anyio._cffi import ffi as _ffi
from rangebar_anyio._errors import (
    AbiMismatchError,
    InternalError,
    LibraryNotLoadedError,
    ResourceBusyError,
    ResourceClosedError,
)

CData: TypeAlias = Any
"""Something of C: cffi has no types of its own for it."""

Readable: TypeAlias = "bytes | CData"
"""What cffi takes for ``const uint8_t *``."""


class Library(Protocol):
    """The exports of the library and its constants, as the type checker sees them."""

    RB_ABI_VERSION: int
    RB_OK: int
    RB_BAR_CLOSED: int
    RB_NONE: int
    RB_ERR_NULL: int
    RB_ERR_BUSY: int
    RB_ERR_ORDER: int
    RB_ERR_OVERFLOW: int
    RB_ERR_PRICE: int
    RB_ERR_PRICE_INEXACT: int
    RB_ERR_QUANTITY: int
    RB_ERR_QUANTITY_INEXACT: int
    RB_ERR_TIMESTAMP: int
    RB_ERR_TRADE_IDS: int
    RB_ERR_AGG_TRADE_ID: int
    RB_ERR_SNAPSHOT_LENGTH: int
    RB_ERR_SNAPSHOT_MAGIC: int
    RB_ERR_SNAPSHOT_VERSION: int
    RB_ERR_SNAPSHOT_CHECKSUM: int
    RB_ERR_SNAPSHOT_CONTENT: int
    RB_ERR_SNAPSHOT_LABEL: int
    RB_ERR_SNAPSHOT_UNCLOSED: int
    RB_ERR_SNAPSHOT_UNCOUNTED: int
    RB_NO_POSITION: int
    RB_INTEGER_COLUMNS: int
    RB_FLOAT_COLUMNS: int
    RB_EXACT_COLUMNS: int

    def rb_abi_version(self) -> int: ...
    def rb_struct_size(self, which: int, /) -> int: ...
    def rb_processor_new(
        self, threshold_dbps: int, same_timestamp_close: bool, position: int, out: CData, /
    ) -> int: ...
    def rb_processor_free(self, processor: CData, /) -> None: ...
    def rb_processor_push(self, processor: CData, packed: Readable, /) -> int: ...
    def rb_processor_push_packed(
        self, processor: CData, packed: Readable, size: int, max_bars: int, consumed: CData, /
    ) -> int: ...
    def rb_processor_push_columns(self, processor: CData, columns: CData, out: CData, /) -> int: ...
    def rb_processor_pop_bars(self, processor: CData, bars: CData, capacity: int, popped: CData, /) -> int: ...
    def rb_processor_forming(self, processor: CData, bar: CData, /) -> int: ...
    def rb_processor_info(self, processor: CData, info: CData, /) -> int: ...
    def rb_processor_snapshot(
        self, processor: CData, label: Readable, label_size: int, out: CData, capacity: int, written: CData, /
    ) -> int: ...
    def rb_processor_restore(
        self, data: Readable, size: int, label: CData, label_capacity: int, label_size: CData, out: CData, /
    ) -> int: ...
    def rb_bars_data(self, bars: CData, data: CData, count: CData, /) -> int: ...
    def rb_bars_free(self, bars: CData, /) -> None: ...
    def rb_bars_features(self, bars: CData, count: int, features: CData, /) -> int: ...
    def rb_bars_columns(self, bars: CData, count: int, integers: CData, floats: CData, /) -> int: ...
    def rb_bars_exact(self, bars: CData, count: int, out: CData, /) -> int: ...
    def rb_arrow_stream_new(self, bars: CData, count: int, exact: bool, out: CData, /) -> int: ...
    def rb_arrow_stream_free(self, stream: CData, /) -> None: ...
    def rb_arrow_schema_new(self, exact: bool, out: CData, /) -> int: ...
    def rb_arrow_schema_free(self, schema: CData, /) -> None: ...

    RB_ROW_REFUSED: int
    RB_IDS_RESTARTED: int

    def rb_archive_decode(
        self, data: Readable, size: int, at_start: bool, at_end: bool, ticks: CData, capacity: int, progress: CData, /
    ) -> int: ...
    def rb_ticks_sift(
        self, last: CData, ticks: CData, count: int, gaps: CData, gap_capacity: int, sifted: CData, /
    ) -> int: ...


def library_name(platform: str = sys.platform) -> str:
    """Name the library's file on a platform."""
    if platform == "win32":
        return "rangebar_core.dll"

    return "librangebar_core.dylib" if platform == "darwin" else "librangebar_core.so"


def _load() -> Library:
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), library_name())

    try:
        # Never unloaded: Arrow data that was handed out is freed by the library, maybe after this module is gone.
        opened = _ffi.dlopen(path, _ffi.RTLD_NOW | getattr(os, "RTLD_NODELETE", 0))
    except OSError as error:
        raise LibraryNotLoadedError(path, str(error)) from error

    return check_library(cast(Library, opened), path)


_STRUCTS = (
    "RbWide",
    "RbTick",
    "RbBar",
    "RbFeatures",
    "RbColumns",
    "RbProcessorInfo",
    "RbFeedConfig",
    "RbLaneSpec",
    "RbLaneAdded",
    "RbFeedSummary",
    "RbLaneBar",
    "RbPage",
    "RbFeedEvent",
    "RbSequenceInfo",
    "RbSymbolInfo",
    "RbConnectionInfo",
    "RbLaneInfo",
    "RbFeedTotals",
    "RbArchiveProgress",
    "RbSifted",
    "RbGap",
    "RbMessage",
    "RbEvent",
)


def check_library(opened: Library, path: str) -> Library:
    """Return the library if it is the one that the generated module was made for, else raise ``AbiMismatchError``."""
    try:
        found = opened.rb_abi_version()

        if found != opened.RB_ABI_VERSION:
            raise AbiMismatchError("C interface version", opened.RB_ABI_VERSION, found, path)

        for which, name in enumerate(_STRUCTS):
            size, expected = opened.rb_struct_size(which), _ffi.sizeof(name)

            if size != expected:
                raise AbiMismatchError(f"{name} of bytes", expected, size, path)
    except AttributeError as error:
        raise AbiMismatchError("the exports", "all of their own", str(error), path) from error

    return opened


def check(status: int, resource: str) -> NoReturn:
    """Raise what a status below zero means for any handle; ``resource`` is what the caller calls it.

    Statuses about the content of the input are not for this function: the caller knows the input.
    """
    if status == lib.RB_ERR_NULL:
        raise ResourceClosedError(resource)

    if status == lib.RB_ERR_BUSY:
        raise ResourceBusyError(resource)

    raise InternalError(resource, status)


ffi: CData = _ffi
lib: Library = _load()
NULL: CData = _ffi.NULL

BAR_SIZE: int = _ffi.sizeof("RbBar")
TRADE_SIZE: int = _ffi.sizeof("RbTick")


def owned(handle: CData, free: Any, size: int = 0) -> CData:
    """Tie a handle to this reference: ``free`` is called when the last one is gone.

    ``size`` tells a garbage collector that counts bytes what hangs on it.
    """
    return ffi.gc(handle, free, size)


__all__ = (
    "BAR_SIZE",
    "NULL",
    "TRADE_SIZE",
    "CData",
    "Library",
    "Readable",
    "check",
    "check_library",
    "ffi",
    "lib",
    "owned",
)
