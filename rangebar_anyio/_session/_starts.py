"""What a user may write as ``start=``, checked and turned into where lanes begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import index
from typing import Any

from .._errors import InvalidStartError
from ._values import FromId, FromTime, Live, Start

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PLACES = '"resume", "live", an aware datetime or a trade id'


def starts_of(start: Any, symbols: Sequence[str], wall_us: int) -> dict[str, Start]:
    """Say where lanes begin that are not resumed, by symbol.

    Args:
        start: ``"resume"`` or ``"live"``, an aware ``datetime``, the id of the first trade (for one symbol), or a
            mapping from symbols to any of these; symbols that it lacks begin live.
        symbols: all of the stream's.
        wall_us: the time now, microseconds since 1970-01-01 UTC.

    Raises:
        InvalidStartError: a naive time, a time in the future, a negative id, one id for several symbols, an unknown
            symbol.
        TypeError: anything else.

    Example::

        starts_of({"BTCUSDT": 5_000_000}, ["BTCUSDT", "ETHUSDT"], wall_us)
    """
    if isinstance(start, Mapping):
        unknown = [name for name in start if name not in symbols]

        if unknown:
            raise InvalidStartError(unknown[0], "is not among the symbols", f"name {' or '.join(symbols)}")

        return {name: _start_of(start.get(name, "live"), wall_us) for name in symbols}

    if _is_id(start) and len(symbols) > 1:
        remedy = f"write start={{{symbols[0]!r}: {start}, ...}}"
        raise InvalidStartError(start, "is an id, and an id is for one symbol", remedy)

    return dict.fromkeys(symbols, _start_of(start, wall_us))


def _is_id(start: Any) -> bool:
    """Whether this is a whole number; NumPy's are, and a truth value is none."""
    return hasattr(start, "__index__") and not isinstance(start, bool)


def _start_of(start: Any, wall_us: int) -> Start:
    if isinstance(start, str):
        if start not in ("live", "resume"):
            raise InvalidStartError(start, "is no place to start from", f"write {_PLACES}")

        return Live()

    if isinstance(start, datetime):
        return _time(start, wall_us)

    if isinstance(start, bytes):
        raise TypeError(
            f"start must be {_PLACES}, not {start!r}; the position of a bar is a lane's own: "
            "write start={(symbol, threshold_dbps): position}"
        )

    if not _is_id(start):
        raise TypeError(f"start must be {_PLACES}, not {start!r}")

    if not 0 <= (first_id := index(start)) < 2**61:
        raise InvalidStartError(first_id, "is no trade id", "they are at least 0 and below 2^61")

    return FromId(first_id)


def _time(start: datetime, wall_us: int) -> FromTime:
    if start.tzinfo is None or start.utcoffset() is None:
        raise InvalidStartError(
            start.isoformat(), "does not say in which time zone", "write datetime(..., tzinfo=timezone.utc)"
        )

    time_us = (start - _EPOCH) // _MICROSECOND

    if time_us > wall_us:
        raise InvalidStartError(start.isoformat(), "is in the future", 'write "live" to begin with the next trade')

    if time_us < 0:
        raise InvalidStartError(start.isoformat(), "is before 1970", "no exchange has trades of that time")

    return FromTime(time_us)


__all__ = ("starts_of",)
