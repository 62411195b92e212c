"""The demo's exchange, in a process of its own: `python -m rangebar_anyio.cli._demo_exchange`.

It says on standard output, one JSON value a line, where it can be reached and what it does to its clients. It ends
with its standard input, so that it never outlives the program that started it.
"""

from __future__ import annotations

import json
import os
import sys
import threading

import anyio

from ..testing import Fault, FaultKind, Pace, SimulatedExchange
from ._demo_market import CUT_AT, HISTORY, RATE, demo_tapes

__all__ = ("main",)

_LAG_MS = 1_200
_LAG_TRADES = 4_000
#: Trades between two faults, so that people can follow.
_APART = 5_000
#: The last trades wait until the client has been through everything, however slow the machine is.
_KEPT_BACK = 2_500


def main() -> None:
    """Run until standard input ends."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    anyio.run(_run)


def _end_with_input() -> None:
    while os.read(0, 4096):
        pass

    os._exit(0)


def _say(**values: str) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


async def _run() -> None:
    tapes = demo_tapes()
    total = sum(map(len, tapes)) - HISTORY
    async with SimulatedExchange(tapes, pace=Pace(trades_per_s=RATE), history=HISTORY) as exchange:
        _say(ws_url=exchange.ws_url, rest_url=exchange.rest_url)
        done = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_keep_back, exchange, total - _KEPT_BACK, done)
            await _misbehave(exchange)
            done.set()

        await anyio.sleep_forever()


async def _misbehave(exchange: SimulatedExchange) -> None:
    """One trouble after the other, each once the client has come back from the one before."""
    await _played(exchange, CUT_AT)
    place = exchange.position
    _say(fault=f"cuts every connection, and its REST database falls {_LAG_MS / 1000:g} s behind")
    exchange.inject(
        Fault(FaultKind.REST_LAG, at_trade=place, lasts_trades=_LAG_TRADES, value=_LAG_MS),
        Fault(FaultKind.CUT_ALL, at_trade=place, side="ws"),
    )
    await _next(exchange)

    _say(fault="turns the connection into a zombie: pings, but no trades any more")
    exchange.inject(Fault(FaultKind.MUTE, at_trade=exchange.position))
    await _next(exchange)

    _say(fault="announces its shutdown, and closes the connection in 10 s")
    exchange.inject(Fault(FaultKind.SERVER_SHUTDOWN, at_trade=exchange.position, lasts_s=10.0))
    before = exchange.counters.connections
    await exchange.wait_until(lambda counters: counters.connections > before)
    # The client leaves the old one when the new one delivers; the tape must not be over before.
    await exchange.wait_until(lambda counters: counters.open_connections == 1)


async def _next(exchange: SimulatedExchange) -> None:
    """Wait until a new connection is there, and then for the place of the next trouble."""
    started, before = exchange.counters.trades_played, exchange.counters.connections
    await exchange.wait_until(lambda counters: counters.connections > before)
    sent = exchange.counters.events_sent
    # The new one brings trades.
    await exchange.wait_until(lambda counters: counters.events_sent > sent + 500)
    await _played(exchange, started + _APART)


async def _played(exchange: SimulatedExchange, trades: int) -> None:
    await exchange.wait_until(lambda counters: counters.trades_played >= trades)


async def _keep_back(exchange: SimulatedExchange, trades: int, done: anyio.Event) -> None:
    await _played(exchange, trades)
    if done.is_set():
        return

    exchange.pause()
    while not done.is_set():
        # A trickle: a client learns from trades that a connection is alive.
        if exchange.counters.trades_played < trades + _KEPT_BACK // 2:
            exchange.publish(1)

        with anyio.move_on_after(0.02):
            await done.wait()

    exchange.start()


if __name__ == "__main__":
    main()
