"""What several engine tests need: a tape as columns, and a processor's whole answer to a tape."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from rangebar_anyio import Bar, RangeBarProcessor, Trade

Answer = tuple[list[Bar], Bar | None]


def columns(tape: Sequence[Trade]) -> dict[str, Any]:
    """The exact columns of a tape as plain arrays: no NumPy."""
    return {
        "agg_trade_id": array("q", [trade.agg_trade_id for trade in tape]),
        "timestamp_us": array("q", [trade.timestamp_us for trade in tape]),
        "price": array("q", [trade.price_e8 for trade in tape]),
        "quantity": array("q", [trade.quantity_e8 for trade in tape]),
        "is_buyer_maker": array("B", [trade.is_buyer_maker for trade in tape]),
        "first_trade_id": array("q", [trade.first_trade_id for trade in tape]),
        "last_trade_id": array("q", [trade.last_trade_id for trade in tape]),
    }


def push_each(processor: RangeBarProcessor, tape: Iterable[Trade]) -> list[Bar]:
    """Push one by one."""
    return [bar for trade in tape if (bar := processor.push(trade)) is not None]


def bars_of(tape: Sequence[Trade], threshold_dbps: int, *, same_timestamp_close: bool = False) -> Answer:
    """The bars of a tape by the simplest way there is, and what is forming at its end."""
    with RangeBarProcessor(threshold_dbps, same_timestamp_close=same_timestamp_close) as processor:
        return push_each(processor, tape), processor.forming


def trade(number: int, price: str | float = "100", quantity: str = "1", *, us: int | None = None) -> Trade:
    """A trade of little interest, one microsecond after the other."""
    return Trade(number, price, quantity, number if us is None else us, False)
