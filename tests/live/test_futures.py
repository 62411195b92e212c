"""Both futures markets over real sockets: milliseconds, no quantity, ids from 1, a past that is not served any more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from rangebar_anyio import (
    Bar,
    BinanceCoinFutures,
    BinanceUsdFutures,
    GapUnfillableError,
    MemoryStore,
    ReconnectPolicy,
    open_stream,
)
from rangebar_anyio.events import CatchingUp, GapUnfillable, StreamEvent
from rangebar_anyio.testing import AggTrade, Fault, FaultKind, Limits, Pace, SimulatedExchange, Tape
from tests.stream.chaos import HASTY
from tests.stream.fake_source import bars_of, make_tape

pytestmark = pytest.mark.anyio

CONFIG = replace(HASTY, evidence_apart_s=0.1)


@dataclass(frozen=True)
class Market:
    venue: Any
    source: type[BinanceUsdFutures | BinanceCoinFutures]
    name: str
    symbol: str


MARKETS = [
    pytest.param(Market("usd-m", BinanceUsdFutures, "binance-usdm", "BTCUSDT"), id="usd-m"),
    pytest.param(Market("coin-m", BinanceCoinFutures, "binance-coinm", "BTCUSD_PERP"), id="coin-m"),
]


def futures_tape(symbol: str) -> Tape:
    """Ids from 1 on; each seventh trade has no quantity; times as fine as the matching engine's."""
    rows = make_tape(300, symbol=symbol, first_id=1)
    return Tape(symbol, (_row(row) for row in rows))


def _row(row: AggTrade) -> AggTrade:
    return row._replace(quantity_e8=0) if row.agg_trade_id % 7 == 0 else row


