"""What a lane of Binance has finished: id, time and unit of the last trade, as the bytes that a store keeps. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .._fields import INTEGER_OFFSETS, TIME_OFFSETS
from .._session._values import TimeUnit

__all__ = ("TradePosition", "packed_after")

_PACKED = struct.Struct("<qq2s")
_NO_TIME = -1
_UNITS: dict[bytes, TimeUnit] = {b"ms": "ms", b"us": "us"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID, _TIME = (slice(at, at + 8) for at in (INTEGER_OFFSETS["last_agg_trade_id"], TIME_OFFSETS["close_time"]))
_PACKED_UNITS: dict[TimeUnit, bytes] = {unit: packed for packed, unit in _UNITS.items()}


def packed_after(raw: bytes, unit: TimeUnit) -> bytes:
    """Return the position after a bar, packed, from the engine's 176 bytes: they hold id and time in the same form."""
    return raw[_ID] + raw[_TIME] + _PACKED_UNITS[unit]


@dataclass(frozen=True, slots=True)
class TradePosition:
    """The last aggregate id that is finished, the lane's time unit, and the trade's time in microseconds if known."""

    agg_trade_id: int
    unit: TimeUnit
    time_us: int | None = None

    def to_bytes(self) -> bytes:
        """Return the 18 bytes that a store keeps."""
        time_us = _NO_TIME if self.time_us is None else self.time_us
        return _PACKED.pack(self.agg_trade_id, time_us, self.unit.encode())

    @classmethod
    def from_bytes(cls, data: bytes) -> TradePosition:
        """Read them back.

        Raises:
            ValueError: they are no position of a source whose trades have ids.
        """
        try:
            agg_trade_id, time_us, unit = _PACKED.unpack(data)
        except struct.error:
            raise ValueError(f"a position has {_PACKED.size} bytes, these are {len(data)}") from None

        known = _UNITS.get(unit)
        if agg_trade_id < -1 or time_us < _NO_TIME or known is None:
            raise ValueError(f"no trade has the id {agg_trade_id} at {time_us} in the unit {unit!r}")

        return cls(agg_trade_id, known, None if time_us == _NO_TIME else time_us)

    def __str__(self) -> str:
        if self.time_us is None:
            return f"trade {self.agg_trade_id}"

        return f"trade {self.agg_trade_id} at {_EPOCH + timedelta(microseconds=self.time_us):%Y-%m-%d %H:%M:%S.%f} UTC"
