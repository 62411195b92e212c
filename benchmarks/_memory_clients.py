"""The programs whose memory is measured, each a process of its own: `_memory_clients.py KIND BACKEND ... PORT`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
from _byte_server import symbol_name
from _clients import binance
from _frames import FIRST_ID
from _processes import pin

from rangebar_anyio import open_stream

Result = dict[str, Any]

_LAST_BAR = 12_500


def resident_mb() -> float:
    """Resident memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def symbols(count: str, thresholds: str, trades: str, port: str) -> Result:
    """Follow many symbols until everything has been received; what has the process grown by?"""
    names = [symbol_name(number) for number in range(int(count))]
    widths = [50, 100, 250, 500][: int(thresholds)]
    # The HTTP client and what it imports are there in every program.
    warm = binance(port).transport()
    before = resident_mb()
    async with open_stream(names, threshold_dbps=widths, source=binance(port)) as bars:
        while bars.stats.live_trades < int(trades):
            with anyio.move_on_after(0.1):
                while True:
                    await bars.receive()

        grown = resident_mb() - before
        stats = bars.stats

    await warm.aclose()
    return {"grown": grown, "total": before + grown, "engine": stats.heap_bytes / 1e6, "trades": stats.live_trades}


async def endless(trades: str, port: str) -> Result:
    """Receive a long run of trades; the memory at its first million, along the way and at its end."""
    points: dict[int, float] = {}
    most = 0.0
    async with open_stream("BTCUSDT", threshold_dbps=250, source=binance(port)) as bars:
        async for bar in bars:
            done = bar.last_agg_trade_id - FIRST_ID
            most = max(most, resident_mb())
            millions = done // 1_000_000
            if millions and (millions == 1 or millions % 10 == 0):
                points.setdefault(millions, resident_mb())

            if done >= int(trades) - _LAST_BAR:
                break

        points[int(trades) // 1_000_000] = resident_mb()

    return {"points": points, "most": most}


CLIENTS: dict[str, Callable[..., Awaitable[Result]]] = {"symbols": symbols, "endless": endless}


def main(kind: str, backend: str, *arguments: str) -> None:
    """Run one client on one event loop."""
    pin(1)
    print(json.dumps(anyio.run(CLIENTS[kind], *arguments, backend=backend)))


if __name__ == "__main__":
    main(*sys.argv[1:])
