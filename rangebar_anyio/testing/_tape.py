"""A tape: the aggregate trades of one symbol, by id, in a compact table of integers."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rangebar_anyio._bar import Bar
from rangebar_anyio._decimals import scaled_decimal
from rangebar_anyio._processor import RangeBarProcessor
from rangebar_anyio._trade import Trade

__all__ = ("AggTrade", "Tape")


class AggTrade(NamedTuple):
    """One aggregate trade in integers: prices and quantities times 10^8, time in microseconds."""

    agg_trade_id: int
    price_e8: int
    quantity_e8: int
    first_trade_id: int
    last_trade_id: int
    timestamp_us: int
    is_buyer_maker: bool

    def to_trade(self) -> Trade:
        """Give it as a trade that a processor takes, exactly."""
        return Trade(
            self.agg_trade_id,
            scaled_decimal(self.price_e8, 8),
            scaled_decimal(self.quantity_e8, 8),
            self.timestamp_us,
            self.is_buyer_maker,
            self.first_trade_id,
            self.last_trade_id,
        )


class Tape:
    """The trades of one symbol in ascending id order, 49 bytes a trade.

    Ids ascend strictly (holes are allowed) and times never go back, so that positions, ids and times can
    be found by bisection. Trades are only ever added at the end.

    Args:
        symbol: upper-case name, for example ``"BTCUSDT"``.
        rows: trades to start with.

    Raises:
        ValueError: a trade whose id does not ascend or whose time goes back.

    Example::

        tape = Tape("BTCUSDT", [AggTrade(7, 100 * 10**8, 10**8, 7, 7, 1_700_000_000_000_000, False)])
    """

    __slots__ = ("_columns", "symbol", "timestamps_us", "trade_ids")

    def __init__(self, symbol: str, rows: Iterable[AggTrade] = ()) -> None:
        self.symbol = symbol
        self._columns = (*(array("q") for _ in range(6)), array("b"))
        self.trade_ids = self._columns[0]
        self.timestamps_us = self._columns[5]

        for row in rows:
            self.append(row)

    def append(self, row: AggTrade) -> None:
        """Add a trade at the end."""
        if self.trade_ids:
            if row[0] <= self.trade_ids[-1]:
                raise ValueError(f"{self.symbol}: id {row[0]} does not ascend after {self.trade_ids[-1]}")

            if row[5] < self.timestamps_us[-1]:
                raise ValueError(f"{self.symbol}: the time of id {row[0]} lies before that of the trade before it")

        self.append_unchecked(row)

    def append_unchecked(self, row: AggTrade) -> None:
        """Add a trade whose order the caller vouches for; several times faster than `append`."""
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)

    def __len__(self) -> int:
        return len(self.trade_ids)

    def __getitem__(self, index: int) -> AggTrade:
        ids, prices, quantities, firsts, lasts, times, makers = self._columns
        return AggTrade(
            ids[index],
            prices[index],
            quantities[index],
            firsts[index],
            lasts[index],
            times[index],
            bool(makers[index]),
        )

    def __iter__(self) -> Iterator[AggTrade]:
        ids, prices, quantities, firsts, lasts, times, makers = self._columns
        return map(AggTrade, ids, prices, quantities, firsts, lasts, times, map(bool, makers))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tape):
            return NotImplemented

        return self.symbol == other.symbol and self._columns == other._columns

    __hash__ = None  # type: ignore[assignment]  # a tape can grow

    def __repr__(self) -> str:
        return f"<Tape {self.symbol}: {len(self)} trades>"

    def bars(self, threshold_dbps: int, *, from_id: int = 0) -> list[Bar]:
        """Compute the bars of the trades from an id on, offline: what a stream of this tape must give.

        Args:
            threshold_dbps: width of the bars in decimal basis points.
            from_id: the first trade taken.

        Raises:
            InvalidThresholdError: there is no such width.

        Example::

            wanted = generate_tape(10_000).bars(250)
        """
        with RangeBarProcessor(threshold_dbps, symbol=self.symbol) as processor:
            return processor.push_many([row.to_trade() for row in self if row.agg_trade_id >= from_id])

    def index_of_id(self, agg_trade_id: int) -> int:
        """Position of the first trade whose id is not below ``agg_trade_id``; ``len(tape)`` if there is none."""
        return bisect_left(self.trade_ids, agg_trade_id)

    def index_of_time(self, timestamp_us: int) -> int:
        """Position of the first trade whose time is not before ``timestamp_us``; ``len(tape)`` if there is none."""
        return bisect_left(self.timestamps_us, timestamp_us)
