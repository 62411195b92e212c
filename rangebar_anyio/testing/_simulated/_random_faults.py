"""Random schedules of faults."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ._faults import ONCE, Fault, FaultKind

__all__ = ("random_faults",)

_RANDOM_KINDS: tuple[FaultKind, ...] = tuple(kind for kind in FaultKind if kind is not FaultKind.IDS_GONE)
_IN_TRADES = frozenset({FaultKind.MUTE, FaultKind.SYMBOL_SILENT, FaultKind.REST_LAG, FaultKind.REST_STALE})


def random_faults(
    seed: int,
    trades: range,
    count: int,
    *,
    kinds: Sequence[FaultKind] = _RANDOM_KINDS,
    symbols: Sequence[str] = (),
    longest_s: float = 0.2,
) -> tuple[Fault, ...]:
    """Make a random schedule, the same for the same seed. No trade is lost for good in it.

    Args:
        seed: of the random numbers.
        trades: places of the merged tape at which faults may begin.
        count: how many faults.
        kinds: what may go wrong; by default everything but `FaultKind.IDS_GONE`.
        symbols: for faults that strike one symbol.
        longest_s: longest duration in seconds of faults that last for a time.
    """
    random = Random(f"faults:{seed}")
    faults = [_random_fault(random, trades, kinds, symbols, longest_s) for _ in range(count)]
    return tuple(sorted(faults, key=lambda fault: fault.at_trade or 0))


def _random_fault(
    random: Random, trades: range, kinds: Sequence[FaultKind], symbols: Sequence[str], longest_s: float
) -> Fault:
    kind = random.choice(kinds)
    place = random.choice(trades)
    lasts_s = random.uniform(longest_s / 10, longest_s)
    value = _random_value(random, kind, longest_s)
    symbol = random.choice(symbols) if symbols and kind is FaultKind.SYMBOL_SILENT else None

    if kind in _IN_TRADES:
        span = max(1, random.randrange(len(trades)))
        return Fault(kind, at_trade=place, lasts_trades=span, symbol=symbol, value=value)

    if kind in ONCE:
        strikes = random.randint(1, 3)
        return Fault(kind, at_trade=place, count=strikes, value=value)

    return Fault(kind, at_trade=place, lasts_s=lasts_s, value=value)


def _random_value(random: Random, kind: FaultKind, longest_s: float) -> int | None:
    match kind:
        case FaultKind.REST_SLOW | FaultKind.REST_TIMEOUT | FaultKind.REST_LAG | FaultKind.REST_STALE:
            return random.randint(1, max(1, int(longest_s * 1000)))
        case FaultKind.REST_ERROR:
            return random.choice((500, 502, 503, 504))
        case FaultKind.GARBAGE_FRAME | FaultKind.REST_MALFORMED:
            return random.randrange(4)
        case FaultKind.LOSE | FaultKind.DUPLICATE | FaultKind.REORDER:
            return random.randint(1, 5)
        case _:
            return None
