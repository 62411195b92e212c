"""A bar as a value: attributes, mapping, exact decimals, equality."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given

from rangebar_anyio import Bar, RangeBarProcessor, Trade
from rangebar_anyio.testing import tapes, thresholds
from tests.engine.helpers import bars_of, trade

RULE_FIELDS = """
    open_time_us close_time_us open high low close volume turnover vwap buy_volume sell_volume buy_turnover
    sell_turnover individual_trade_count agg_record_count buy_trade_count sell_trade_count first_trade_id last_trade_id
    first_agg_trade_id last_agg_trade_id duration_us ofi vwap_close_deviation price_impact kyle_lambda_proxy
    trade_intensity volume_per_trade aggression_ratio aggregation_density turnover_imbalance
""".split()  # noqa: SIM905 - thirty lines of quotes say no more


@pytest.fixture
def bar() -> Bar:
    with RangeBarProcessor(250, symbol="BTCUSDT") as processor:
        processor.push(Trade(7, "100.5", "2", 1_700_000_000_000_000, False, 10, 12))
        processor.push(Trade(9, "100.4", "0.5", 1_700_000_000_250_000, True, 13, 13))
        closed = processor.push(Trade(10, "101", "1.25", 1_700_000_001_000_000, False, 14, 15))

    assert closed is not None
    return closed


def test_the_fields_of_a_bar(bar: Bar) -> None:
    assert (bar.open, bar.high, bar.low, bar.close) == (100.5, 101.0, 100.4, 101.0)
    assert (bar.volume, bar.buy_volume, bar.sell_volume) == (3.75, 3.25, 0.5)
    assert (bar.turnover, bar.buy_turnover, bar.sell_turnover) == (377.45, 327.25, 50.2)
    assert bar.vwap == 100.65333333
    assert (bar.individual_trade_count, bar.buy_trade_count, bar.sell_trade_count) == (6, 5, 1)
    assert (bar.agg_record_count, bar.missing_trades) == (3, 1)
    assert (bar.first_trade_id, bar.last_trade_id, bar.first_agg_trade_id, bar.last_agg_trade_id) == (10, 15, 7, 10)
    assert bar.open_time == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert (bar.open_time_us, bar.close_time_us, bar.duration_us) == (
        1_700_000_000_000_000,
        1_700_000_001_000_000,
        1_000_000,
    )
    assert bar.trade_intensity == 6.0
    assert bar.aggression_ratio == 5.0
    assert bar.aggregation_density == 2.0
    assert (bar.symbol, bar.venue, bar.threshold_dbps, bar.is_closed) == ("BTCUSDT", "", 250, True)
    assert bar.position == b"10"


def test_exact_gives_every_digit_whatever_the_decimal_context(bar: Bar) -> None:
    with localcontext() as context:
        context.prec = 2
        assert str(bar.exact("turnover")) == "377.45"
        assert str(bar.exact("vwap")) == "100.65333333"
        assert str(bar.exact("individual_trade_count")) == "6"
        assert str(bar.exact("open_time_us")) == "1700000000000000"


@pytest.mark.parametrize("name", ["ofi", "symbol", "open_time", "is_closed", "nothing", "_raw", "exact"])
def test_what_has_no_exact_decimal_is_a_key_error(bar: Bar, name: str) -> None:
    with pytest.raises(KeyError, match="has no exact decimal"):
        bar.exact(name)


def test_a_bar_is_a_mapping_of_all_its_fields(bar: Bar) -> None:
    fields = dict(bar)
    assert set(RULE_FIELDS) < set(fields)
    assert {"venue", "symbol", "threshold_dbps", "missing_trades", "is_closed", "open_time", "close_time"} < set(fields)
    assert len(fields) == len(bar)
    assert all(fields[name] == getattr(bar, name) == bar[name] for name in bar)
    assert "close" in bar
    assert "nothing" not in bar
    assert bar.get("nothing") is None
    assert json.loads(json.dumps(fields, default=str))["close"] == 101.0

    for name in ("nothing", "_raw", "exact", "position"):
        with pytest.raises(KeyError):
            bar[name]


def test_bars_are_equal_when_exactly_equal_wherever_they_come_from(bar: Bar) -> None:
    def made(**changes: Any) -> Bar:
        fields: dict[str, Any] = {"threshold_dbps": 250, "symbol": "BTCUSDT"}
        return Bar._from_raw(**{"raw": bar._raw, **fields, **changes})

    assert made() == bar
    assert hash(made()) == hash(bar)
    assert made(venue="binance-spot", position=b"x") == bar
    assert made(venue="binance-spot", position=b"x").position == b"x"
    assert made(threshold_dbps=251) != bar
    assert made(symbol="ETHUSDT") != bar
    assert made(is_closed=False) != bar
    assert made(raw=bar._raw[:-1] + b"\x01") != bar
    assert bar != dict(bar)


@given(tapes(min_size=1), thresholds())
def test_bars_survive_pickle_and_copy(tape: list[Trade], threshold_dbps: int) -> None:
    bars, forming = bars_of(tape, threshold_dbps)

    for bar in [*bars, *([forming] if forming else [])]:
        for again in (pickle.loads(pickle.dumps(bar)), copy.copy(bar), copy.deepcopy(bar)):
            assert again == bar
            assert dict(again) == dict(bar)
            assert again.position == bar.position


def test_a_bar_cannot_be_changed_or_made_by_hand(bar: Bar) -> None:
    with pytest.raises(AttributeError, match="cannot be changed"):
        bar.close = 1.0

    with pytest.raises(AttributeError, match="cannot be changed"):
        del bar.symbol

    with pytest.raises(TypeError, match="never made by hand"):
        Bar()

    with pytest.raises(ValueError, match="176 bytes, not 3"):
        Bar._from_raw(b"abc", threshold_dbps=250)


def test_the_repr_says_what_people_look_for(bar: Bar) -> None:
    assert repr(bar) == (
        "<Bar BTCUSDT 250 dbps 2023-11-14T22:13:20.000000 to 2023-11-14T22:13:21.000000 "
        "open=100.5 high=101 low=100.4 close=101 volume=3.75 ids 7 to 10>"
    )


def test_a_forming_bar_is_marked_and_nothing_can_start_inside_it() -> None:
    with RangeBarProcessor(250) as processor:
        assert processor.forming is None
        processor.push(trade(1))
        forming = processor.forming

    assert forming is not None
    assert forming.is_closed is False
    assert forming.position == b""
    assert "forming" in repr(forming)


def test_floats_are_the_nearest_to_the_exact_value() -> None:
    with RangeBarProcessor(100_000) as processor:
        processor.push(Trade(1, "92233720368.54775807", "92233720368.54775807", 1, False))
        forming = processor.forming

    assert forming is not None
    units = (2**63 - 1) ** 2
    assert forming.turnover == units / 10**16
    assert forming.exact("turnover") == Decimal(f"{units // 10**16}.{units % 10**16:016}")
    assert forming.volume == 92233720368.54775807
