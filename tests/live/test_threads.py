"""Streams in several threads, each with an event loop of its own: one share of the exchange's limits for all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import Any

import anyio
import anyio.to_thread
import pytest
import trio.testing

from rangebar_anyio import BinanceSpot, ReconnectPolicy, open_stream
from rangebar_anyio._sources._binance_rules import spot_rules
from rangebar_anyio._stream._budgets import budget_for
from rangebar_anyio.testing import Limits, SimulatedExchange
from tests.stream.chaos import BACKENDS, HASTY
from tests.stream.fake_source import bars_of, make_tape

TAPES = [make_tape(200, symbol=name) for name in ("BTCUSDT", "ETHUSDT", "BNBUSDT")]


def in_threads(*works: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's thread
            failures.append(error)

    threads = [Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join()

    assert not failures


def run(main: Callable[..., Any], name: str, *args: object) -> None:
    backend, options = BACKENDS[name]
    anyio.run(main, *args, backend=backend, backend_options=options)


def test_every_event_loop_counts_into_one_budget() -> None:
    """Also one run after the other: the exchange does not forget either."""
    rules, policy = spot_rules(), ReconnectPolicy()
    taken: list[str] = []

    async def take(name: str) -> None:
        budget = budget_for(rules, policy)
        for _ in range(25):
            assert budget.connect_wait(anyio.current_time()) == 0
            budget.take_connect(anyio.current_time())
            taken.append(name)

    in_threads(*(partial(run, take, name, name) for name in (*BACKENDS, *BACKENDS)))
    assert len(taken) == 150

    async def look() -> None:
        assert 290 < budget_for(rules, policy).connect_wait(anyio.current_time()) <= 300

    for name in BACKENDS:
        run(look, name)


def test_it_is_the_servers_that_count_whatever_a_venue_is_called() -> None:
    """And connections may go to one server, requests to another."""
    policy = ReconnectPolicy()
    sources = [
        BinanceSpot(),
        BinanceSpot(venue="mine"),
        BinanceSpot(rest_url="http://x"),
        BinanceSpot("ws://x", "http://x"),
    ]

    async def look() -> None:
        now = anyio.current_time()
        one, *others = (budget_for(source.rules(), policy) for source in sources)
        one.connects_used_up(now, 300.0)
        one.block_requests(now, 100.0)
        assert [round(other.connect_wait(now)) for other in others] == [300, 300, 0]
        assert [round(other.request_wait(4, now, is_probe=False)) for other in others] == [100, 0, 0]

    run(look, "trio")


def test_a_ban_that_one_thread_hears_of_is_obeyed_by_all() -> None:
    rules, policy = spot_rules(), ReconnectPolicy()

    async def hear() -> None:
        budget_for(rules, policy).block_requests(anyio.current_time(), 100.0)

    async def look() -> None:
        budget = budget_for(rules, policy)
        assert 95 < budget.request_wait(4, anyio.current_time(), is_probe=False) <= 100
        assert 95 < budget.request_wait(4, anyio.current_time(), is_probe=True) <= 100

    in_threads(partial(run, hear, "trio"))
    in_threads(*(partial(run, look, name) for name in BACKENDS))


def test_a_clock_that_jumps_has_a_budget_of_its_own() -> None:
    """Its times would mean nothing to anybody else."""
    rules, policy = spot_rules(), ReconnectPolicy()

    async def block() -> None:
        budget = budget_for(rules, policy)
        budget.block_requests(anyio.current_time(), 100.0)
        assert budget_for(rules, policy).request_wait(4, anyio.current_time(), is_probe=False) == 100
        await anyio.sleep(100)
        assert budget.request_wait(4, anyio.current_time(), is_probe=False) == 0

    async def look() -> None:
        assert budget_for(rules, policy).request_wait(4, anyio.current_time(), is_probe=False) == 0

    clock = trio.testing.MockClock(autojump_threshold=0)
    anyio.run(block, backend="trio", backend_options={"clock": clock})
    run(look, "trio")


@pytest.mark.anyio
async def test_streams_on_three_event_loops_at_once() -> None:
    """asyncio, uvloop and trio, a thread each, beside this test's own loop."""

    async def read(exchange: SimulatedExchange, at: int) -> None:
        tape = TAPES[at]
        source = BinanceSpot(ws_url=exchange.ws_url, rest_url=exchange.rest_url)
        wanted = bars_of(tape, 250)
        with anyio.fail_after(100):
            async with open_stream(tape.symbol, source=source, start=tape.trade_ids[0], config=HASTY) as bars:
                assert [await bars.receive() for _ in wanted] == wanted

    async with (
        SimulatedExchange(TAPES, history=300, limits=Limits.none()) as exchange,
        anyio.create_task_group() as tasks,
    ):
        for at, name in enumerate(BACKENDS):
            tasks.start_soon(anyio.to_thread.run_sync, partial(run, read, name, exchange, at))

        tasks.start_soon(read, exchange, 0)
