"""The three markets keep the contract of a source, and so does what wraps them."""

from __future__ import annotations

import httpx
import pytest

from rangebar_anyio import BinanceCoinFutures, BinanceSpot, BinanceUsdFutures
from rangebar_anyio.testing import check_trade_source
from tests.sources.wrapped import Wrapped

pytestmark = pytest.mark.anyio


async def test_spot_keeps_the_contract() -> None:
    await check_trade_source(BinanceSpot)


async def test_usd_futures_keep_the_contract() -> None:
    await check_trade_source(BinanceUsdFutures, venue="usd-m")


async def test_coin_futures_keep_the_contract() -> None:
    await check_trade_source(BinanceCoinFutures, venue="coin-m")


async def test_a_wrapper_keeps_the_contract() -> None:
    await check_trade_source(Wrapped)


async def test_a_client_of_the_program_is_left_open() -> None:
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=None)) as client:
        await check_trade_source(lambda ws_url, rest_url: BinanceSpot(ws_url, rest_url, client))
        assert not client.is_closed
