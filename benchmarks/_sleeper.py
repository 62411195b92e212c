"""A consumer that sleeps while the market goes on, beside a simulated exchange in a process of its own.

`_sleeper.py play SECONDS` is the exchange, with a tape of 5,000 trades a second;
`_sleeper.py sleep BACKEND SECONDS WS_URL REST_URL BARS` the consumer.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from math import inf
from typing import Any

import anyio
import numpy
from _memory_clients import resident_mb
from _unlimited import Unlimited

from rangebar_anyio import BinanceSpot, RangeBarProcessor, SessionConfig, open_stream
from rangebar_anyio.testing import Limits, Pace, Tape, generate_tape, run_simulated_exchange

__all__ = ("FIRST_ID", "RATE", "digest_offline")

RATE = 5_000
FIRST_ID = 1_000_000
HISTORY = 1_000
THRESHOLD = 100
#: A client that reads nothing is cut off after so many messages, as the real exchange does.
LIMITS = replace(Limits.none(), backlog=10_000, ping_interval_s=20.0, messages_per_s=inf)


def tape_of(seconds: int) -> Tape:
    """The tape: what the consumer sleeps through, and ten seconds around it."""
    return generate_tape((seconds + 10) * RATE, trades_per_s=RATE, step_volatility=0.0002, halt_s=0, flash_crash=False)


def digest_offline(tape: Tape) -> tuple[int, str]:
    """The number of bars of the whole tape, and a number for all of them together."""
    names = ("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "timestamp_us", "is_buyer_maker")
    columns = {name: numpy.array(column) for name, column in zip(names, zip(*tape, strict=True), strict=True)}
    with RangeBarProcessor(THRESHOLD, symbol="BTCUSDT") as processor:
        bars = list(processor.push_columns(**columns))

    return len(bars), _digest([_line(bar) for bar in bars])


def _line(bar: Any) -> str:
    return f"{bar.first_agg_trade_id} {bar.last_agg_trade_id} {bar.exact('close')} {bar.exact('volume')}"


def _digest(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def play(seconds: int) -> None:
    """Play the tape, and say what must come."""
    tape = tape_of(seconds)
    count, digest = digest_offline(tape)
    run_simulated_exchange(
        tape,
        announce=lambda ws_url, rest_url: print(json.dumps([ws_url, rest_url, count, digest]), flush=True),
        pace=Pace(trades_per_s=RATE),
        history=HISTORY,
        limits=LIMITS,
    )


async def sleep(seconds: int, ws_url: str, rest_url: str, count: int) -> dict[str, Any]:
    """Take bars for five seconds, sleep, and take the rest."""
    source = Unlimited(BinanceSpot(ws_url=ws_url, rest_url=rest_url))
    lines: list[str] = []
    asleep: list[float] = []
    config = SessionConfig(evidence_apart_s=1.0)
    async with open_stream(
        "BTCUSDT", threshold_dbps=THRESHOLD, source=source, start=FIRST_ID, config=config, bar_buffer=100
    ) as bars:
        with anyio.move_on_after(5):
            while True:
                lines.append(_line(await bars.receive()))

        awake, connects = resident_mb(), bars.stats.connects
        for _ in range(seconds):
            await anyio.sleep(1)
            asleep.append(resident_mb())

        while len(lines) < count:
            lines.append(_line(await bars.receive()))

        stats = bars.stats

    return {
        "awake": awake,
        "first": asleep[min(9, len(asleep) - 1)],
        "last": asleep[-1],
        "most": max(asleep),
        "end": resident_mb(),
        "reconnects": stats.connects - connects,
        "fetched": stats.fetched_trades,
        "digest": _digest(lines),
    }


if __name__ == "__main__":
    if sys.argv[1] == "play":
        play(int(sys.argv[2]))
    else:
        _, _, loop, asleep_s, url, rest, bars_wanted = sys.argv
        print(json.dumps(anyio.run(sleep, int(asleep_s), url, rest, int(bars_wanted), backend=loop)))
