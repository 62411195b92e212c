"""What a processor is called with, looked at before it goes to the library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

from rangebar_anyio._errors import InvalidSymbolError, InvalidThresholdError
from rangebar_anyio._trade import Trade

MAX_LABEL = 255
"""Bytes of a symbol that fit into a snapshot."""


def threshold_of(value: object) -> int:
    """Check a threshold and give it as an int."""
    number = _whole(value)

    if number is None or not 1 <= number <= 100_000:
        raise InvalidThresholdError(value)

    return number


def position_of(value: object) -> int:
    """Check the id that a processor goes on after."""
    number = _whole(value)

    if number is None or not -1 <= number < 2**63:
        raise ValueError(f"last_agg_trade_id {value!r} is no trade id; -1 goes on before the first id, 0")

    return number


def _whole(value: object) -> int | None:
    """Give an integer of any library as an int; a bool is none."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        return None

    try:
        return value.__index__()
    except TypeError:
        return None


def check_label(symbol: object) -> None:
    """Check that a symbol fits into a snapshot."""
    if not isinstance(symbol, str):
        raise InvalidSymbolError(symbol, f"is a {type(symbol).__name__}", "give a str")

    try:
        size = len(symbol.encode())
    except UnicodeEncodeError:
        raise InvalidSymbolError(symbol, "is no UTF-8 text") from None

    if size > MAX_LABEL:
        raise InvalidSymbolError(symbol, f"has {size} bytes as UTF-8", f"at most {MAX_LABEL} fit into a snapshot")


def first_other(batch: Sequence[object]) -> object:
    """Find what is no trade."""
    return next((trade for trade in batch if not isinstance(trade, Trade)), None)


def no_trade(value: object, method: str) -> TypeError:
    """Make the error for what is no trade."""
    several = "push_many" if method == "push" else "push"
    return TypeError(
        f"{method}() takes {'a Trade' if method == 'push' else 'an iterable of Trades'}, and got a "
        f"{type(value).__name__}; make one by Trade(agg_trade_id, price, quantity, timestamp_us, is_buyer_maker), "
        f"or use {several}() for {'several' if method == 'push' else 'one'}"
    )
