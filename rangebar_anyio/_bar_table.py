"""Bars in one piece of memory, as columns for those who want columns."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn, overload

from rangebar_anyio._bar import Bar
from rangebar_anyio._fields import DECIMALS, FLOAT_COLUMNS, INTEGER_COLUMNS, TABLE_COLUMNS
from rangebar_anyio._native import BAR_SIZE, CData, check, ffi, lib

if TYPE_CHECKING:
    import numpy
    import pandas
    import polars

_RESOURCE = "BarTable"
_WIDE = 16


class BarTable:
    """Hold closed bars of one symbol and threshold: a sequence of :class:`Bar`, and columns.

    It cannot be changed. ``pyarrow.table(t)``, ``polars.DataFrame(t)`` and everything else that speaks the Arrow
    PyCapsule protocol take it as it is. Its columns are those of :data:`COLUMNS`: prices, volumes and turnover are the
    nearest floats, times are microseconds in UTC. :attr:`exact` gives decimals instead.

    Example::

        table = processor.push_columns(**columns)
        table[-1].close, len(table), polars.DataFrame(table), pyarrow.table(table.exact)
    """

    COLUMNS = TABLE_COLUMNS

    __slots__ = ("_rows", "symbol", "threshold_dbps", "venue")

    _rows: memoryview
    symbol: str
    threshold_dbps: int
    venue: str

    def __init__(self) -> None:
        raise TypeError("a BarTable comes from RangeBarProcessor.push_columns; it is never made by hand")

    @classmethod
    def _from_rows(cls, rows: memoryview, *, threshold_dbps: int, symbol: str = "", venue: str = "") -> BarTable:
        """Make a table of bars that lie one after the other, 176 bytes each; the memory must not change any more."""
        table = object.__new__(cls)

        for setter, value in zip(_setters, (rows, symbol, threshold_dbps, venue), strict=True):
            setter(table, value)

        return table

    @classmethod
    def _from_handle(cls, bars: CData, *, threshold_dbps: int, symbol: str = "", venue: str = "") -> BarTable:
        """Make a table of the library's own memory, which is freed with the last view into it."""
        data, count = ffi.new("RbBar **"), ffi.new("size_t *")
        status = lib.rb_bars_data(bars, data, count)
        size = count[0] * BAR_SIZE if status >= 0 else 0
        # The buffer below keeps this alive, whoever holds it.
        memory = ffi.gc(ffi.cast("uint8_t *", data[0]), partial(_free_bars, bars), size)

        if status < 0:
            check(status, _RESOURCE)

        rows = memoryview(ffi.buffer(memory, size)).toreadonly() if size else memoryview(b"")
        return cls._from_rows(rows, threshold_dbps=threshold_dbps, symbol=symbol, venue=venue)

    @classmethod
    def concat(cls, tables: list[BarTable]) -> BarTable:
        """Join tables of one symbol and threshold, in the given order; their bars are copied.

        Raises ``ValueError`` for tables of unlike symbol, threshold or venue, and for an empty list.
        """
        if len({(table.symbol, table.threshold_dbps, table.venue) for table in tables}) != 1:
            raise ValueError("concat takes tables of one symbol, threshold and venue, and at least one")

        return tables[0]._with(b"".join(table._rows for table in tables))

    def _with(self, rows: memoryview | bytes) -> BarTable:
        return BarTable._from_rows(
            memoryview(rows), threshold_dbps=self.threshold_dbps, symbol=self.symbol, venue=self.venue
        )

    def __len__(self) -> int:
        return len(self._rows) // BAR_SIZE

    @overload
    def __getitem__(self, index: int) -> Bar: ...
    @overload
    def __getitem__(self, index: slice) -> BarTable: ...
    def __getitem__(self, index: int | slice) -> Bar | BarTable:
        if not isinstance(index, slice):
            return self._bar(range(len(self))[index])

        start, stop, step = index.indices(len(self))

        if step == 1:
            # Shares the memory.
            return self._with(self._rows[start * BAR_SIZE : max(start, stop) * BAR_SIZE])

        return self._with(b"".join(self._raw(at) for at in range(start, stop, step)))

    def __iter__(self) -> Iterator[Bar]:
        return map(self._bar, range(len(self)))

    def _raw(self, at: int) -> bytes:
        return bytes(self._rows[at * BAR_SIZE : (at + 1) * BAR_SIZE])

    def _bar(self, at: int) -> Bar:
        return Bar._from_raw(self._raw(at), threshold_dbps=self.threshold_dbps, symbol=self.symbol, venue=self.venue)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BarTable):
            return NotImplemented

        same_lane = (self.symbol, self.threshold_dbps) == (other.symbol, other.threshold_dbps)
        return same_lane and self._rows == other._rows

    __hash__ = None  # type: ignore[assignment]  # as large as its bars

    def __repr__(self) -> str:
        lane = f"{self.symbol or '-'} {self.threshold_dbps} dbps"

        if not len(self):
            return f"<BarTable {lane}: 0 bars>"

        times = f"{self[0].open_time:%Y-%m-%d %H:%M:%S} to {self[-1].close_time:%Y-%m-%d %H:%M:%S}"
        return f"<BarTable {lane}: {len(self)} bars {times}>"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a BarTable cannot be changed, so {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a BarTable cannot be changed, so {name} cannot be deleted")

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (bytes(self._rows), self.threshold_dbps, self.symbol, self.venue)

    @property
    def exact(self) -> ExactBars:
        """The same bars for Arrow with ``decimal128``: 8 decimals, and 16 for turnover."""
        return ExactBars(self)

    def to_numpy(self, *, exact: bool = False) -> dict[str, numpy.ndarray[Any, Any]]:
        """Return a dict of arrays, one for each of :data:`COLUMNS`, in that order.

        Times are ``datetime64[us]`` (in UTC; NumPy knows no time zones), counts and ids int64, all others float64.
        With ``exact`` the decimal numbers are integers of their unit under names that say so: ``open_e8`` to
        ``close_e8`` and ``vwap_e8`` as int64, and ``volume_e8``, ``turnover_e16`` and their parts, which may pass 64
        bits, as Python's ``int``.

        Raises ``ModuleNotFoundError`` when NumPy is not installed (``pip install 'rangebar-anyio[numpy]'``).
        """
        np = _optional("numpy")
        count = len(self)
        integers = np.empty((len(INTEGER_COLUMNS), count), np.int64)
        floats = np.empty((len(FLOAT_COLUMNS), count), np.float64)
        pointers = ffi.from_buffer("int64_t[]", integers), ffi.from_buffer("double[]", floats)
        status = lib.rb_bars_columns(self._pointer(), count, *pointers)

        if status < 0:
            check(status, _RESOURCE)

        columns: dict[str, Any] = dict(zip(INTEGER_COLUMNS, integers, strict=True))
        columns |= zip(FLOAT_COLUMNS, floats, strict=True)
        columns |= {name: columns[name].view("datetime64[us]") for name in ("open_time", "close_time")}
        units = self._units(np) if exact else {}
        return dict(units.get(name) or (name, columns[name]) for name in TABLE_COLUMNS)

    def _units(self, np: Any) -> dict[str, tuple[str, Any]]:
        """Give the exact columns by the name of the field, with the name that says the unit."""
        count = len(self)
        wide = ffi.new("RbWide[]", count * len(DECIMALS))
        status = lib.rb_bars_exact(self._pointer(), count, wide)

        if status < 0:
            check(status, _RESOURCE)

        limbs = memoryview(ffi.buffer(wide))
        columns = {}

        for at, (name, decimals) in enumerate(DECIMALS.items()):
            cells = limbs[at * count * _WIDE : (at + 1) * count * _WIDE]
            is_price = name in ("open", "high", "low", "close", "vwap")
            values = np.array(_integers(cells), dtype=np.int64 if is_price else object)
            columns[name] = f"{name}_e{decimals}", values

        return columns

    def to_pandas(self) -> pandas.DataFrame:
        """Return a pandas ``DataFrame`` with the columns of :data:`COLUMNS`; times are ``datetime64[us, UTC]``.

        Raises ``ModuleNotFoundError`` when pandas is not installed (``pip install 'rangebar-anyio[pandas]'``).
        """
        frame: pandas.DataFrame = _optional("pandas").DataFrame(self.to_numpy())

        for name in ("open_time", "close_time"):
            frame[name] = frame[name].dt.tz_localize("UTC")

        return frame

    def to_polars(self, *, exact: bool = False) -> polars.DataFrame:
        """Return a polars ``DataFrame`` with the columns of :data:`COLUMNS`; with ``exact``, decimals for the floats.

        Raises ``ModuleNotFoundError`` when polars is not installed (``pip install 'rangebar-anyio[polars]'``).
        """
        frame: polars.DataFrame = _optional("polars").DataFrame(self.exact if exact else self)
        return frame

    def __arrow_c_schema__(self) -> object:
        """Give the schema as a PyCapsule; times are ``timestamp[us, UTC]``."""
        from rangebar_anyio._arrow import schema_capsule

        return schema_capsule(exact=False)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the bars as a PyCapsule that holds a copy of them; a requested schema is left to the consumer."""
        from rangebar_anyio._arrow import stream_capsule

        return stream_capsule(self._pointer(), len(self), exact=False)

    def _pointer(self) -> CData:
        return ffi.from_buffer("RbBar[]", self._rows) if len(self._rows) else ffi.NULL


class ExactBars:
    """Bars for Arrow with decimals instead of floats; see :attr:`BarTable.exact`."""

    __slots__ = ("_table",)

    def __init__(self, table: BarTable) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    def __arrow_c_schema__(self) -> object:
        from rangebar_anyio._arrow import schema_capsule

        return schema_capsule(exact=True)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        from rangebar_anyio._arrow import stream_capsule

        return stream_capsule(self._table._pointer(), len(self._table), exact=True)


_setters = tuple(BarTable.__dict__[name].__set__ for name in ("_rows", "symbol", "threshold_dbps", "venue"))


def _optional(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise

        remedy = f"{name} is not installed; pip install 'rangebar-anyio[{name}]'"
        raise ModuleNotFoundError(remedy, name=name) from None


def _free_bars(bars: CData, _memory: CData) -> None:
    lib.rb_bars_free(bars)


def _integers(cells: memoryview) -> list[int]:
    return [int.from_bytes(cells[at : at + _WIDE], "little", signed=True) for at in range(0, len(cells), _WIDE)]


def _restore(rows: bytes, threshold_dbps: int, symbol: str, venue: str) -> BarTable:
    if len(rows) % BAR_SIZE:
        raise ValueError(f"bars have {BAR_SIZE} bytes each, and {len(rows)} bytes are no whole number of them")

    return BarTable._from_rows(memoryview(rows), threshold_dbps=threshold_dbps, symbol=symbol, venue=venue)
