"""What `open_stream` refuses, before anything is opened: each message names the field, the value and the remedy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rangebar_anyio import (
    BinanceSpot,
    InvalidStartError,
    InvalidSymbolError,
    InvalidThresholdError,
    MemoryStore,
    open_stream,
)
from tests.stream.fake_source import FakeExchange, make_tape

TAPE = make_tape(5)


async def tell(event: object) -> None:
    """Nobody would await it."""


REFUSED: list[tuple[dict[str, Any], type[Exception], list[str]]] = [
    ({"symbols": []}, ValueError, ["symbols is empty", 'open_stream("BTCUSDT")']),
    ({"symbols": 5}, InvalidSymbolError, ["symbol 5", "is a int", "give a str"]),
    ({"symbols": b"BTC"}, InvalidSymbolError, ["is a int", "give a str"]),
    (
        {"symbols": ["BTCUSDT", "BTC/USDT"]},
        InvalidSymbolError,
        ["'BTC/USDT'", 'write it as the exchange does: "BTCUSDT"'],
    ),
    ({"symbols": ""}, InvalidSymbolError, ["''", '"BTCUSDT"']),
    ({"threshold_dbps": []}, ValueError, ["threshold_dbps is empty", "250 is 0.25 %"]),
    ({"threshold_dbps": 0}, InvalidThresholdError, ["threshold_dbps 0", "250 for 0.25 %"]),
    ({"threshold_dbps": 100_001}, InvalidThresholdError, ["threshold_dbps 100001", "250 for 0.25 %"]),
    ({"threshold_dbps": 2.5}, InvalidThresholdError, ["threshold_dbps 2.5", "250 for 0.25 %"]),
    ({"threshold_dbps": "250"}, InvalidThresholdError, ["threshold_dbps '250'", "250 for 0.25 %"]),
    ({"threshold_dbps": True}, InvalidThresholdError, ["threshold_dbps True", "250 for 0.25 %"]),
    ({"threshold_dbps": [250, None]}, InvalidThresholdError, ["threshold_dbps None", "250 for 0.25 %"]),
    ({"source": "binance"}, TypeError, ["source", "'binance'", "BinanceSpot()"]),
    ({"source": BinanceSpot}, TypeError, ["source", "BinanceSpot()"]),
    ({"store": 5}, TypeError, ["store", "5", 'store="bars.db"']),
    ({"store": ""}, ValueError, ["store", "''", 'store="bars.db"']),
    ({"store": MemoryStore}, TypeError, ["store", "MemoryStore", 'store="bars.db"']),
    (
        {"start": "yesterday"},
        InvalidStartError,
        ["start", "'yesterday'", '"resume", "live", an aware datetime or a trade id'],
    ),
    ({"start": None}, TypeError, ["start", "None", '"resume", "live", an aware datetime or a trade id']),
    ({"start": 1.5}, TypeError, ["start", "1.5", "an aware datetime or a trade id"]),
    ({"start": -1}, InvalidStartError, ["trade id", "-1", "at least 0"]),
    ({"start": datetime(2026, 1, 1)}, InvalidStartError, ["start=", "time zone", "tzinfo="]),  # noqa: DTZ001 - that is the mistake
    ({"start": datetime.now(UTC) + timedelta(days=2)}, InvalidStartError, ["start=", "in the future"]),
    ({"start": 7, "symbols": ["AUSDT", "BUSDT"]}, InvalidStartError, ["an id is for one symbol", "start={'AUSDT': 7"]),
    ({"start": {"ETHUSDT": 7}}, InvalidStartError, ["start", "'ETHUSDT'", "not among the symbols"]),
    ({"start": {("BTCUSDT", 100): b""}}, InvalidStartError, ["start", "('BTCUSDT', 100)", "('BTCUSDT', 250)"]),
    ({"start": {("BTCUSDT", 250): 7}}, TypeError, ["start", "7", "bytes of a bar's position"]),
    (
        {"start": {("BTCUSDT", 250): b"7"}},
        InvalidStartError,
        ["start", "('BTCUSDT', 250)", "not the position of a bar"],
    ),
    ({"start": b"7"}, TypeError, ["start", "start={(symbol, threshold_dbps): position}"]),
    ({"store": ":memory:"}, ValueError, ["store", ":memory:", "store=MemoryStore()"]),
    ({"bar_buffer": 0}, ValueError, ["bar_buffer", "1 or more", "0"]),
    ({"bar_buffer": 1.5}, ValueError, ["bar_buffer", "whole number", "1.5"]),
    ({"trade_buffer": 0}, ValueError, ["trade_buffer", "1 or more", "0"]),
    ({"save_every": 0}, ValueError, ["save_every", "1 or more", "0"]),
    ({"ack": "later"}, ValueError, ["ack", "'auto' or 'manual'", "'later'"]),
    ({"restart": "no"}, TypeError, ["restart", "True or False", "'no'"]),
    ({"replace": 0}, TypeError, ["replace", "True or False", "0"]),
    ({"reader": ""}, ValueError, ["reader", '"default"', "''"]),
    ({"reader": 5}, ValueError, ["reader", '"default"', "5"]),
    ({"on_event": "print"}, TypeError, ["on_event", "plain function", "'print'"]),
    ({"on_event": tell}, TypeError, ["on_event", "plain function", "def, not async def"]),
    ({"reconnect": 5}, TypeError, ["reconnect", "ReconnectPolicy", "5"]),
    ({"config": {}}, TypeError, ["config", "SessionConfig", "{}"]),
]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    REFUSED,
    ids=[f"{number}-{next(iter(row[0]), None)}" for number, row in enumerate(REFUSED)],
)
def test_refused(options: dict[str, Any], error: type[Exception], words: list[str]) -> None:
    exchange = FakeExchange([TAPE])
    wanted: dict[str, Any] = {"symbols": "BTCUSDT", "source": exchange, **options}
    with pytest.raises(error) as raised:
        open_stream(wanted.pop("symbols"), **wanted)

    assert type(raised.value) is error
    for word in words:
        assert word in str(raised.value)

    assert (exchange.connects, exchange.open_transports, exchange.requests.total()) == (0, 0, 0)


def test_numbers_of_other_libraries_are_thresholds() -> None:
    numpy = pytest.importorskip("numpy")
    open_stream("BTCUSDT", threshold_dbps=numpy.int64(250), source=FakeExchange([TAPE]))
    open_stream("BTCUSDT", threshold_dbps=numpy.array([100, 250]), source=FakeExchange([TAPE]))
    open_stream("BTCUSDT", start=numpy.int64(7), bar_buffer=numpy.int32(5), source=FakeExchange([TAPE]))


def test_symbols_need_not_be_ascii() -> None:
    """The exchange lists some in Chinese; a URL has their bytes."""
    open_stream("币安人生USDT", source=FakeExchange([TAPE]))
    url = BinanceSpot().rules().connect_url(["币安人生USDT"])
    assert url.endswith("/ws/%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9Fusdt@aggTrade?timeUnit=MICROSECOND")
