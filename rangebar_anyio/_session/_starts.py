"""What a user may write as ``start=``, checked and turned into where lanes begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ._values import FromId, FromTime, Live, Start

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def starts_of(start: Any, symbols: Sequence[str], wall_us: int) -> dict[str, Start]:
    """Say where lanes begin that are not resumed, by symbol.

    Args:
        start: ``"resume"`` or ``"live"``, an aware ``datetime``, the id of the first trade (for one symbol), or a
            mapping from symbols to any of these; symbols that it lacks begin live.
        symbols: all of the stream's.
        wall_us: the time now, microseconds since 1970-01-01 UTC.

    Raises:
        ValueError: a naive time, a time in the future, a negative id, one id for several symbols, or an unknown symbol.
        TypeError: anything else.

    Example::

        starts_of({"BTCUSDT": 5_000_000}, ["BTCUSDT", "ETHUSDT"], wall_us)
    """
    if isinstance(start, Mapping):
        unknown = [name for name in start if name not in symbols]

        if unknown:
            raise ValueError(f"start names {unknown[0]!r}, which is not among the symbols")

        return {name: _start_of(start.get(name, "live"), wall_us) for name in symbols}

    if type(start) is int and len(symbols) > 1:
        raise ValueError(f"an id is for one symbol: write start={{{symbols[0]!r}: {start}, ...}}")

    return dict.fromkeys(symbols, _start_of(start, wall_us))


def _start_of(start: Any, wall_us: int) -> Start:
    if isinstance(start, str):
        if start not in ("live", "resume"):
            raise ValueError(f'start must be "resume", "live", an aware datetime or a trade id, not {start!r}')

        return Live()

    if isinstance(start, datetime):
        return _time(start, wall_us)

    if type(start) is not int:
        raise TypeError(f'start must be "resume", "live", an aware datetime or a trade id, not {start!r}')

    if not 0 <= start < 2**61:
        raise ValueError(f"a trade id is at least 0 and below 2^61, not {start}")

    return FromId(start)


def _time(start: datetime, wall_us: int) -> FromTime:
    if start.tzinfo is None or start.utcoffset() is None:
        raise ValueError(f"start={start!r} does not say in which time zone: write datetime(..., tzinfo=timezone.utc)")

    time_us = (start - _EPOCH) // _MICROSECOND

    if time_us > wall_us:
        raise ValueError(f"start={start.isoformat()} is in the future")

    if time_us < 0:
        raise ValueError(f"start={start.isoformat()} is before 1970")

    return FromTime(time_us)


__all__ = ("starts_of",)
