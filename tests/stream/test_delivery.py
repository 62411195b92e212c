"""Bars of a stream are those of the tape: every start, many lanes, many connections, a slow reader."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from rangebar_anyio import (
    Bar,
    ConnectionLostError,
    InvalidSymbolError,
    ReconnectPolicy,
    SessionConfig,
    open_stream,
)
from rangebar_anyio._events import Connected, Disconnected, GapFilled, GapFound, ReaderAway, ReaderBack, Waiting
from tests.stream.fake_source import QUICK, FakeExchange, bars_of, make_tape
from tests.stream.reading import WAIT_S, take, until

pytestmark = pytest.mark.anyio

TAPE = make_tape(150)
WANTED = bars_of(TAPE, 250)


def lane(bars: list[Bar], symbol: str, threshold_dbps: int) -> list[Bar]:
    return [bar for bar in bars if (bar.symbol, bar.threshold_dbps) == (symbol, threshold_dbps)]


# Starts.


@pytest.mark.parametrize("batch", [1, 7, 1000])
@pytest.mark.parametrize("history", [0, 60, 150])
async def test_from_an_id(history: int, batch: int) -> None:
    exchange = FakeExchange([TAPE], history=history, batch=batch, page_rows=25)

    async with open_stream("BTCUSDT", source=exchange, start=1000 if history else "live", config=QUICK) as bars:
        assert await take(bars, len(WANTED)) == WANTED

    assert len(WANTED) > 8


async def test_from_a_time() -> None:
    """The first trade taken is the lowest id whose time is not before it, wherever within a millisecond."""
    exchange = FakeExchange([TAPE], history=100)
    first = next(place for place in range(40, 100) if TAPE.timestamps_us[place] > TAPE.timestamps_us[place - 1])
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=TAPE.timestamps_us[first])
    wanted = bars_of(TAPE, 250, from_id=TAPE.trade_ids[first])

    async with open_stream("btcusdt", source=exchange, start=start, config=QUICK) as bars:
        assert await take(bars, len(wanted)) == wanted

    assert wanted[0].first_agg_trade_id == TAPE.trade_ids[first]


async def test_live() -> None:
    """Begins with the first trade that the socket brings, and asks for nothing before it."""
    exchange = FakeExchange([TAPE], history=70)
    wanted = bars_of(TAPE, 250, from_id=1070)

    async with open_stream("BTCUSDT", source=exchange, start="live", config=QUICK) as bars:
        assert await take(bars, len(wanted)) == wanted

    assert exchange.served <= len(TAPE) - 70 + 1


async def test_a_position_that_the_program_kept() -> None:
    """`bar.position` goes on right after that bar, without a store."""
    exchange = FakeExchange([TAPE], history=120)
    async with open_stream("BTCUSDT", source=exchange, start=1000, config=QUICK) as bars:
        kept = (await take(bars, 4))[-1].position

    start = {("BTCUSDT", 250): kept}
    async with open_stream("BTCUSDT", source=exchange, start=start, config=QUICK) as bars:
        assert await take(bars, len(WANTED) - 4) == WANTED[4:]


# Lanes.


@pytest.mark.parametrize("streams_per_connection", [None, 2])
async def test_many_symbols_and_thresholds(streams_per_connection: int | None) -> None:
    """Over one connection or several: each lane has the bars of its tape, and no other's."""
    tapes = [make_tape(90, symbol=f"S{number}USDT", first_id=number * 10_000) for number in range(5)]
    exchange = FakeExchange(tapes, history=30, batch=3)
    config = SessionConfig(policy=QUICK.policy, streams_per_connection=streams_per_connection)
    symbols, thresholds = [tape.symbol for tape in tapes], [500, 100, 250]
    wanted = {(tape.symbol, threshold): bars_of(tape, threshold) for tape in tapes for threshold in thresholds}
    start = {tape.symbol: tape.trade_ids[0] for tape in tapes}

    async with open_stream(symbols, threshold_dbps=thresholds, source=exchange, start=start, config=config) as bars:
        got = await take(bars, sum(map(len, wanted.values())))

    assert {key: lane(got, *key) for key in wanted} == wanted
    assert exchange.connects == (3 if streams_per_connection else 1)


