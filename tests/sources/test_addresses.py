"""Addresses that people give, and what they are told when nothing answers there."""

from __future__ import annotations

import re
import socket

import httpx
import pytest

from rangebar_anyio import BinanceSpot, BinanceUsdFutures
from rangebar_anyio._sources._transport import ConnectRefused, RequestLost, Transport
from rangebar_anyio._sources._trouble import no_answer, not_reached

WS = "wss://stream.binance.com:9443"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("wss://127.0.0.1:99999", "ws_url 'wss://127.0.0.1:99999' is no address: Port out of range"),
        ("wss://127.0.0.1:abc", "is no address: Port could not be cast"),
        ("wss://127.0.0.1:0", "port 0 is none"),
        ("wss://:9443", "name a host, not 'wss://:9443'"),
        ("wss://", "name a host"),
        ("ws://[::1", "is no address: Invalid IPv6 URL"),
        ("wss://a b:1", "name a host"),
        ("http://127.0.0.1:1", "ws:// or wss://"),
        (f"{WS}/ws", f"is the server alone, not '{WS}/ws'; write {WS}"),
        (f"{WS}/stream?streams=btcusdt@aggTrade", f"write {WS}"),
        (f"{WS}/?timeUnit=MICROSECOND", f"write {WS}"),
    ],
)
def test_what_is_no_address_is_refused_at_once(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        BinanceSpot(ws_url=url)


@pytest.mark.parametrize("url", ["https://api.binance.com/api/v3", "https://api.binance.com/api/v3/aggTrades"])
def test_the_library_adds_the_paths_of_rest_by_itself(url: str) -> None:
    with pytest.raises(ValueError, match=r"rest_url is the server alone, .*; write https://api\.binance\.com$"):
        BinanceUsdFutures(rest_url=url)


@pytest.mark.parametrize("url", [WS, WS + "/", "ws://[::1]:80", "ws://me:secret@proxy/binance"])
def test_a_server_may_be_reached_through_a_path_of_its_own(url: str) -> None:
    assert BinanceSpot(ws_url=url).ws_url == url


@pytest.mark.anyio
async def test_a_server_that_is_not_there_is_named_with_the_reason() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{free.getsockname()[1]}"
        transport = Transport()
        with pytest.raises(ConnectRefused, match=rf"^cannot reach {server} \(connection refused\)$"):
            async with transport.connect(f"ws://{server}/ws"):
                pass

        with pytest.raises(RequestLost, match=rf"^cannot reach {server} \(connection refused\)$"):
            await transport.get(f"http://{server}/", [], [], timeout_s=10.0)

        await transport.aclose()


def test_a_failure_is_told_in_the_terms_of_the_network() -> None:
    url = "https://me:secret@api.binance.com/api/v3"
    inner = ExceptionGroup("unhandled errors in a TaskGroup (1 sub-exception)", [httpx.ReadError("gone")])
    assert not_reached(url, inner) == "cannot reach api.binance.com (ReadError: gone)"

    unknown = httpx.ConnectError("[Errno -2] Name or service not known")
    unknown.__cause__ = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert no_answer(url, unknown) == "cannot reach api.binance.com (name not known)"

    assert no_answer(url, TimeoutError()) == "no answer from api.binance.com (it takes too long)"
    assert no_answer(url, httpx.RemoteProtocolError("")) == "no answer from api.binance.com (RemoteProtocolError)"
    reset = httpx.ReadError("")
    reset.__cause__ = ConnectionResetError(104, "Connection reset by peer")
    assert no_answer(url, reset).endswith("(connection reset by peer)")
