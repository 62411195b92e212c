"""A range bar: 176 bytes from the engine, decoded field by field when somebody looks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from struct import Struct
from typing import Any, Generic, NoReturn, Self, TypeVar, overload

from rangebar_anyio._decimals import scaled_decimal, scaled_text
from rangebar_anyio._fields import (
    BAR_FIELDS,
    DECIMALS,
    FEATURES,
    INTEGER_OFFSETS,
    PRICE_OFFSETS,
    SUM_OFFSETS,
)
from rangebar_anyio._native import BAR_SIZE, check, ffi, lib
from rangebar_anyio._trade import EPOCH

_int64_at = Struct("<q").unpack_from
_NAMES = frozenset(BAR_FIELDS)
_UNITS: dict[str, int] = {name: 10**decimals for name, decimals in DECIMALS.items()}
_new = object.__new__

T = TypeVar("T")


class _Field(Generic[T]):
    """A read-only attribute of a bar that is decoded when it is read."""

    def __init__(self, doc: str) -> None:
        self.__doc__ = doc
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, bar: None, owner: type) -> Self: ...
    @overload
    def __get__(self, bar: Bar, owner: type) -> T: ...
    def __get__(self, bar: Bar | None, owner: type) -> Self | T:
        return self if bar is None else self.read(bar)

    @abstractmethod
    def read(self, bar: Bar) -> T:
        """Decode the field."""


class _Integer(_Field[int]):
    def read(self, bar: Bar) -> int:
        return bar._integer(self.name)


class _Number(_Field[float]):
    def read(self, bar: Bar) -> float:
        # Python's division of integers rounds once, so this is the nearest float.
        return bar._units(self.name) / _UNITS[self.name]


class _Feature(_Field[float]):
    def read(self, bar: Bar) -> float:
        return bar._feature(self.name)


class _Time(_Field[datetime]):
    def read(self, bar: Bar) -> datetime:
        return EPOCH + timedelta(microseconds=bar._integer(self.name + "_us"))


class Bar(Mapping[str, Any]):
    """One range bar: immutable and exact.

    Every field is an attribute and a key (``bar.close``, ``bar["close"]``, ``dict(bar)``). Prices, volumes and turnover
    are the nearest floats; :meth:`exact` has every digit. Bars come from a processor, a stream or a table.

    Two bars are equal when every exact field, symbol, threshold and ``is_closed`` are: where a bar came from
    (``venue``, ``position``) does not count, so a bar of a stream equals the bar that the same trades give offline.

    Attributes:
        venue: where the trades come from; empty for bars of a processor.
        symbol: the name that the processor or the stream was given.
        threshold_dbps: the width that it was made with, in decimal basis points.
        is_closed: False only for a bar that is still forming.

    Example::

        for bar in bars:
            print(bar.symbol, bar.close_time, bar.close, bar.exact("volume"))
    """

    __slots__ = ("_cached_features", "_position", "_raw", "is_closed", "symbol", "threshold_dbps", "venue")

    _raw: bytes
    _position: bytes | None
    _cached_features: tuple[float, ...] | None
    venue: str
    symbol: str
    threshold_dbps: int
    is_closed: bool

    open_time = _Time("Time of the first trade, as an aware datetime in UTC.")
    close_time = _Time("Time of the last trade, as an aware datetime in UTC.")
    open_time_us = _Integer("Time of the first trade, in microseconds since 1970-01-01 UTC.")
    close_time_us = _Integer("Time of the last trade, in microseconds since 1970-01-01 UTC.")
    open = _Number("First price.")
    high = _Number("Highest price.")
    low = _Number("Lowest price.")
    close = _Number("Last price.")
    volume = _Number("Quantity of all trades.")
    turnover = _Number("Price times quantity of all trades.")
    vwap = _Number("Volume-weighted average price, cut to 8 decimals; the open while the volume is 0.")
    buy_volume = _Number("Quantity of the trades whose aggressor bought.")
    sell_volume = _Number("Quantity of the trades whose aggressor sold.")
    buy_turnover = _Number("Turnover of the trades whose aggressor bought.")
    sell_turnover = _Number("Turnover of the trades whose aggressor sold.")
    individual_trade_count = _Integer("Individual trades.")
    agg_record_count = _Integer("Aggregate trades.")
    buy_trade_count = _Integer("Individual trades whose aggressor bought.")
    sell_trade_count = _Integer("Individual trades whose aggressor sold.")
    first_trade_id = _Integer("Individual id of the first trade.")
    last_trade_id = _Integer("Individual id of the last trade.")
    first_agg_trade_id = _Integer("Aggregate id of the first trade.")
    last_agg_trade_id = _Integer("Aggregate id of the last trade.")
    missing_trades = _Integer("Aggregate ids that never came, from the end of the bar before to the end of this one.")
    duration_us = _Integer("Close time less open time, in microseconds; below zero when time stamps went back.")
    ofi = _Feature("Order flow imbalance: (buy - sell) / (buy + sell) of the volumes; 0 without volume.")
    vwap_close_deviation = _Feature("(close - vwap) / (high - low); 0 for a flat bar.")
    price_impact = _Feature("abs(close - open) / volume; 0 without volume.")
    kyle_lambda_proxy = _Feature("((close - open) / open) / ofi; 0 where ofi is 0.")
    trade_intensity = _Feature("Individual trades a second; their number where no time passed.")
    volume_per_trade = _Feature("Volume / individual trades.")
    aggression_ratio = _Feature("Buys / sells by individual trades, at most 100; 100 without sells.")
    aggregation_density = _Feature("Individual trades / aggregate trades.")
    turnover_imbalance = _Feature("(buy - sell) / total of the turnovers; 0 without turnover.")

    def __init__(self) -> None:
        raise TypeError("a Bar comes from a processor, a stream, a table or a store; it is never made by hand")

    @classmethod
    def _from_raw(
        cls,
        raw: bytes,
        *,
        threshold_dbps: int,
        symbol: str = "",
        venue: str = "",
        is_closed: bool = True,
        position: bytes | None = None,
    ) -> Bar:
        """Make a bar from the engine's 176 bytes; without a position it is the text of the last aggregate id."""
        if len(raw) != BAR_SIZE:
            raise ValueError(f"a bar has {BAR_SIZE} bytes, not {len(raw)}")

        bar = _new(cls)
        _set_raw(bar, raw)
        _set_symbol(bar, symbol)
        _set_threshold(bar, threshold_dbps)
        _set_venue(bar, venue)
        _set_is_closed(bar, is_closed)
        _set_position(bar, position)
        _set_features(bar, None)
        return bar

    @property
    def position(self) -> bytes:
        """What a lane has finished when this bar is finished: opaque bytes to keep, and to start from.

        Empty for a bar that is still forming, since nothing can start inside a bar.
        """
        if self._position is not None:
            return self._position

        return b"%d" % self.last_agg_trade_id if self.is_closed else b""

    def exact(self, name: str) -> Decimal:
        """Give a field as a Decimal with every digit; counts, ids and microseconds too.

        Raises ``KeyError`` for what has no exact decimal value: the features that are quotients, and unknown names.

        Example::

            bar.exact("turnover")  # Decimal('131844.1162')
        """
        if name in DECIMALS:
            return scaled_decimal(self._units(name), DECIMALS[name])

        value = getattr(self, name) if name in _NAMES else None

        if type(value) is int:
            return Decimal(value)

        raise KeyError(f"{name!r} has no exact decimal; those that have one: {', '.join(DECIMALS)}, counts and ids")

    def _integer(self, name: str) -> int:
        raw = self._raw

        if name == "open_time_us":
            return _int64(raw, 0)

        if name == "close_time_us":
            return _int64(raw, 8)

        if name == "duration_us":
            return _int64(raw, 8) - _int64(raw, 0)

        if name == "sell_trade_count":
            return _int64(raw, 112) - _int64(raw, 120)

        return _int64(raw, INTEGER_OFFSETS[name])

    def _units(self, name: str) -> int:
        """Give a decimal number in its unit, 10^-8 or 10^-16."""
        if name in PRICE_OFFSETS:
            return _int64(self._raw, PRICE_OFFSETS[name])

        if name in SUM_OFFSETS:
            offset = SUM_OFFSETS[name][0]
            return int.from_bytes(self._raw[offset : offset + 16], "little", signed=True)

        if name == "vwap":
            volume = self._units("volume")
            return self._units("turnover") // volume if volume > 0 else self._units("open")

        total = name.removeprefix("sell_")
        return self._units(total) - self._units(f"buy_{total}")

    def _feature(self, name: str) -> float:
        features = self._cached_features

        if features is None:
            out = ffi.new("RbFeatures *")
            status = lib.rb_bars_features(ffi.from_buffer("RbBar[]", self._raw), 1, out)

            if status < 0:
                check(status, "Bar")

            features = tuple(getattr(out, feature) for feature in FEATURES)
            _set_features(self, features)

        return features[FEATURES.index(name)]

    def __getitem__(self, name: str) -> Any:
        if name in _NAMES:
            return getattr(self, name)

        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(BAR_FIELDS)

    def __len__(self) -> int:
        return len(BAR_FIELDS)

    def _identity(self) -> tuple[object, ...]:
        return self._raw, self.symbol, self.threshold_dbps, self.is_closed

    def __eq__(self, other: object) -> bool:
        return self._identity() == other._identity() if isinstance(other, Bar) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        prices = " ".join(f"{name}={scaled_text(self._units(name), DECIMALS[name])}" for name in _SHOWN)
        times = f"{self.open_time:%Y-%m-%dT%H:%M:%S.%f} to {self.close_time:%Y-%m-%dT%H:%M:%S.%f}"
        state = "" if self.is_closed else " forming"
        ids = f"ids {self.first_agg_trade_id} to {self.last_agg_trade_id}"
        return f"<Bar {self.symbol or '-'} {self.threshold_dbps} dbps{state} {times} {prices} {ids}>"

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (self._raw, self.threshold_dbps, self.symbol, self.venue, self.is_closed, self._position)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Bar cannot be changed, so {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Bar cannot be changed, so {name} cannot be deleted")


_SHOWN = ("open", "high", "low", "close", "volume")

# The slots' own setters, since __setattr__ refuses.
_set_raw = Bar.__dict__["_raw"].__set__
_set_symbol = Bar.__dict__["symbol"].__set__
_set_threshold = Bar.__dict__["threshold_dbps"].__set__
_set_venue = Bar.__dict__["venue"].__set__
_set_is_closed = Bar.__dict__["is_closed"].__set__
_set_position = Bar.__dict__["_position"].__set__
_set_features = Bar.__dict__["_cached_features"].__set__


def _int64(raw: bytes, offset: int) -> int:
    value: int = _int64_at(raw, offset)[0]
    return value


def _restore(raw: bytes, threshold_dbps: int, symbol: str, venue: str, is_closed: bool, position: bytes | None) -> Bar:
    return Bar._from_raw(
        raw, threshold_dbps=threshold_dbps, symbol=symbol, venue=venue, is_closed=is_closed, position=position
    )
