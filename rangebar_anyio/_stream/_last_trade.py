"""The last trade of a symbol, for programs that show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from .._decimals import scaled_decimal
from .._feed_values import SymbolInfo
from .._trade import EPOCH

__all__ = ("LastTrade", "last_trade_of")


@dataclass(frozen=True, slots=True)
class LastTrade:
    """The newest trade that went into a symbol's bars: its aggregate id, its exact price, its time in microseconds."""

    agg_trade_id: int
    price: Decimal
    time_us: int

    @property
    def time(self) -> datetime:
        """Its time, aware, in UTC."""
        return EPOCH + timedelta(microseconds=self.time_us)


def last_trade_of(info: SymbolInfo) -> LastTrade | None:
    """Give the last trade of what the feed says about a symbol."""
    if info.last_id is None:
        return None

    return LastTrade(info.last_id, scaled_decimal(info.last_price_e8, 8), info.last_time_us)
