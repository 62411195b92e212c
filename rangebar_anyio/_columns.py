"""Columns that a user hands in, as pointers for the engine: borrowed where their layout allows, copied where not.

NumPy is not needed: whatever has the buffer protocol is read as it is. Arrow, polars and pandas columns are asked for
their array (``__array__``), which for plain 64-bit columns without nulls shares their memory.
"""

from __future__ import annotations

from typing import Any, Final

from rangebar_anyio._errors import InvalidColumnError
from rangebar_anyio._native import CData, ffi

_ALIGNMENT = 8
_INTEGERS: Final = ("q", "l")
_SIDES: Final = ("?", "B", "b")

_WANTED: Final = {
    "integer": ("int64", "convert it: .astype('int64')"),
    "decimal": (
        "int64 (units of 10^-8) or float64",
        "convert it: .astype('float64'), or exact integers times 10^8 as int64",
    ),
    "side": ("bool (or 8-bit 0 and 1)", "convert it: .astype(bool)"),
}


class Column:
    """One column as the engine takes it; what it points into lives as long as this object."""

    __slots__ = ("_view", "is_float", "length", "name", "pointer")

    def __init__(self, name: str, values: object, kind: str) -> None:
        view = _view_of(name, values, kind)
        self.name = name
        self.length = len(view)
        self.is_float = _format_of(name, view, kind) == "d"
        self.pointer, self._view = _pointer_to(view)

    def __getitem__(self, row: int) -> Any:
        return self._view[row]


def _view_of(name: str, values: object, kind: str) -> memoryview:
    if any(base.__name__ == "MaskedArray" for base in type(values).__mro__):
        # Its buffer shows what the mask hides.
        raise InvalidColumnError(name, "a masked array", "may miss values", "leave those rows out: .compressed()")

    given = _datetime_as_int(name, values)

    try:
        view = memoryview(given)
    except (TypeError, ValueError, BufferError):
        view = _array_view(name, values, kind)

    if view.ndim != 1:
        raise InvalidColumnError(name, f"{view.ndim} dimensions", "make no column", "give one dimension")

    return view


def _array_view(name: str, values: object, kind: str) -> memoryview:
    """Ask a column of another library for its array."""
    make_array = getattr(values, "__array__", None)

    if make_array is None:
        wanted, _ = _WANTED[kind]
        raise InvalidColumnError(
            name,
            type(values).__name__,
            "is no column",
            f"give a NumPy array of {wanted} or another buffer, or Trade objects to push_many",
        )

    try:
        array = _datetime_as_int(name, make_array())
        return memoryview(array)
    except InvalidColumnError:
        raise
    except (TypeError, ValueError, BufferError, ImportError) as error:
        dtype = getattr(values, "dtype", type(values).__name__)
        raise InvalidColumnError(name, str(dtype), f"cannot be read ({error})", _WANTED[kind][1]) from error


def _datetime_as_int(name: str, values: Any) -> Any:
    """See NumPy's datetime64[us] as the integers that it is made of; other units would mean other times."""
    dtype = str(getattr(values, "dtype", ""))

    if not dtype.startswith("datetime64") or not hasattr(values, "view"):
        return values

    if dtype != "datetime64[us]":
        raise InvalidColumnError(name, dtype, "has another unit", "convert it: .astype('datetime64[us]')")

    return values.view("int64")


def _format_of(name: str, view: memoryview, kind: str) -> str:
    wanted, remedy = _WANTED[kind]
    # "<" and "@" are this machine's own order where it matters: the library is for little-endian machines.
    found = view.format.lstrip("@=<")
    allowed: tuple[str, ...] = _SIDES if kind == "side" else _INTEGERS

    if kind == "decimal" and found == "d":
        return found

    if found in allowed and view.itemsize == (1 if kind == "side" else 8):
        return found

    raise InvalidColumnError(name, _NAMES.get(found, view.format), f"is no column of {wanted}", remedy)


_NAMES: Final = {
    "f": "float32",
    "d": "float64",
    "e": "float16",
    "g": "longdouble",
    "i": "int32",
    "l": "int64",
    "q": "int64",
    "I": "uint32",
    "L": "uint64",
    "Q": "uint64",
    "h": "int16",
    "H": "uint16",
    "b": "int8",
    "B": "uint8",
    "?": "bool",
    "O": "object",
}


def _pointer_to(view: memoryview) -> tuple[CData, memoryview]:
    """Give the address of the values, of a copy where they do not lie one after the other or not on 8 bytes."""
    if view.c_contiguous:
        pointer = ffi.from_buffer(view)

        if view.itemsize == 1 or int(ffi.cast("uintptr_t", pointer)) % _ALIGNMENT == 0:
            return pointer, view

    copy = memoryview(view.tobytes())
    # A memoryview of bytes can be cast to a native format only.
    copy = copy.cast(view.format.lstrip("@=<"))  # type: ignore[call-overload]
    return ffi.from_buffer(copy), copy


def pointers_of(
    agg_trade_id: object,
    timestamp_us: object,
    price: object,
    quantity: object,
    is_buyer_maker: object,
    first_trade_id: object | None,
    last_trade_id: object | None,
) -> tuple[CData, dict[str, Column]]:
    """Fill an ``RbColumns``; the columns beside it keep alive what it points to."""
    if (first_trade_id is None) is not (last_trade_id is None):
        missing = "first_trade_id" if first_trade_id is None else "last_trade_id"
        raise InvalidColumnError(missing, "it", "is missing beside the other id", "give both columns or none")

    columns = {
        "agg_trade_id": Column("agg_trade_id", agg_trade_id, "integer"),
        "timestamp_us": Column("timestamp_us", timestamp_us, "integer"),
        "price": Column("price", price, "decimal"),
        "quantity": Column("quantity", quantity, "decimal"),
        "is_buyer_maker": Column("is_buyer_maker", is_buyer_maker, "side"),
    }

    if first_trade_id is not None:
        columns["first_trade_id"] = Column("first_trade_id", first_trade_id, "integer")
        columns["last_trade_id"] = Column("last_trade_id", last_trade_id, "integer")

    return _struct_of(columns), columns


def _struct_of(columns: dict[str, Column]) -> CData:
    length = columns["agg_trade_id"].length

    for column in columns.values():
        if column.length != length:
            problem = f"are not the {length} of agg_trade_id"
            raise InvalidColumnError(column.name, f"{column.length} rows", problem, "give columns of one length")

    struct = ffi.new("RbColumns *")
    struct.len = length

    for name, column in columns.items():
        setattr(struct, name, ffi.cast(_POINTERS.get(name, "const int64_t *"), column.pointer))

    struct.price_is_float = columns["price"].is_float
    struct.quantity_is_float = columns["quantity"].is_float
    return struct


_POINTERS: Final = {"price": "const void *", "quantity": "const void *", "is_buyer_maker": "const uint8_t *"}
