"""The public `rangebar` 9.1.0 wheel as a second opinion, where it is installed: its batch path gives the same bars."""

from __future__ import annotations

import random
from typing import Any

import pytest

from rangebar_anyio import Bar, Trade
from tests.engine.helpers import bars_of

rangebar: Any = pytest.importorskip("rangebar")

# Its name of each of our fields.
EXACT = {
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "vwap": "vwap",
    "individual_trade_count": "individual_trade_count",
    "agg_record_count": "agg_record_count",
}
CLOSE = {
    "volume": "volume",
    "buy_volume": "buy_volume",
    "sell_volume": "sell_volume",
    "ofi": "ofi",
    "vwap_close_deviation": "vwap_close_deviation",
    "price_impact": "price_impact",
    "kyle_lambda_proxy": "kyle_lambda_proxy",
    "trade_intensity": "trade_intensity",
    "volume_per_trade": "volume_per_trade",
    "aggression_ratio": "aggression_ratio",
    "aggregation_density": "aggregation_density",
    "turnover_imbalance": "turnover_imbalance",
}


def tape(seed: int) -> list[Trade]:
    """A walk in milliseconds, since that is what the peer takes."""
    rng = random.Random(seed)
    price_e8 = 100 * 10**8
    time_ms = 1_700_000_000_000
    trades = []
    individual = 1

    for number in range(1, 4_000):
        price_e8 = max(10**6, price_e8 + rng.choice((0, 0, 1, -1, 5, -5, 200, -200)) * 10**6)
        time_ms += rng.choice((0, 0, 1, 40))
        count = rng.randint(1, 4)
        quantity = f"{rng.randrange(1, 10**6) / 1000:.3f}"
        price = f"{price_e8 / 10**8:.2f}"
        side = rng.random() < 0.5
        trades.append(Trade(number, price, quantity, time_ms * 1000, side, individual, individual + count - 1))
        individual += count

    return trades


def peer_bars(trades: list[Trade], threshold_dbps: int) -> list[dict[str, Any]]:
    rows = [
        {
            "timestamp": trade.timestamp_us // 1000,
            "price": trade.price,
            "quantity": trade.quantity,
            "first_trade_id": trade.first_trade_id,
            "last_trade_id": trade.last_trade_id,
            "agg_trade_id": trade.agg_trade_id,
            "is_buyer_maker": trade.is_buyer_maker,
        }
        for trade in trades
    ]
    bars: list[dict[str, Any]] = rangebar.RangeBarProcessor(threshold_dbps).process_trades(rows)
    return bars


def assert_same(bar: Bar, peer: dict[str, Any]) -> None:
    for ours, theirs in EXACT.items():
        assert bar[ours] == peer[theirs], ours

    for ours, theirs in CLOSE.items():
        assert abs(bar[ours] - peer[theirs]) <= 4e-16 * abs(bar[ours]), ours


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threshold_dbps", [10, 100, 250])
def test_the_peer_gives_the_same_bars(seed: int, threshold_dbps: int) -> None:
    trades = tape(seed)
    bars, _ = bars_of(trades, threshold_dbps)
    peers = peer_bars(trades, threshold_dbps)
    assert len(bars) > 20
    assert len(peers) == len(bars)

    for bar, peer in zip(bars, peers, strict=True):
        assert_same(bar, peer)
