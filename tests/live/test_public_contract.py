"""What programs outside rely on: names, parameters, defaults and behaviour, written down once and held still."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import anyio
import anyio.abc
import click
import pytest

import rangebar_anyio
from rangebar_anyio import (
    Bar,
    BarStream,
    BarTable,
    BinanceCoinFutures,
    BinanceSpot,
    BinanceUsdFutures,
    InvalidSymbolError,
    InvalidThresholdError,
    RangeBarError,
    RangeBarProcessor,
    ReconnectPolicy,
    SqliteStore,
    StoreError,
    Trade,
    open_stream,
)
from rangebar_anyio.cli import main
from rangebar_anyio.testing import Limits, SimulatedExchange
from tests.stream.chaos import HASTY
from tests.stream.fake_source import bars_of, make_tape

TAPE = make_tape(200)
WANTED = bars_of(TAPE, 250)

STREAM_DEFAULTS = {
    "threshold_dbps": 250,
    "source": None,
    "store": None,
    "start": "resume",
    "bar_buffer": 100,
    "trade_buffer": 5000,
    "reconnect": ReconnectPolicy(),
    "on_event": None,
    "ack": "auto",
    "restart": False,
    "replace": False,
    "reader": "default",
}
ERRORS: dict[str, type[Exception]] = {
    "InvalidTradeError": ValueError,
    "InvalidThresholdError": ValueError,
    "InvalidSymbolError": ValueError,
    "OutOfOrderError": RangeBarError,
    "SnapshotError": RangeBarError,
    "CheckpointMismatchError": RangeBarError,
    "ConnectionLostError": RangeBarError,
    "ProtocolError": RangeBarError,
    "GapUnfillableError": RangeBarError,
    "StoreError": RangeBarError,
    "AbiMismatchError": ImportError,
}
FIELDS = {
    "open", "high", "low", "close", "volume", "turnover", "open_time", "close_time", "open_time_us", "close_time_us",
    "buy_volume", "sell_volume", "buy_turnover", "sell_turnover", "first_agg_trade_id", "last_agg_trade_id", "vwap",
    "venue", "symbol", "threshold_dbps", "missing_trades", "position", "is_closed",
}  # fmt: skip


def parameters(function: Any) -> dict[str, Any]:
    return {name: p.default for name, p in inspect.signature(function).parameters.items() if name != "self"}


def test_open_stream_takes_these_with_these_defaults() -> None:
    found = parameters(open_stream)
    assert next(iter(found)) == "symbols"
    assert {name: found[name] for name in STREAM_DEFAULTS} == STREAM_DEFAULTS
    kinds = {p.kind for name, p in inspect.signature(open_stream).parameters.items() if name != "symbols"}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


def test_trade_processor_and_table() -> None:
    optional = {"first_trade_id": None, "last_trade_id": None}
    columns = ["agg_trade_id", "timestamp_us", "price", "quantity", "is_buyer_maker", *optional]
    assert list(parameters(Trade)) == ["agg_trade_id", "price", "quantity", "timestamp_us", "is_buyer_maker", *optional]
    assert list(parameters(RangeBarProcessor.push_columns)) == columns
    assert {"symbol": "", "same_timestamp_close": False}.items() <= parameters(RangeBarProcessor).items()
    for name in ("push", "push_many", "push_columns", "forming", "snapshot", "restore", "close", "__enter__"):
        assert hasattr(RangeBarProcessor, name)

    for name in ("__len__", "__iter__", "to_numpy", "to_pandas", "to_polars", "__arrow_c_stream__"):
        assert hasattr(BarTable, name)


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_range_bar_errors_and_what_python_would_say(name: str) -> None:
    error = getattr(rangebar_anyio, name)
    assert issubclass(error, ERRORS[name])
    assert issubclass(error, RangeBarError)


@pytest.mark.parametrize("source", [BinanceSpot, BinanceUsdFutures, BinanceCoinFutures])
def test_sources_take_their_urls_by_name(source: Any) -> None:
    made = source(ws_url="ws://127.0.0.1:1", rest_url="http://127.0.0.1:2")
    assert (made.ws_url, made.rest_url) == ("ws://127.0.0.1:1", "http://127.0.0.1:2")


def test_the_commands() -> None:
    assert isinstance(main, click.Group)
    context = click.Context(main)
    names = {"demo", "stream", "record", "replay", "simulate", "export", "status", "verify-live"}
    assert names <= set(main.list_commands(context))
    for name in names:
        command = main.get_command(context, name)
        assert command is not None
        assert command.help


def test_what_is_wrong_is_said_before_anything_opens() -> None:
    with pytest.raises(InvalidSymbolError):
        open_stream("BTC/USDT")

    for value in (0, -5, 100_001, True):
        with pytest.raises(InvalidThresholdError):
            open_stream("BTCUSDT", threshold_dbps=value)

    starts: list[Any] = [datetime(2025, 1, 1), datetime(2999, 1, 1, tzinfo=UTC), "yesterday", -1]  # noqa: DTZ001
    for start in starts:
        with pytest.raises(ValueError, match=r"start|id|future"):
            open_stream("BTCUSDT", start=start)


@pytest.mark.anyio
async def test_a_stream_and_its_bars(tmp_path: Any) -> None:
    async with SimulatedExchange(TAPE, history=200, limits=Limits.none()) as exchange:
        source = BinanceSpot(ws_url=exchange.ws_url, rest_url=exchange.rest_url)
        opening = open_stream(
            "btcusdt", threshold_dbps=250, source=source, store=tmp_path / "bars.db", start=TAPE.trade_ids[0],
            config=HASTY,
        )  # fmt: skip
        assert isinstance(opening, AbstractAsyncContextManager)
        with anyio.fail_after(100):
            async with opening as bars:
                assert isinstance(bars, BarStream)
                assert isinstance(bars, anyio.abc.ObjectReceiveStream)
                got = [await bars.receive() for _ in WANTED]
                assert bars.stats.bars == len(WANTED)
                forming = bars.forming("BTCUSDT", 250)
                assert forming is None or not forming.is_closed
                await bars.aclose()
                assert [bar async for bar in bars] == []

    assert got == WANTED
    check_bar(got[0])


def check_bar(bar: Bar) -> None:
    assert isinstance(bar, Mapping)
    assert set(dir(bar)) >= FIELDS
    assert bar["close"] == bar.close
    assert dict(bar)["high"] == bar.high
    assert isinstance(bar.close, float)
    assert isinstance(bar.exact("close"), Decimal)
    assert bar.open_time.tzinfo is not None
    assert isinstance(bar.open_time_us, int)
    assert bar.is_closed
    assert isinstance(bar.position, bytes)
    assert pickle.loads(pickle.dumps(bar)) == bar
    assert hash(bar) == hash(pickle.loads(pickle.dumps(bar)))
    with pytest.raises((AttributeError, TypeError)):
        bar.close = 1.0


@pytest.mark.anyio
async def test_a_store_of_ones_own_and_a_lane_of_one_owner(tmp_path: Any) -> None:
    """A store may be given. Meanwhile a second owner is refused by the name of the lane; the next one goes on."""
    async with SimulatedExchange(TAPE, history=200, limits=Limits.none()) as exchange:
        source = BinanceSpot(ws_url=exchange.ws_url, rest_url=exchange.rest_url)
        async with SqliteStore(tmp_path / "bars.db") as store:
            with anyio.fail_after(100):
                async with open_stream("BTCUSDT", source=source, store=store, start=1000, config=HASTY) as bars:
                    first = await bars.receive()
                    with pytest.raises(StoreError, match=r"lane default/\S+/BTCUSDT/250 is open in another stream"):
                        async with open_stream("BTCUSDT", source=source, store=store, config=HASTY):
                            pytest.fail("a lane with two owners")

                async with open_stream("BTCUSDT", source=source, store=store, config=HASTY) as bars:
                    assert [first, await bars.receive()] == WANTED[:2]


def test_a_float_of_a_bar_is_the_float_of_its_decimal() -> None:
    for name in ("open", "high", "low", "close", "volume", "turnover"):
        assert getattr(WANTED[0], name) == float(WANTED[0].exact(name))
