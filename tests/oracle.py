"""Range bars by the book: plain Python integers, slow, and written from the rule, not from the engine.

Tests compare the engine with it field by field. It takes anything with the attributes of a ``Trade``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rangebar_anyio import Bar, Trade

E8 = 10**8
E16 = 10**16
UNSCALED = {
    "turnover",
    "buy_turnover",
    "sell_turnover",
    "individual_trade_count",
    "buy_trade_count",
    "sell_trade_count",
    "agg_record_count",
    "duration_us",
}


@dataclass
class OracleBar:
    """The trades of one bar; every field is worked out from them when it is asked for."""

    trades: list[Trade] = field(default_factory=list)
    missing_trades: int = 0

    def limits_e8(self, threshold_dbps: int) -> tuple[int, int]:
        open_e8 = self.trades[0].price_e8
        delta = max(1, open_e8 * threshold_dbps // 100_000)
        return open_e8 - delta, open_e8 + delta

    def total(self, *, of: Iterable[Trade], turnover: bool = False) -> int:
        return sum(trade.quantity_e8 * (trade.price_e8 if turnover else 1) for trade in of)

    @property
    def buys(self) -> list[Trade]:
        return [trade for trade in self.trades if not trade.is_buyer_maker]

    @property
    def sells(self) -> list[Trade]:
        return [trade for trade in self.trades if trade.is_buyer_maker]

    def exact_fields(self) -> dict[str, int]:
        """Every field that is a whole number of its unit."""
        trades, first, last = self.trades, self.trades[0], self.trades[-1]
        prices = [trade.price_e8 for trade in trades]
        volume, turnover = self.total(of=trades), self.total(of=trades, turnover=True)
        return {
            "open_time_us": first.timestamp_us,
            "close_time_us": last.timestamp_us,
            "open": prices[0],
            "high": max(prices),
            "low": min(prices),
            "close": prices[-1],
            "volume": volume,
            "turnover": turnover,
            "vwap": turnover // volume if volume else prices[0],
            "buy_volume": self.total(of=self.buys),
            "sell_volume": self.total(of=self.sells),
            "buy_turnover": self.total(of=self.buys, turnover=True),
            "sell_turnover": self.total(of=self.sells, turnover=True),
            "individual_trade_count": individual(trades),
            "agg_record_count": len(trades),
            "buy_trade_count": individual(self.buys),
            "sell_trade_count": individual(self.sells),
            "first_trade_id": first.first_trade_id,
            "last_trade_id": last.last_trade_id,
            "first_agg_trade_id": first.agg_trade_id,
            "last_agg_trade_id": last.agg_trade_id,
            "missing_trades": self.missing_trades,
            "duration_us": last.timestamp_us - first.timestamp_us,
        }

    def features(self) -> dict[str, float]:
        """The ten features but the duration, in floats: prices and volumes of decimals, turnovers of their units."""
        whole = self.exact_fields()
        exact = {name: value / 1 if name in UNSCALED else value / E8 for name, value in whole.items()}
        buys, sells = exact["buy_trade_count"], exact["sell_trade_count"]
        trades = exact["individual_trade_count"]
        seconds = exact["duration_us"] / 1e6
        ofi = quotient(exact["buy_volume"] - exact["sell_volume"], exact["buy_volume"] + exact["sell_volume"], 0)
        move = exact["close"] - exact["open"]
        return {
            "ofi": ofi,
            "vwap_close_deviation": quotient(exact["close"] - exact["vwap"], exact["high"] - exact["low"], 0),
            "price_impact": quotient(abs(move), exact["volume"], 0),
            "kyle_lambda_proxy": quotient(move / exact["open"], ofi, 0),
            "trade_intensity": trades / seconds if seconds > 0 else trades,
            "volume_per_trade": quotient(exact["volume"], trades, 0),
            "aggression_ratio": min(buys / sells, 100) if sells else (100 if buys else 1),
            "aggregation_density": quotient(trades, exact["agg_record_count"], 1),
            "turnover_imbalance": quotient(exact["buy_turnover"] - exact["sell_turnover"], exact["turnover"], 0),
        }


def individual(trades: Iterable[Trade]) -> int:
    return sum(trade.last_trade_id - trade.first_trade_id + 1 for trade in trades)


def quotient(numerator: float, denominator: float, otherwise: float) -> float:
    return numerator / denominator if denominator else otherwise


class Oracle:
    """Takes trades one by one; closed bars pile up in ``bars``."""

    def __init__(
        self, threshold_dbps: int, *, same_timestamp_close: bool = False, last_agg_trade_id: int | None = None
    ) -> None:
        self.threshold_dbps = threshold_dbps
        self.same_timestamp_close = same_timestamp_close
        self.last_agg_trade_id = last_agg_trade_id
        self.bars: list[OracleBar] = []
        self.forming: OracleBar | None = None
        self.time_reversals = 0
        self.last_timestamp_us = 0

    def push(self, trade: Trade) -> OracleBar | None:
        bar = self.forming = self.forming or OracleBar()

        if self.last_agg_trade_id is not None:
            assert trade.agg_trade_id > self.last_agg_trade_id
            bar.missing_trades += trade.agg_trade_id - self.last_agg_trade_id - 1

        if trade.timestamp_us < self.last_timestamp_us:
            self.time_reversals += 1

        self.last_agg_trade_id, self.last_timestamp_us = trade.agg_trade_id, trade.timestamp_us
        bar.trades.append(trade)

        if not self._closes(bar):
            return None

        self.bars.append(bar)
        self.forming = None
        return bar

    def _closes(self, bar: OracleBar) -> bool:
        first, last = bar.trades[0], bar.trades[-1]
        lower, upper = bar.limits_e8(self.threshold_dbps)

        if len(bar.trades) == 1 or lower < last.price_e8 < upper:
            return False

        return self.same_timestamp_close or last.timestamp_us != first.timestamp_us


def assert_equal(bar: Bar | None, expected: OracleBar | None) -> None:
    """Compare every field of a bar: whole numbers exactly, features to the last bits of a float."""
    if bar is None or expected is None:
        assert bar is None
        assert expected is None
        return

    exact = expected.exact_fields()
    assert {name: units_of(bar, name) for name in exact} == exact

    for name, value in expected.features().items():
        assert abs(bar[name] - value) <= 4e-16 * abs(value), name


def units_of(bar: Bar, name: str) -> int:
    """Give a field as a whole number of its unit, by the public interface only."""
    unit = E16 if name.endswith("turnover") else E8
    value = bar.exact(name)

    if type(bar[name]) is int:
        unit = 1

    numerator, denominator = value.as_integer_ratio()
    units, rest = divmod(numerator * unit, denominator)
    assert rest == 0
    return units
