"""One tape, one threshold: trades in, range bars out."""

from __future__ import annotations

from collections.abc import Iterable
from time import sleep
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

from rangebar_anyio._arguments import MAX_LABEL, check_label, first_other, no_trade, position_of, threshold_of
from rangebar_anyio._bar import Bar
from rangebar_anyio._errors import ResourceBusyError, ResourceClosedError, SnapshotError
from rangebar_anyio._fields import INTEGER_OFFSETS
from rangebar_anyio._native import BAR_SIZE, NULL, TRADE_SIZE, CData, Readable, check, ffi, lib, owned
from rangebar_anyio._refusals import refuse_column_row, refuse_snapshot, refuse_trade
from rangebar_anyio._trade import Trade

if TYPE_CHECKING:
    from rangebar_anyio._bar_table import BarTable

_RESOURCE = "RangeBarProcessor"
_SNAPSHOT_ROOM = 600
# What hangs on a handle, for collectors that count bytes.
_HANDLE_SIZE = 1024

# Where a bar keeps the id of the trade that closed it, as a packed trade begins with its own.
_LAST_ID = slice(INTEGER_OFFSETS["last_agg_trade_id"], INTEGER_OFFSETS["last_agg_trade_id"] + 8)

_push = lib.rb_processor_push


class RangeBarProcessor:
    """Build range bars from one tape at one threshold.

    Trades come in ascending ``agg_trade_id``. A call that raises has changed nothing. Memory does not grow with the
    number of trades. One thread at a time: a call while another thread is inside raises ``ResourceBusyError``.

    The Rust side is freed by :meth:`close`, at the end of a ``with`` block, or with the last reference.

    Args:
        threshold_dbps: width in decimal basis points, 1 to 100,000: 250 closes a bar 0.25 % away from its open.
        symbol: a name that its bars carry; at most 255 bytes as UTF-8.
        same_timestamp_close: let a bar close on a trade that shares its opening time stamp (off by default, which keeps
            bursts within one time stamp from giving instant bars).
        last_agg_trade_id: go on after this trade, as after a closed bar; ids between it and the first trade count as
            missing. ``None`` takes any first trade.

    Raises:
        InvalidThresholdError: the threshold is out of its range.
        InvalidSymbolError: the symbol is no text, or too long.

    Example::

        with RangeBarProcessor(250, symbol="BTCUSDT") as processor:
            for trade in trades:
                if bar := processor.push(trade):
                    print(bar.close)
    """

    __slots__ = ("__weakref__", "_handle", "_same_timestamp_close", "_symbol", "_threshold_dbps")

    def __init__(
        self,
        threshold_dbps: int,
        *,
        symbol: str = "",
        same_timestamp_close: bool = False,
        last_agg_trade_id: int | None = None,
    ) -> None:
        self._handle = NULL
        threshold = threshold_of(threshold_dbps)
        position = lib.RB_NO_POSITION if last_agg_trade_id is None else position_of(last_agg_trade_id)
        check_label(symbol)
        out = ffi.new("RbProcessor **")
        status = lib.rb_processor_new(threshold, bool(same_timestamp_close), position, out)

        if status < 0:
            check(status, _RESOURCE)

        self._adopt(out[0], threshold, symbol, bool(same_timestamp_close))

    def _adopt(self, handle: CData, threshold_dbps: int, symbol: str, same_timestamp_close: bool) -> None:
        self._handle = owned(handle, lib.rb_processor_free, _HANDLE_SIZE)
        self._threshold_dbps = threshold_dbps
        self._symbol = symbol
        self._same_timestamp_close = same_timestamp_close

    def push(self, trade: Trade) -> Bar | None:
        """Take one trade and return the bar that it closed, if it closed one.

        Raises:
            OutOfOrderError: its ``agg_trade_id`` is not above the one before it.
            InvalidTradeError: a sum over the bar would leave its range.
            ResourceClosedError: the processor was closed.
            ResourceBusyError: another thread is inside.
        """
        try:
            packed = trade._packed
        except AttributeError:
            raise no_trade(trade, "push") from None

        status = _push(self._handle, packed)

        if status == 0:
            return None

        if status < 0:
            self._refuse(status, packed, None)

        return self._pop_closed_by(packed)

    def push_many(self, trades: Iterable[Trade]) -> list[Bar]:
        """Take trades and return the bars that closed, oldest first: all trades or none.

        Raises what :meth:`push` raises; ``error.index`` then is the trade's place in ``trades``.
        """
        batch = list(trades)

        try:
            packed = b"".join([trade._packed for trade in batch])
        except AttributeError:
            raise no_trade(first_other(batch), "push_many") from None

        return self._push_packed(packed, len(packed))

    def _push_packed(self, packed: Readable, size: int) -> list[Bar]:
        """Take packed trades, ``size`` bytes of them, as :meth:`push_many` does."""
        consumed = ffi.new("size_t *")
        status = lib.rb_processor_push_packed(self._handle, packed, size, size // TRADE_SIZE, consumed)

        if status == 0:
            return []

        if status < 0:
            packed = packed if isinstance(packed, bytes) else bytes(ffi.buffer(packed, size))
            self._refuse(status, packed, self._info().error_index if status <= lib.RB_ERR_AGG_TRADE_ID else 0)

        return self._pop(self._info().closed_bars)

    def push_columns(
        self,
        *,
        agg_trade_id: object,
        timestamp_us: object,
        price: object,
        quantity: object,
        is_buyer_maker: object,
        first_trade_id: object | None = None,
        last_trade_id: object | None = None,
    ) -> BarTable:
        """Take whole columns and return the bars that closed as a table: all rows or none.

        Columns are NumPy arrays, anything with the buffer protocol, or pandas, polars and Arrow columns. Nothing is
        copied where the values lie one after the other; a strided view is copied. They must not change during the call.

        Args:
            agg_trade_id: int64, ascending.
            timestamp_us: int64 microseconds since 1970-01-01 UTC, or ``datetime64[us]``.
            price: int64 in units of 10^-8, or float64 (each within 4 ulp of a number with at most 8 decimals).
            quantity: as ``price``.
            is_buyer_maker: bool, or 8-bit integers where anything but 0 is True.
            first_trade_id: int64; give both ids or none. Without them each row is one individual trade.
            last_trade_id: int64.

        Raises:
            InvalidColumnError: a column is of another type, shape or length.
            InvalidTradeError: a row was refused; the message names row, field and value.
            OutOfOrderError: the ids do not ascend, or begin at or below the last one taken.

        Example::

            table = processor.push_columns(
                agg_trade_id=ids, timestamp_us=times, price=prices, quantity=sizes, is_buyer_maker=makers
            )
            table.to_pandas()
        """
        from rangebar_anyio._bar_table import BarTable
        from rangebar_anyio._columns import pointers_of

        struct, columns = pointers_of(
            agg_trade_id, timestamp_us, price, quantity, is_buyer_maker, first_trade_id, last_trade_id
        )
        out = ffi.new("RbBars **")
        status = lib.rb_processor_push_columns(self._handle, struct, out)

        if status < 0:
            if status > lib.RB_ERR_AGG_TRADE_ID:
                check(status, _RESOURCE)

            info = self._info()
            refuse_column_row(status, columns, info.error_index, _last_id(info))

        return BarTable._from_handle(out[0], symbol=self._symbol, threshold_dbps=self._threshold_dbps)

    @property
    def forming(self) -> Bar | None:
        """The bar that has not closed yet, marked by ``is_closed`` being False; ``None`` right after a close."""
        out = ffi.new("RbBar *")
        status = lib.rb_processor_forming(self._handle, out)

        if status < 0:
            check(status, _RESOURCE)

        return None if status == lib.RB_NONE else self._bar(ffi.buffer(out)[:], is_closed=False)

    def snapshot(self) -> bytes:
        """Return everything that the processor knows, for :meth:`restore`; at most 600 bytes, with a checksum."""
        label = self._symbol.encode()
        out = ffi.new("uint8_t[]", _SNAPSHOT_ROOM)
        written = ffi.new("size_t *")
        status = lib.rb_processor_snapshot(self._handle, label, len(label), out, _SNAPSHOT_ROOM, written)

        if status < 0:
            check(status, _RESOURCE)

        data: bytes = ffi.buffer(out, written[0])[:]
        return data

    @classmethod
    def restore(
        cls, snapshot: bytes | bytearray | memoryview, *, threshold_dbps: int | None = None, symbol: str | None = None
    ) -> RangeBarProcessor:
        """Make a processor from a snapshot; it goes on exactly where the other one stood.

        Args:
            snapshot: what :meth:`snapshot` returned; any bytes are safe to try.
            threshold_dbps: the threshold that is expected, if any is.
            symbol: the symbol that is expected, if any is.

        Raises:
            SnapshotError: these bytes are no snapshot, damaged, of another version, or of another threshold or symbol;
                ``error.reason`` says which.
        """
        data = bytes(memoryview(snapshot))
        label, size = ffi.new("uint8_t[]", MAX_LABEL), ffi.new("size_t *")
        out = ffi.new("RbProcessor **")
        status = lib.rb_processor_restore(data, len(data), label, MAX_LABEL, size, out)

        if status < 0:
            refuse_snapshot(status)

        processor = cls.__new__(cls)
        processor._adopt(out[0], 0, "", False)
        processor._learn(ffi.buffer(label, size[0])[:])
        processor._expect(threshold_dbps, symbol)
        return processor

    def _learn(self, label: bytes) -> None:
        """Take over what a restored handle says about itself."""
        info = self._info()
        self._threshold_dbps = info.threshold_dbps
        self._same_timestamp_close = info.same_timestamp_close != 0

        try:
            self._symbol = label.decode()
        except UnicodeDecodeError:
            raise SnapshotError("content", "has a symbol that is no UTF-8 text") from None

    def _expect(self, threshold_dbps: int | None, symbol: str | None) -> None:
        if threshold_dbps is not None and threshold_dbps != self._threshold_dbps:
            problem = f"is of threshold_dbps {self._threshold_dbps}, and {threshold_dbps!r} is expected"
            raise SnapshotError("threshold", problem)

        if symbol is not None and symbol != self._symbol:
            raise SnapshotError("symbol", f"is of symbol {self._symbol!r}, and {symbol!r} is expected")

    @property
    def threshold_dbps(self) -> int:
        """The threshold in decimal basis points."""
        return self._threshold_dbps

    @property
    def symbol(self) -> str:
        """The name that its bars carry."""
        return self._symbol

    @property
    def same_timestamp_close(self) -> bool:
        """Whether a bar may close on a trade that shares its opening time stamp."""
        return self._same_timestamp_close

    @property
    def last_agg_trade_id(self) -> int | None:
        """Id of the last trade taken, or the one it goes on after; ``None`` before the first trade."""
        return _last_id(self._info())

    @property
    def last_timestamp_us(self) -> int:
        """Time of the last trade taken, in microseconds since 1970-01-01 UTC; 0 before the first."""
        time: int = self._info().last_timestamp_us
        return time

    @property
    def time_reversals(self) -> int:
        """How many trades had a time before that of the trade before them; such trades are taken and counted."""
        count: int = self._info().time_reversals
        return count

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return bool(self._handle == NULL)

    def close(self) -> None:
        """Free the Rust side; every later call raises ``ResourceClosedError``. Closing twice is fine.

        A call that another thread is inside of is finished first, and the memory is freed after it.
        """
        self._handle = NULL

    def __enter__(self) -> Self:
        if self.closed:
            raise ResourceClosedError(_RESOURCE)

        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<RangeBarProcessor {self._symbol or '-'} {self._threshold_dbps} dbps{state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a RangeBarProcessor cannot be pickled; send processor.snapshot() and restore it there")

    def _info(self) -> CData:
        info = ffi.new("RbProcessorInfo *")
        status = lib.rb_processor_info(self._handle, info)

        if status < 0:
            check(status, _RESOURCE)

        return info

    def _pop(self, count: int) -> list[Bar]:
        out, popped = ffi.new("RbBar[]", count), ffi.new("size_t *")
        handle = self._handle

        # The bars are there and belong to this call, so another thread is waited for rather than let them lie.
        while (status := lib.rb_processor_pop_bars(handle, out, count, popped)) == lib.RB_ERR_BUSY:
            sleep(0)

        if status < 0:
            check(status, _RESOURCE)

        raw: bytes = ffi.buffer(out, popped[0] * BAR_SIZE)[:]
        return [self._bar(raw[at : at + BAR_SIZE]) for at in range(0, len(raw), BAR_SIZE)]

    def _pop_closed_by(self, packed: bytes) -> Bar:
        """Take the bar that a trade closed; what a call before left there when Ctrl-C cut it off, nobody asks for."""
        while bars := self._pop(1):
            if bars[0]._raw[_LAST_ID] == packed[:8]:
                return bars[0]

        raise ResourceBusyError(_RESOURCE)

    def _bar(self, raw: bytes, *, is_closed: bool = True) -> Bar:
        return Bar._from_raw(raw, threshold_dbps=self._threshold_dbps, symbol=self._symbol, is_closed=is_closed)

    def _refuse(self, status: int, packed: bytes, index: int | None) -> NoReturn:
        if status > lib.RB_ERR_AGG_TRADE_ID:
            check(status, _RESOURCE)

        refuse_trade(status, packed, index, _last_id(self._info()))


def _last_id(info: CData) -> int | None:
    position: int = info.position
    return None if position == lib.RB_NO_POSITION else position
