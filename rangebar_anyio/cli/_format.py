"""Bars as text: one JSON object a line, and CSV rows, both with exact decimals."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from .._bar import Bar
from .._fields import DECIMALS, FEATURES

__all__ = ("FIELDS", "bar_to_csv", "bar_to_json", "csv_header")

#: What a line holds, in this order.
FIELDS: tuple[str, ...] = (
    "symbol",
    "threshold_dbps",
    "open_time",
    "close_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "turnover",
    "vwap",
    "buy_volume",
    "sell_volume",
    "buy_turnover",
    "sell_turnover",
    "individual_trade_count",
    "agg_record_count",
    "buy_trade_count",
    "sell_trade_count",
    "first_trade_id",
    "last_trade_id",
    "first_agg_trade_id",
    "last_agg_trade_id",
    "missing_trades",
    "open_time_us",
    "close_time_us",
    "duration_us",
    *FEATURES,
    "is_closed",
)


def bar_to_json(bar: Bar) -> str:
    """Return the bar as one JSON object on one line; decimals are exact JSON numbers, times ISO 8601 in UTC."""
    return "{" + ", ".join(f'"{name}": {_text(bar, name, json.dumps)}' for name in FIELDS) + "}"


def bar_to_csv(bar: Bar) -> str:
    """Return the bar as one CSV row in the order of `csv_header()`, without a line end."""
    return ",".join(_text(bar, name, _csv_text) for name in FIELDS)


def _csv_text(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\r\n') else text


def csv_header() -> str:
    """Return the names of the columns, without a line end."""
    return ",".join(FIELDS)


def _text(bar: Bar, name: str, quote: Callable[[str], str]) -> str:
    if name in DECIMALS:
        return plain(bar.exact(name))

    value: object = getattr(bar, name)
    if isinstance(value, datetime):
        return quote(value.isoformat(timespec="microseconds").replace("+00:00", "Z"))

    if isinstance(value, str):
        return quote(value)

    return repr(value).lower() if isinstance(value, bool) else repr(value)


def plain(value: Decimal) -> str:
    """Return a decimal without an exponent and without trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
