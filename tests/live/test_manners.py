"""The exchange's limits over real sockets: never gone over, in ordinary times, in storms, and while catching up."""

from __future__ import annotations

from dataclasses import dataclass, replace

import anyio
import pytest

from rangebar_anyio import BinanceSpot, SessionConfig, open_stream
from rangebar_anyio._session import Limits as Allowed
from rangebar_anyio._sources._binance_rules import BinanceRules
from rangebar_anyio._sources._transport import Transport
from rangebar_anyio.events import StreamEvent, Waiting
from rangebar_anyio.testing import Fault, FaultKind, Limits, Pace, SimulatedExchange
from tests.stream.chaos import HASTY
from tests.stream.fake_source import bars_of, make_tape

pytestmark = pytest.mark.anyio

#: Hasty in everything but in what the exchange limits.
POLITE = replace(HASTY, policy=replace(HASTY.policy, connect_share=0.5, weight_share=0.5), connect_timeout_s=10.0)


@dataclass(frozen=True)
class Small:
    """An exchange that allows less than the real one, and says so in its rules."""

    exchange: SimulatedExchange
    allowed: Allowed

    def rules(self) -> BinanceRules:
        return replace(BinanceSpot(self.exchange.ws_url, self.exchange.rest_url).rules(), limits=self.allowed)

    def transport(self) -> Transport:
        return BinanceSpot().transport()


async def read_through(source: object, tapes: list[str], wanted: int, config: SessionConfig, **options: object) -> None:
    with anyio.fail_after(150):
        async with open_stream(tapes, source=source, config=config, **options) as bars:  # type: ignore[arg-type]
            for _ in range(wanted):
                await bars.receive()


async def test_hundreds_of_symbols_subscribe_within_the_message_limit() -> None:
    """Three messages of 200 symbols in a second, with pongs between them."""
    busy = make_tape(900)
    others = [f"X{number}USDT" for number in range(499)]
    wanted = len(bars_of(busy, 250))
    limits = replace(Limits(), ping_interval_s=0.7)
    async with SimulatedExchange(busy, listed=others, limits=limits, pace=Pace(trades_per_s=500)) as exchange:
        # By the same source as a user's: the limits are the exchange's own.
        source = BinanceSpot(exchange.ws_url, exchange.rest_url)
        config = replace(POLITE, subscribe_timeout_s=10.0, quiet_after_s=30.0, quiet_after_max_s=900.0)
        await read_through(source, ["BTCUSDT", *others], wanted, config, start="live")
        counters = exchange.counters

    assert counters.subscribe_requests == 3
    assert counters.pongs_matched >= 1
    assert counters.connections == 1
    assert counters.limit_violations == 0


async def test_a_storm_of_cut_connections_stays_within_the_share_of_attempts() -> None:
    """Twelve connections, all cut again and again: the exchange sees at most half of what it allows."""
    tapes = [make_tape(120, symbol=f"X{number}USDT") for number in range(12)]
    cuts = [Fault(FaultKind.CUT_ALL, at_trade=at, side="ws") for at in (150, 300, 600, 900, 1200)]
    events: list[StreamEvent] = []
    limits = replace(Limits(), connects_per_window=60, connect_window_s=2.0)
    async with SimulatedExchange(
        tapes, limits=limits, faults=cuts, starts="at-once", pace=Pace(trades_per_s=300)
    ) as exchange:
        allowed = Allowed(weight=6000, heaviest=4, connects=60, connect_window_s=2.0)
        config = replace(POLITE, streams_per_connection=1)
        names = [tape.symbol for tape in tapes]
        wanted = sum(len(bars_of(tape, 250)) for tape in tapes)
        start = {tape.symbol: tape.trade_ids[0] for tape in tapes}
        async with anyio.create_task_group() as tasks:
            while exchange.position < 20:
                await anyio.sleep(0.01)

            tasks.start_soon(
                lambda: read_through(
                    Small(exchange, allowed), names, wanted - 12, config, start=start, on_event=events.append
                )
            )

        counters = exchange.counters

    assert counters.faults["cut-all"] == len(cuts)
    assert counters.connections > 24
    assert counters.limit_violations == 0
    assert [event for event in events if isinstance(event, Waiting) and event.what == "connect"]


async def test_a_long_catch_up_stays_within_the_share_of_weight() -> None:
    """Forty pages at the pace that half of the weight allows, and not one answer of 429."""
    tape = make_tape(4000)
    wanted = len(bars_of(tape, 250))
    limits = replace(Limits(), weight_per_minute=3000, page=100)
    async with SimulatedExchange(tape, history=3990, limits=limits) as exchange:
        allowed = Allowed(weight=3000, heaviest=4, connects=300, connect_window_s=300.0)

        @dataclass(frozen=True)
        class Pages(Small):
            def rules(self) -> BinanceRules:
                return replace(super().rules(), page_rows=100)

        began = anyio.current_time()
        await read_through(Pages(exchange, allowed), ["BTCUSDT"], wanted, POLITE, start=1000)
        took_s = anyio.current_time() - began
        counters = exchange.counters

    assert counters.weight_used >= 40 * 4
    # Five in a hundred of the share may go at once, the rest evenly.
    assert counters.weight_used <= 1500 * (0.05 + took_s / 60) + 4
    assert counters.limit_violations == 0


async def test_several_streams_share_one_budget() -> None:
    tape = make_tape(2000)
    wanted = len(bars_of(tape, 250))
    allowed = Allowed(weight=6000, heaviest=4, connects=8, connect_window_s=2.0)
    limits = replace(Limits(), connects_per_window=8, connect_window_s=2.0)
    async with SimulatedExchange(tape, history=1990, limits=limits) as exchange:
        source = Small(exchange, allowed)
        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(lambda: read_through(source, ["BTCUSDT"], wanted - 5, POLITE, start=1000))

        assert exchange.counters.limit_violations == 0
        assert exchange.counters.connection_attempts <= 8


async def test_a_ban_is_waited_out_to_the_second() -> None:
    """A server that says 429 with two seconds hears nothing for two seconds, from any stream of the process."""
    tape = make_tape(300)
    wanted = len(bars_of(tape, 250))
    asked: list[float] = []
    heard: list[float] = []
    async with SimulatedExchange(tape, history=290, limits=Limits.none()) as exchange:

        @dataclass(frozen=True)
        class Banning(Small):
            def transport(self) -> Transport:
                made = BinanceSpot().transport()
                honest = made.get

                async def get(url: str, *args: object, **options: object) -> object:
                    asked.append(anyio.current_time())
                    answer = await honest(url, *args, **options)  # type: ignore[arg-type]
                    if heard:
                        return answer

                    heard.append(anyio.current_time())
                    return replace(answer, status=429, headers={"retry-after": "2"})

                made.get = get  # type: ignore[method-assign, assignment]
                return made

        source = Banning(exchange, Allowed(weight=6000, heaviest=4, connects=300, connect_window_s=300.0))
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(lambda: read_through(source, ["BTCUSDT"], wanted - 5, POLITE, start=1000))

    # Several may have been under way when it came.
    later = [time for time in asked if time > heard[0]]
    assert later
    assert min(later) >= heard[0] + 2.0
