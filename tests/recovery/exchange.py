"""The simulated exchange in a process of its own: `python -m tests.recovery.exchange MARKET`.

It outlives every kill of the recorder and keeps the tape's history for REST. It says its addresses, then what it
counted once the whole tape is public, and ends with its standard input.
"""

from __future__ import annotations

import json
import os
import sys
import threading

import anyio

from rangebar_anyio.testing import Fault, FaultKind, Limits, Pace, SimulatedExchange, random_faults

from .house import Market

# A unit that is wrong is an error of the stream by rule, and a test of its own.
KINDS = [kind for kind in FaultKind if kind not in (FaultKind.IDS_GONE, FaultKind.WRONG_UNIT)]


def main() -> None:
    """Run until standard input ends."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    anyio.run(_run, Market.from_text(sys.argv[1]))


def _end_with_input() -> None:
    while os.read(0, 4096):
        pass

    os._exit(0)


def _say(**values: object) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def _faults(market: Market, symbols: list[str]) -> tuple[Fault, ...]:
    live = range(market.history, market.total - market.total // 10)
    return random_faults(market.seed, live, market.faults, kinds=KINDS, symbols=symbols, longest_s=0.2)


async def _run(market: Market) -> None:
    tapes = market.tapes()
    async with SimulatedExchange(
        tapes,
        pace=Pace(trades_per_s=market.rate),
        history=market.history,
        faults=_faults(market, [tape.symbol for tape in tapes]),
        limits=Limits.none(),
    ) as exchange:
        _say(ws_url=exchange.ws_url, rest_url=exchange.rest_url)
        await exchange.wait_finished()
        _say(finished=exchange.counters.connections, faults=dict(exchange.counters.faults))
        await anyio.sleep_forever()


if __name__ == "__main__":
    main()
