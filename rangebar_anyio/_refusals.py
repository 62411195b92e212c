"""What the engine refused, told by the one who still has the input: which field, which value, which row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

from rangebar_anyio._decimals import e8_text, to_e8
from rangebar_anyio._errors import InternalError, InvalidTradeError, OutOfOrderError, SnapshotError
from rangebar_anyio._native import TRADE_SIZE, lib
from rangebar_anyio._trade import Trade

if TYPE_CHECKING:
    from rangebar_anyio._columns import Column

_OVERFLOW = "takes a sum over the bar out of its range"

# Field, problem and remedy of every status about a trade's own values.
_PROBLEMS = {
    lib.RB_ERR_AGG_TRADE_ID: ("agg_trade_id", "is below zero", ""),
    lib.RB_ERR_PRICE: ("price", "is not above zero", ""),
    lib.RB_ERR_QUANTITY: ("quantity", "is below zero", "the side is is_buyer_maker, not the sign"),
    lib.RB_ERR_TIMESTAMP: (
        "timestamp_us",
        "is before 1970 or after the year 9999",
        "give microseconds, not nanoseconds",
    ),
    lib.RB_ERR_TRADE_IDS: ("last_trade_id", "is below first_trade_id, or one of them is below zero", ""),
    lib.RB_ERR_OVERFLOW: ("quantity", _OVERFLOW, ""),
    lib.RB_ERR_PRICE_INEXACT: ("price", "is no number with at most 8 decimals", "round it to 8 decimals first"),
    lib.RB_ERR_QUANTITY_INEXACT: ("quantity", "is no number with at most 8 decimals", "round it to 8 decimals first"),
}


_SNAPSHOT_PROBLEMS = {
    lib.RB_ERR_SNAPSHOT_LENGTH: ("length", "is shorter or longer than it says"),
    lib.RB_ERR_SNAPSHOT_MAGIC: ("magic", "is none: it does not begin like one"),
    lib.RB_ERR_SNAPSHOT_VERSION: ("version", "was written by another version of this library"),
    lib.RB_ERR_SNAPSHOT_CHECKSUM: ("checksum", "is damaged: its checksum does not fit"),
    lib.RB_ERR_SNAPSHOT_CONTENT: ("content", "holds values that no processor has"),
    lib.RB_ERR_SNAPSHOT_UNCLOSED: ("content", "has a forming bar that ends beyond its limits: it would have closed"),
    lib.RB_ERR_SNAPSHOT_UNCOUNTED: ("content", "has a forming bar that leaves out more ids than it counts as missing"),
    lib.RB_ERR_SNAPSHOT_LABEL: ("label", "has a label that is too long"),
}


def refuse_snapshot(status: int) -> NoReturn:
    """Raise what a status says about bytes that should be a snapshot."""
    if status in _SNAPSHOT_PROBLEMS:
        raise SnapshotError(*_SNAPSHOT_PROBLEMS[status])

    raise InternalError("RangeBarProcessor", status)


def refuse_trade(status: int, packed: bytes, index: int | None, last_id: int | None) -> NoReturn:
    """Raise what a status says about a packed trade; ``index`` is its place in the batch ``packed``."""
    at = TRADE_SIZE * (index or 0)
    trade = Trade._from_packed(packed[at : at + TRADE_SIZE])

    if status == lib.RB_ERR_ORDER:
        before = last_id if not index else Trade._from_packed(packed[at - TRADE_SIZE : at]).agg_trade_id
        raise OutOfOrderError(trade.agg_trade_id, -1 if before is None else before, index)

    field, problem, remedy = _problem(status)
    raise InvalidTradeError(field, getattr(trade, field), problem, remedy, index)


def refuse_column_row(status: int, columns: Mapping[str, Column], row: int, last_id: int | None) -> NoReturn:
    """Raise what a status says about a row of columns."""
    if status == lib.RB_ERR_ORDER:
        ids = columns["agg_trade_id"]
        before = last_id if row == 0 else ids[row - 1]
        raise OutOfOrderError(ids[row], -1 if before is None else before, row)

    field, problem, remedy = _problem(status)

    # Without individual ids the aggregate id stands for both.
    column = columns.get(field, columns["agg_trade_id"])
    value = column[row]

    if column.is_float:
        _explain_float(value, field, row)
    elif field in ("price", "quantity"):
        value = e8_text(value)

    raise InvalidTradeError(field, value, problem, remedy, row)


def _problem(status: int) -> tuple[str, str, str]:
    try:
        return _PROBLEMS[status]
    except KeyError:
        raise InternalError("RangeBarProcessor", status) from None


def _explain_float(value: float, field: str, row: int) -> None:
    """Raise the exact reason for which a float is refused, if the conversion is it."""
    if value < 0:
        status = lib.RB_ERR_PRICE if field == "price" else lib.RB_ERR_QUANTITY
        raise InvalidTradeError(field, value, *_PROBLEMS[status][1:], row)

    try:
        to_e8(value, field)
    except InvalidTradeError as error:
        raise InvalidTradeError(error.field, error.value, error.problem, error.remedy, row) from None
