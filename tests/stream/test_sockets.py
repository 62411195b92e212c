"""The stream over real sockets, against the simulated exchange."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import anyio
import httpx
import pytest

from rangebar_anyio import (
    Bar,
    BinanceCoinFutures,
    BinanceSpot,
    BinanceUsdFutures,
    InvalidSymbolError,
    MemoryStore,
    ProtocolError,
    open_stream,
)
from rangebar_anyio._events import Disconnected, Rotated
from rangebar_anyio.testing import Fault, FaultKind, Limits, SimulatedExchange
from tests.stream.cancelling import living_tasks, run_cancelled
from tests.stream.chaos import HASTY, Schedule, run_schedule
from tests.stream.fake_source import bars_of, make_tape
from tests.stream.reading import read_until, take

pytestmark = pytest.mark.anyio

TAPE = make_tape(200)
WANTED = bars_of(TAPE, 250)
PINGS = Limits(ping_interval_s=0.05, messages_per_s=inf)


def spot(exchange: SimulatedExchange, **options: Any) -> BinanceSpot:
    return BinanceSpot(ws_url=exchange.ws_url, rest_url=exchange.rest_url, **options)


@pytest.mark.parametrize("seed", [3, 8])
async def test_random_faults(seed: int) -> None:
    """A short part of what ``python -m tests.stream.chaos`` does."""
    await run_schedule(Schedule(seed, trades=150))


@pytest.mark.parametrize(
    ("venue", "source"), [("spot", BinanceSpot), ("usd-m", BinanceUsdFutures), ("coin-m", BinanceCoinFutures)]
)
async def test_every_market(venue: Any, source: Any) -> None:
    """From history into the live stream; futures give milliseconds."""
    async with SimulatedExchange(TAPE, venue=venue, history=100) as exchange:
        addresses = source(ws_url=exchange.ws_url, rest_url=exchange.rest_url)
        async with open_stream("BTCUSDT", source=addresses, start=1000) as bars:
            got = await take(bars, 10)

        assert exchange.counters.limit_violations == 0

    assert [bar.venue for bar in got] == [addresses.rules().venue] * 10
    if venue == "spot":
        assert got == WANTED[:10]
    else:
        assert {bar.open_time_us % 1000 for bar in got} == {0}
        assert got[0].first_agg_trade_id == 1000


async def test_leaving_ends_every_connection() -> None:
    """Sockets and requests, also in the middle of a fetch."""
    for history, bars_taken in ((0, 2), (200, 1), (200, 0)):
        tasks = living_tasks()
        async with SimulatedExchange(TAPE, history=history) as exchange:
            inside = living_tasks()
            async with open_stream("BTCUSDT", source=spot(exchange), start=1000 if history else "live") as bars:
                await take(bars, bars_taken)

            assert living_tasks() <= inside + 20
            await exchange.wait_until(lambda counters: counters.open_connections == 0)

        await anyio.sleep(0)
        assert living_tasks() <= tasks


async def test_a_client_of_the_program_is_used_and_left_open() -> None:
    async with SimulatedExchange(TAPE) as exchange, httpx.AsyncClient(trust_env=False) as client:
        async with open_stream("BTCUSDT", source=spot(exchange, client=client)) as bars:
            assert await take(bars, len(WANTED)) == WANTED

        assert not client.is_closed
        assert (await client.get(f"{exchange.rest_url}/api/v3/ping")).status_code in (200, 404)


async def test_the_exchange_says_that_there_is_no_such_symbol() -> None:
    async with SimulatedExchange(TAPE) as exchange:
        async with open_stream("NOSUCHUSDT", source=spot(exchange)) as bars:
            with pytest.raises(InvalidSymbolError, match="NOSUCHUSDT"):
                await take(bars, 1)


async def test_pings_are_answered_while_bars_come() -> None:
    async with SimulatedExchange(TAPE, limits=PINGS, starts="by-hand") as exchange:
        async with open_stream("BTCUSDT", source=spot(exchange)) as bars:
            with anyio.move_on_after(20):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(take, bars, len(WANTED))
                    await exchange.wait_until(lambda counters: counters.pongs_matched >= 3)
                    exchange.start()

            assert bars.stats.bars == len(WANTED)

        assert (exchange.counters.pong_timeouts, exchange.counters.pongs_unasked) == (0, 0)


async def test_the_announced_end_of_a_server_is_a_rotation() -> None:
    """The new connection delivers before the old one closes: nothing is fetched."""
    fault = Fault(FaultKind.SERVER_SHUTDOWN, at_trade=60, lasts_s=20.0)
    events: list[object] = []
    # Nobody asks REST about a quiet symbol, or a stalled connection might be replaced before the announcement.
    config = replace(HASTY, quiet_after_s=30.0, quiet_after_max_s=900.0)
    async with SimulatedExchange(TAPE, faults=[fault], limits=PINGS) as exchange:
        async with open_stream("BTCUSDT", source=spot(exchange), config=config, on_event=events.append) as bars:
            assert await take(bars, len(WANTED)) == WANTED
            await read_until(bars, lambda: any(isinstance(event, Rotated) for event in events))

    assert [event.reason for event in events if isinstance(event, Rotated)] == ["shutdown"]
    assert not [event for event in events if isinstance(event, Disconnected)]


async def test_milliseconds_where_microseconds_were_kept_are_an_error() -> None:
    """Before a trade of them is taken, since they would close other bars."""
    store = MemoryStore()
    async with SimulatedExchange(TAPE, history=100) as exchange:
        async with open_stream("BTCUSDT", source=spot(exchange), store=store, start=1000) as bars:
            got = await take(bars, 3)

        exchange.inject(Fault(FaultKind.WRONG_UNIT, at_trade=0))
        async with open_stream("BTCUSDT", source=spot(exchange), store=store) as bars:
            with pytest.raises(ProtocolError, match="millisecond"):
                await take(bars, len(WANTED))

    assert got == WANTED[:3]


@pytest.mark.parametrize("how", ["scope", "native", "native-twice"])
async def test_cancelled_over_sockets(how: Any) -> None:
    """At suspensions of the whole run, with connections open: every socket ends, and a restart gives the rest."""
    first: list[Bar] = []
    async with SimulatedExchange(TAPE, history=150) as exchange:
        for at in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89):
            store = MemoryStore()
            first = []

            async def run(store: MemoryStore = store, got: list[Bar] = first) -> None:
                async with open_stream("BTCUSDT", source=spot(exchange), store=store, start=1000) as bars:
                    while len(got) < 9:
                        got.append(await bars.receive())

            await run_cancelled(run, at, how)
            await exchange.wait_until(lambda counters: counters.open_connections == 0)
            async with open_stream(
                "BTCUSDT", source=spot(exchange), store=MemoryStore(continues=store), start=1000
            ) as bars:
                rest = await take(bars, 9)

            joined = first[:-1] + rest if first and rest[0] == first[-1] else first + rest
            assert joined == WANTED[: len(joined)]

    assert first
