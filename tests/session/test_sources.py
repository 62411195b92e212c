"""What a source states: its name in a store, how far back REST reaches, how many streams a connection takes."""

from __future__ import annotations

from typing import Any

import pytest

from rangebar_anyio import BinanceCoinFutures, BinanceSpot, BinanceUsdFutures
from rangebar_anyio._session import Connect
from tests.session.bench import Bench, lane

SOURCES = [(BinanceSpot, "binance-spot"), (BinanceUsdFutures, "binance-usdm"), (BinanceCoinFutures, "binance-coinm")]


@pytest.mark.parametrize(("source", "name"), SOURCES)
def test_a_source_states_its_reach_and_its_streams(source: Any, name: str) -> None:
    rules = source().rules()
    assert rules.venue == name
    assert ("first trade" in rules.reaches_back) == (name == "binance-spot")
    assert "less far than spot's" in rules.reaches_back or name == "binance-spot"
    bench = Bench([lane(f"S{number:04}") for number in range(rules.streams_per_connection + 1)], rules=rules)
    assert len(bench.all(Connect)) == 2


@pytest.mark.parametrize(("source", "name"), SOURCES)
@pytest.mark.parametrize(
    ("ws_url", "rest_url", "server"),
    [
        ("ws://127.0.0.1:9", "http://127.0.0.1:8", "127.0.0.1:9"),
        ("wss://example.org/", None, "example.org"),
        ("wss://user:secret@example.org:9443", None, "example.org:9443"),
        ("wss://Example.org:443", None, "example.org"),
        ("ws://[::1]:80/x", None, "[::1]"),
        ("ws://[::1]:443", None, "[::1]:443"),
        (None, "http://127.0.0.1:8", "127.0.0.1:8"),
        (None, "https://user:secret@example.org", "example.org"),
    ],
)
def test_another_server_has_another_name(
    source: Any, name: str, ws_url: str | None, rest_url: str | None, server: str
) -> None:
    """Whichever of the two addresses it is: trades of both sides go into one lane."""
    assert source(ws_url, rest_url).rules().venue == f"{name}@{server}"
    assert source(ws_url, rest_url, venue="mine").rules().venue == "mine"


@pytest.mark.parametrize(
    ("ws_url", "rest_url"),
    [
        ("wss://stream.binance.com:443", None),
        ("wss://stream.binance.com:9443/", "https://api.binance.com/"),
        ("wss://data-stream.binance.vision", "https://data-api.binance.vision"),
        (None, "https://api3.binance.com"),
        ("wss://stream.binance.com", "https://api.binance.com:443"),
        ("wss://STREAM.Binance.com:9443", "https://API.BINANCE.COM/"),
    ],
)
def test_the_exchanges_own_addresses_are_one_venue(ws_url: str | None, rest_url: str | None) -> None:
    rules = BinanceSpot(ws_url, rest_url, venue="mine").rules()
    assert BinanceSpot(ws_url, rest_url).rules().venue == "binance-spot"
    assert rules.servers == ("binance-spot", "binance-spot")


def test_the_futures_own_addresses_with_their_port() -> None:
    usd = BinanceUsdFutures("wss://fstream.binance.com:443", "https://FAPI.binance.com:443")
    assert usd.rules().venue == "binance-usdm"
    assert BinanceCoinFutures("wss://dstream.binance.com:443").rules().venue == "binance-coinm"
    # Another market's server, or one without TLS, is not this market's.
    assert BinanceUsdFutures("wss://dstream.binance.com").rules().venue == "binance-usdm@dstream.binance.com"
    assert BinanceSpot("ws://stream.binance.com").rules().venue == "binance-spot@stream.binance.com"


@pytest.mark.parametrize(("source", "name"), SOURCES)
def test_a_port_that_is_none_is_refused(source: Any, name: str) -> None:
    with pytest.raises(ValueError, match=r"ws_url 'wss://x:70000' is no address.*0-65535"):
        source("wss://x:70000")

    with pytest.raises(ValueError, match=r"rest_url .* is no address"):
        source(None, "https://x:http")
