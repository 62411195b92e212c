"""Timing by interleaved rounds: each side runs once a round, and the best round of each side counts.

A shared machine has slow phases of seconds to minutes. Sides that take turns meet the same phases, and the best of
many rounds is what the code can do when nobody else is in its way.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ("interleaved",)


def interleaved(sides: Mapping[str, Callable[[], Any]], *, rounds: int, seconds: float = 120.0) -> dict[str, float]:
    """Return the best time of each side in seconds.

    `rounds` rounds are run, or as many as fit into `seconds`, but at least two; the garbage collector rests meanwhile.
    """
    best = dict.fromkeys(sides, float("inf"))
    collecting = gc.isenabled()
    gc.disable()
    started = time.perf_counter()

    try:
        for done in range(rounds):
            if done >= 2 and time.perf_counter() - started > seconds:
                break

            for name, side in sides.items():
                begun = time.perf_counter()
                side()
                best[name] = min(best[name], time.perf_counter() - begun)
    finally:
        if collecting:
            gc.enable()

    return best
