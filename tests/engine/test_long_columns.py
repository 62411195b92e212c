"""Columns long enough for whole blocks of rows at once: equal to pushing trade by trade, good rows and bad."""

from __future__ import annotations

from array import array
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangebar_anyio import InvalidTradeError, OutOfOrderError, RangeBarProcessor, Trade
from rangebar_anyio._decimals import e8_text
from rangebar_anyio.testing import check_tape, thresholds
from tests.engine.helpers import columns, push_each

# With many examples this takes minutes.
pytestmark = pytest.mark.timeout(600)

SEEDS = st.integers(0, 2**32)
SIZES = st.sampled_from((127, 128, 129, 255, 256, 257, 511, 700, 1_500))
# Ticks as exchanges have them, one that leaves no common zeros, and prices beyond 32 bits of difference.
TICKS = st.sampled_from((10**6, 10**4, 1, 7, 10**12))


def market(rng: Random, size: int, tick: int) -> list[Trade]:
    """A calm walk with bursts in one time stamp, and now and then a gap, a step back in time, a jump or a huge size."""
    number, time, price = rng.choice((0, 5, 2**40)), 1_700_000_000_000_000, 60_000 * 10**8 // tick * tick
    trades = []
    individual = 1

    for _ in range(size):
        number += rng.choice((1,) * 60 + (2, 50))
        time = max(0, time + rng.choice((0, 0, 1, 900) * 20 + (-5, 10**6)))
        price = max(tick, price + tick * rng.choice((0, 0, 1, -1) * 20 + (300, -300)))
        quantity = rng.choice((rng.randrange(10**9),) * 40 + (0, rng.randrange(2**50)))
        count = rng.choice((1, 1, 1, 4))
        trades.append(
            Trade(
                number,
                e8_text(min(price, 2**62)),
                e8_text(quantity),
                time,
                rng.random() < 0.5,
                individual,
                individual + count - 1,
            )
        )
        individual += count

    return trades


def as_floats(given_columns: dict[str, Any]) -> dict[str, Any]:
    """The same columns with prices and quantities as floats; below 2^51 units each names one number."""
    floats = {name: array("d", [units / 10**8 for units in given_columns[name]]) for name in ("price", "quantity")}
    return {**given_columns, **floats}


@given(SEEDS, SIZES, TICKS, thresholds(), st.booleans(), st.booleans())
def test_long_columns_give_the_bars_of_single_trades(
    seed: int, size: int, tick: int, threshold_dbps: int, gate_off: bool, floats: bool
) -> None:
    rng = Random(seed)
    tape = market(rng, size, tick)

    with (
        RangeBarProcessor(threshold_dbps, same_timestamp_close=gate_off) as one,
        RangeBarProcessor(threshold_dbps, same_timestamp_close=gate_off) as many,
    ):
        expected = push_each(one, tape)
        cut = rng.randrange(size)
        floats = floats and max(trade.price_e8 for trade in tape) < 2**51
        parts = [as_floats(columns(part)) if floats else columns(part) for part in (tape[:cut], tape[cut:])]
        bars = [bar for part in parts for bar in many.push_columns(**part)]
        assert bars == expected
        assert many.snapshot() == one.snapshot()
        check_tape(tape, bars, many.forming, same_timestamp_close=gate_off)


BREAKS: list[tuple[str, int, type[Exception]]] = [
    ("agg_trade_id", -1, OutOfOrderError),
    ("agg_trade_id", 0, OutOfOrderError),
    ("price", 0, InvalidTradeError),
    ("price", -(2**63), InvalidTradeError),
    ("quantity", -1, InvalidTradeError),
    ("quantity", -(2**63), InvalidTradeError),
    ("timestamp_us", -1, InvalidTradeError),
    ("timestamp_us", 2**63 - 1, InvalidTradeError),
    ("first_trade_id", -1, InvalidTradeError),
    ("last_trade_id", -(2**63), InvalidTradeError),
    ("last_trade_id", 0, InvalidTradeError),
]


@pytest.mark.parametrize(("name", "value", "error"), BREAKS)
@given(SEEDS, SIZES, thresholds())
def test_one_bad_row_anywhere_is_named_and_nothing_is_taken(
    name: str, value: int, error: type[Exception], seed: int, size: int, threshold_dbps: int
) -> None:
    rng = Random(seed)
    tape = market(rng, size, 10**6)
    row = rng.randrange(1, size)
    broken: dict[str, Any] = columns(tape)
    broken[name][row] = value

    with RangeBarProcessor(threshold_dbps) as processor, RangeBarProcessor(threshold_dbps) as other:
        before = processor.snapshot()

        with pytest.raises((OutOfOrderError, InvalidTradeError)) as caught:
            processor.push_columns(**broken)

        refusal: Any = caught.value
        assert refusal.index == row
        assert isinstance(refusal, error) or name == "agg_trade_id"
        assert processor.snapshot() == before
        assert list(processor.push_columns(**columns(tape))) == other.push_many(tape)
        assert processor.snapshot() == other.snapshot()