async def test_one_trade_closes_bars_smallest_threshold_first() -> None:
    exchange = FakeExchange([TAPE], history=150)
    thresholds = [400, 100, 200]
    total = sum(len(bars_of(TAPE, threshold)) for threshold in thresholds)

    async with open_stream("BTCUSDT", threshold_dbps=thresholds, source=exchange, start=1000, config=QUICK) as bars:
        got = await take(bars, total)

    order = [(bar.last_agg_trade_id, bar.threshold_dbps) for bar in got]
    assert order == sorted(order)
    assert len({last for last, _ in order}) < len(order)


# A slow reader.


async def test_a_slow_reader_pauses_the_feed() -> None:
    """With room for one bar nothing is read ahead, nothing is lost, and stats say since when nobody reads."""
    exchange = FakeExchange([TAPE], batch=200)
    async with open_stream("BTCUSDT", source=exchange, bar_buffer=1, config=QUICK) as bars:
        got = await take(bars, 1)
        await until(lambda: bars.stats.pauses > 0)
        assert bars.stats.bars_waiting == 1

        got += await take(bars, len(WANTED) - 1)
        assert got == WANTED
        assert bars.stats.bars == len(WANTED)


# What a stream shows.


async def test_the_forming_bar() -> None:
    exchange = FakeExchange([TAPE], batch=1)
    async with open_stream("BTCUSDT", source=exchange, config=QUICK) as bars:
        assert bars.forming("btcusdt", 250) is None
        (bar,) = await take(bars, 1)
        await until(lambda: bars.forming("BTCUSDT", 250) is not None)
        forming = bars.forming("BTCUSDT", 250)
        assert forming is not None
        assert not forming.is_closed
        assert forming.first_agg_trade_id == bar.last_agg_trade_id + 1
        # Nothing can start inside a bar.
        assert forming.position == b""
        with pytest.raises(KeyError, match="BTCUSDT at 250"):
            bars.forming("BTCUSDT", 251)


async def test_stats_count_and_stay_after_the_block() -> None:
    exchange = FakeExchange([TAPE], history=50, faults={(0, 4): "drop", (1, 3): "repeat"})
    async with open_stream("BTCUSDT", source=exchange, start=1000, config=QUICK) as bars:
        got = await take(bars, len(WANTED))
        await until(lambda: bars.stats.live_trades + bars.stats.fetched_trades == len(TAPE))

    stats = bars.stats
    assert got == WANTED
    assert stats.live_trades + stats.fetched_trades == len(TAPE)
    assert (stats.bars, stats.bars_waiting, stats.disconnects) == (len(WANTED), 0, 1)
    assert stats.connects == exchange.connects == 2
    assert stats.duplicates >= 1
    assert stats == bars.stats


# Events.


async def test_events_come_in_order_in_the_readers_task() -> None:
    exchange = FakeExchange([TAPE], history=40, faults={(0, 4): "drop"})
    events: list[object] = []
    tasks: set[int] = set()

    def on_event(event: object) -> None:
        events.append(event)
        tasks.add(anyio.get_current_task().id)

    async with open_stream("BTCUSDT", source=exchange, start=1000, config=QUICK, on_event=on_event) as bars:
        assert await take(bars, len(WANTED)) == WANTED

    kinds = [type(event) for event in events]
    assert tasks == {anyio.get_current_task().id}
    assert kinds.index(GapFound) < kinds.index(GapFilled)
    lost = kinds.index(Disconnected)
    assert kinds[lost + 1] is Waiting
    assert Connected in kinds[:lost]
    assert Connected in kinds[lost:]


async def test_what_on_event_raises_is_logged_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def on_event(event: object) -> None:
        raise RuntimeError("a bug of the program")

    async with open_stream("BTCUSDT", source=FakeExchange([TAPE]), config=QUICK, on_event=on_event) as bars:
        assert await take(bars, len(WANTED)) == WANTED

    assert "on_event raised for Connected" in caplog.text
    assert "a bug of the program" in caplog.text


# The world at its worst.


async def test_without_a_network_at_the_start_it_waits_and_says_so() -> None:
    exchange = FakeExchange([TAPE], is_offline=True)
    events: list[object] = []

    def on_event(event: object) -> None:
        events.append(event)
        if isinstance(event, Waiting) and event.what == "connect" and "network is down" in event.reason:
            exchange.is_offline = False

    async with open_stream("BTCUSDT", source=exchange, config=QUICK, on_event=on_event) as bars:
        assert await take(bars, len(WANTED)) == WANTED

    assert any(isinstance(event, Disconnected) and not event.was_open for event in events)