def in_milliseconds(tape: Tape, without: tuple[int, int] = (0, 0)) -> Tape:
    """What the market says of it."""
    low, high = without
    rows = (row._replace(timestamp_us=row.timestamp_us // 1000 * 1000) for row in tape)
    return Tape(tape.symbol, (row for row in rows if not low <= row.agg_trade_id <= high))


def simulated(market: Market, tape: Tape, history: int, *faults: Fault) -> SimulatedExchange:
    return SimulatedExchange(tape, venue=market.venue, history=history, faults=faults, limits=Limits.none())


def stream(market: Market, exchange: SimulatedExchange, **options: Any) -> Any:
    source = market.source(ws_url=exchange.ws_url, rest_url=exchange.rest_url)
    return open_stream(market.symbol, source=source, **{"config": CONFIG, "start": 1, **options})


def gone(first: int, last: int) -> Fault:
    return Fault(FaultKind.IDS_GONE, at_trade=0, ids=(first, last))


@pytest.mark.parametrize("market", MARKETS)
async def test_bars_are_those_of_the_tape_in_milliseconds(market: Market) -> None:
    """Over drops and duplicates, from the very first id on; each trade counts, also one without a quantity."""
    tape = futures_tape(market.symbol)
    wanted = bars_of(in_milliseconds(tape), 250)
    faults = [Fault(FaultKind.DROP, at_trade=170), Fault(FaultKind.LOSE, at_trade=200, value=5)]
    async with SimulatedExchange(
        tape, venue=market.venue, history=100, faults=faults, limits=Limits.none()
    ) as exchange:
        with anyio.fail_after(100):
            async with stream(market, exchange) as bars:
                got = [await bars.receive() for _ in wanted]

    assert got == wanted
    assert got[0].first_agg_trade_id == 1
    assert {bar.venue.partition("@")[0] for bar in got} == {market.name}
    assert all(bar.close_time_us % 1000 == 0 for bar in got)


@pytest.mark.parametrize("market", MARKETS)
async def test_a_restart_goes_on_in_milliseconds(market: Market) -> None:
    tape, store = futures_tape(market.symbol), MemoryStore()
    wanted, got = bars_of(in_milliseconds(tape), 250), list[Bar]()
    async with simulated(market, tape, 100) as exchange:
        with anyio.fail_after(100):
            for most in (3, 20, len(wanted)):
                async with stream(market, exchange, store=store) as bars:
                    while len(got) < most:
                        got.append(await bars.receive())

    assert got == wanted


@pytest.mark.parametrize("market", MARKETS)
async def test_a_start_in_time(market: Market) -> None:
    """The lowest id whose time, as the market gives it, is not before it."""
    tape = in_milliseconds(futures_tape(market.symbol))
    row = tape[120]
    first = next(other.agg_trade_id for other in tape if other.timestamp_us >= row.timestamp_us)
    wanted = bars_of(tape, 250, from_id=first)
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row.timestamp_us)
    async with simulated(market, tape, 200) as exchange:
        with anyio.fail_after(100):
            async with stream(market, exchange, start=start) as bars:
                assert [await bars.receive() for _ in wanted] == wanted


@pytest.mark.parametrize("market", MARKETS)
async def test_ids_that_are_no_longer_served_are_an_event_and_counted_on_the_bar(market: Market) -> None:
    """Futures keep less than spot: a start before what is kept says what is missing."""
    tape, events = futures_tape(market.symbol), list[StreamEvent]()
    wanted = bars_of(in_milliseconds(tape, without=(1, 60)), 250)
    async with simulated(market, tape, 200, gone(1, 60)) as exchange:
        with anyio.fail_after(100):
            async with stream(market, exchange, on_event=events.append) as bars:
                got = [await bars.receive() for _ in wanted]
                stats = bars.stats

    assert [bar.missing_trades for bar in got] == [60] + [0] * (len(got) - 1)
    assert [(bar.first_agg_trade_id, bar.exact("close")) for bar in got] == [
        (bar.first_agg_trade_id, bar.exact("close")) for bar in wanted
    ]
    assert stats.missing_trades == 60
    assert [event for event in events if isinstance(event, GapUnfillable)] == [GapUnfillable(market.symbol, 1, 60)]
    assert not [event for event in events if isinstance(event, CatchingUp) and event.done > event.total]


@pytest.mark.parametrize("market", MARKETS)
async def test_by_choice_they_are_raised_after_the_bars_before_them(market: Market) -> None:
    """And the default goes past them afterwards."""
    tape, store, got = futures_tape(market.symbol), MemoryStore(), list[Bar]()
    before = bars_of(Tape(tape.symbol, list(in_milliseconds(tape))[:99]), 250)
    after = bars_of(in_milliseconds(tape, without=(100, 110)), 250)
    policy = replace(CONFIG.policy, on_missing="raise")
    assert isinstance(policy, ReconnectPolicy)
    async with simulated(market, tape, 200, gone(100, 110)) as exchange:
        with anyio.fail_after(100):
            with pytest.raises(GapUnfillableError, match=f"{market.symbol}.*100.*110"):
                async with stream(market, exchange, store=store, reconnect=policy) as bars:
                    while True:
                        got.append(await bars.receive())

            assert got == before
            async with stream(market, exchange, store=store) as bars:
                # The bar given last was finished when the next one was asked for.
                while len(got) < len(after):
                    got.append(await bars.receive())

    assert sum(bar.missing_trades for bar in got) == 11
    assert [(bar.first_agg_trade_id, bar.last_agg_trade_id) for bar in got] == [
        (bar.first_agg_trade_id, bar.last_agg_trade_id) for bar in after
    ]


async def test_what_was_served_once_is_in_the_bars_though_it_is_gone_by_the_time_of_the_proof() -> None:
    """REST keeps the newest trades only, and each second the oldest ones go: as fast as trades come."""
    tape, events, got = make_tape(30_000, first_id=1), list[StreamEvent](), list[Bar]()
    async with SimulatedExchange(
        tape, venue="usd-m", history=5000, rest_keeps=2000, pace=Pace(trades_per_s=400), limits=Limits.none()
    ) as exchange:
        source = BinanceUsdFutures(ws_url=exchange.ws_url, rest_url=exchange.rest_url)
        config = replace(CONFIG, evidence_apart_s=1.0)
        with anyio.fail_after(25):
            async with open_stream("BTCUSDT", source=source, start=1, config=config, on_event=events.append) as bars:
                while len(got) < 50:
                    got.append(await bars.receive())

    gone = [event for event in events if isinstance(event, GapUnfillable)]
    assert gone[0].first_id == 1
    rows = (row for row in in_milliseconds(tape) if not any(g.first_id <= row.agg_trade_id <= g.last_id for g in gone))
    wanted = bars_of(Tape("BTCUSDT", rows), 250)
    assert [(bar.first_agg_trade_id, bar.exact("close")) for bar in got] == [
        (bar.first_agg_trade_id, bar.exact("close")) for bar in wanted[: len(got)]
    ]
