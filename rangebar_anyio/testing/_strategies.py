"""Hypothesis strategies for trades and tapes: the shapes that real markets have, and those that break programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from .._decimals import e8_text
from .._trade import MAX_TIMESTAMP_US, Trade

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ("tapes", "thresholds", "trades")

_MAX_ID = 2**63 - 1
_MAX_PRICE_E8 = 2**62
_QUANTITIES = st.one_of(
    st.integers(0, 10**9),
    st.sampled_from((0, 1, 10**8, 2**53 + 1, 2**62)),
)
_PRICES = st.one_of(
    st.integers(1, 10**14),
    st.sampled_from((1, 2, 99_999, 100_000, 10**8, 11_207_001_000_000, 2**53 + 1, _MAX_PRICE_E8)),
)
_ID_STEPS = st.sampled_from((1, 1, 1, 1, 1, 1, 2, 7))
_TIME_STEPS = st.one_of(st.sampled_from((0, 0, 0, 1, 1_000)), st.integers(-2_000, 10**7))
# In millionths of the price: most moves are small against the usual thresholds, some jump over several.
_MOVES = st.one_of(st.just(0), st.integers(-500, 500), st.integers(-5_000, 5_000), st.integers(-900_000, 2_000_000))


def thresholds() -> SearchStrategy[int]:
    """Give thresholds in decimal basis points: all that are legal, mostly the usual ones."""
    return st.one_of(st.sampled_from((1, 25, 100, 250, 1_000, 100_000)), st.integers(1, 100_000))


@st.composite
def trades(
    draw: DrawFn, agg_trade_id: int | None = None, price_e8: int | None = None, timestamp_us: int | None = None
) -> Trade:
    """Give single trades; what is not fixed by an argument is drawn.

    Args:
        agg_trade_id: its id.
        price_e8: its price in units of 10^-8.
        timestamp_us: its time in microseconds.
    """
    number = draw(st.integers(0, 2**62)) if agg_trade_id is None else agg_trade_id
    first = draw(st.one_of(st.just(number), st.integers(0, 2**40)))
    return Trade(
        number,
        e8_text(draw(_PRICES) if price_e8 is None else price_e8),
        e8_text(draw(_QUANTITIES)),
        draw(st.integers(0, MAX_TIMESTAMP_US)) if timestamp_us is None else timestamp_us,
        draw(st.booleans()),
        first,
        min(first + draw(st.integers(0, 9)), _MAX_ID),
    )


@st.composite
def tapes(draw: DrawFn, *, min_size: int = 0, max_size: int = 60, gaps: bool = True) -> list[Trade]:
    """Give tapes: ids ascend, prices walk and jump, times stand still, step on and sometimes back.

    Args:
        min_size: the fewest trades.
        max_size: the most trades.
        gaps: let ids be missing between trades.

    Example::

        @given(tapes(), thresholds())
        def test_my_consumer(tape, threshold_dbps):
            ...
    """
    steps = draw(
        st.lists(
            st.tuples(_ID_STEPS if gaps else st.just(1), _TIME_STEPS, _MOVES, st.randoms(use_true_random=False)),
            min_size=min_size,
            max_size=max_size,
        )
    )
    start = draw(st.sampled_from((0, 1, 26_129, 2**40)))
    time = draw(st.sampled_from((0, 1_700_000_000_000_000, MAX_TIMESTAMP_US)))
    return list(_walk(start, draw(_PRICES), time, steps))


def _walk(number: int, price_e8: int, time: int, steps: Iterable[tuple[int, int, int, Any]]) -> Iterable[Trade]:
    individual = 0

    for id_step, time_step, move, random in steps:
        number += id_step
        time = min(max(time + time_step, 0), MAX_TIMESTAMP_US)
        price_e8 = min(max(price_e8 + price_e8 * move // 1_000_000, 1), _MAX_PRICE_E8)
        quantity_e8 = random.choice((0, 1, random.randrange(10**10), random.randrange(2**56)))
        count = random.choice((1, 1, 2, random.randrange(1, 10)))
        yield Trade(
            number,
            e8_text(price_e8),
            e8_text(quantity_e8),
            time,
            random.random() < 0.5,
            individual,
            individual + count - 1,
        )
        individual += count
