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
    ],
)
def test_the_exchanges_own_addresses_are_one_venue(ws_url: str | None, rest_url: str | None) -> None:
    assert BinanceSpot(ws_url, rest_url).rules().venue == "binance-spot"
