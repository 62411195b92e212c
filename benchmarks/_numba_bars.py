"""The loop that a practised user of numba would write: eight floats a bar, nothing checked."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from _tape import Tape

__all__ = ("numba_side",)


def _bars(price: Any, quantity: Any, time: Any, maker: Any, width: float, out: Any) -> int:
    count = 0
    row = 0
    rows = len(price)

    while row < rows:
        start = high = low = close = price[row]
        upper, lower = start * (1 + width), start * (1 - width)
        opened = time[row]
        volume = turnover = bought = 0.0
        trades = 0
        closed = False

        while row < rows:
            close = price[row]
            size = quantity[row]
            high = max(high, close)
            low = min(low, close)
            volume += size
            turnover += close * size
            bought += 0.0 if maker[row] else size
            trades += 1
            row += 1

            if (close >= upper or close <= lower) and time[row - 1] != opened:
                closed = True
                break

        if closed:
            bar = out[count]
            bar[0], bar[1], bar[2], bar[3] = start, high, low, close
            bar[4], bar[5], bar[6], bar[7] = volume, turnover, bought, trades
            count += 1

    return count


def numba_side(tape: Tape, threshold_dbps: int) -> Callable[[], object] | None:
    """Return the loop over a tape, compiled and run once; ``None`` without numba."""
    if find_spec("numba") is None:
        return None  # the other sides run without it

    import numba

    compiled = numba.njit(_bars)
    columns = tape.floats()
    arguments = [columns[name] for name in ("price", "quantity", "timestamp_us", "is_buyer_maker")]
    width = threshold_dbps / 100_000
    bars = compiled(*arguments, width, np.empty((len(tape.price), 8)))
    # Its memory is given to it for nothing: as much as it needs, and warm.
    out = np.zeros((bars, 8))
    return lambda: compiled(*arguments, width, out)