@pytest.mark.parametrize("hears", [False, True])
async def test_a_server_that_is_never_reached_is_told_of_where_nobody_hears_events(
    hears: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Once in an outage, however long it lasts."""
    events: list[object] = []
    exchange = FakeExchange([TAPE], is_offline=True)
    options: Any = {"on_event": events.append} if hears else {}
    async with open_stream("BTCUSDT", source=exchange, config=QUICK, **options) as bars:
        await until(lambda: bars.stats.connect_failures > 12)
        exchange.is_offline = False
        assert await take(bars, len(WANTED)) == WANTED

    told = [record.getMessage() for record in caplog.records]
    assert len(told) == (0 if hears else 1)
    assert all(text.startswith("5 attempts to connect failed") and "network is down" in text for text in told)


@pytest.mark.parametrize("fault", ["drop", "lose", "repeat", "garbage", "ping"])
async def test_one_fault_at_every_read(fault: str) -> None:
    tape, wanted = make_tape(60), bars_of(make_tape(60), 250)
    # What is lost at the end of the tape shows only by asking.
    config = replace(QUICK, quiet_after_s=0.05)
    for read in range(1, 12):
        exchange = FakeExchange([tape], faults={(0, read): fault})
        async with open_stream("BTCUSDT", source=exchange, config=config) as bars:
            assert await take(bars, len(wanted)) == wanted


async def test_an_unknown_symbol_is_an_error_at_once() -> None:
    exchange = FakeExchange([TAPE])
    async with open_stream("NOSUCHUSDT", source=exchange, config=QUICK) as bars:
        with pytest.raises(InvalidSymbolError, match="NOSUCHUSDT") as raised:
            await take(bars, 1)

        assert type(raised.value) is InvalidSymbolError
        with pytest.raises(InvalidSymbolError):
            await take(bars, 1)

    assert exchange.open_transports == 0


async def test_a_failure_comes_after_the_last_bar() -> None:
    """`max_attempts` ends the stream: the bars before it come first, then the error, as itself."""
    exchange = FakeExchange([TAPE], batch=75)
    config = SessionConfig(policy=ReconnectPolicy(first_delay_s=0.001, max_delay_s=0.001, max_attempts=2))

    async with open_stream("BTCUSDT", source=exchange, config=config) as bars:
        got = await take(bars, 1)
        await until(lambda: bars.stats.bars_waiting > 2)
        exchange.is_offline = True
        exchange.wake()
        with anyio.fail_after(WAIT_S), pytest.raises(ConnectionLostError, match="network is down") as raised:
            while True:
                got.append(await bars.receive())

    assert type(raised.value) is ConnectionLostError
    assert got == WANTED[: len(got)]
    assert len(got) > 3


@pytest.mark.usefixtures("virtual_backend")
class TestVirtual:
    """Where time passes."""

    @pytest.fixture
    def anyio_backend(self, virtual_backend: object) -> object:
        return virtual_backend

    async def test_a_reader_that_is_away(self) -> None:
        """Ten minutes: an event says so, no connection is opened meanwhile, and nothing is lost."""
        exchange = FakeExchange([TAPE])
        events: list[object] = []
        async with open_stream(
            "BTCUSDT", source=exchange, bar_buffer=2, config=SessionConfig(), on_event=events.append
        ) as bars:
            got = await take(bars, 3)
            exchange.publish("BTCUSDT", len(TAPE))
            await anyio.sleep(600)
            assert 590 < bars.stats.reader_away_s <= 600
            got += await take(bars, len(WANTED) - 3)

        assert got == WANTED
        away = [type(event) for event in events if isinstance(event, ReaderAway | ReaderBack)]
        assert away == [ReaderAway, ReaderBack]
        assert exchange.connects == 1

    async def test_lost_requests_are_sent_again(self) -> None:
        exchange = FakeExchange([TAPE], history=100, lost_requests=3)
        async with open_stream("BTCUSDT", source=exchange, start=1000, config=SessionConfig()) as bars:
            assert await take(bars, len(WANTED)) == WANTED
            assert bars.stats.request_failures == 3

    async def test_a_loss_at_the_tail_shows_without_a_later_trade(self) -> None:
        """The last trades never come by socket; REST is asked after a while of silence."""
        exchange = FakeExchange([TAPE])
        async with open_stream("BTCUSDT", source=exchange, config=SessionConfig()) as bars:
            got = await take(bars, 4)
            exchange.is_playing = False
            exchange.publish("BTCUSDT", len(TAPE), is_lost=True)
            with anyio.fail_after(120):
                while len(got) < len(WANTED):
                    got.append(await bars.receive())

        assert got == WANTED
