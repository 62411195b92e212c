"""The invariants of RANGE_BARS, one test each, over random tapes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rangebar_anyio import RangeBarProcessor, Trade
from rangebar_anyio.testing import check_bar, check_bars, check_tape, tapes, thresholds
from tests.engine.helpers import bars_of, columns, push_each
from tests.oracle import Oracle, assert_equal

Tape = list[Trade]


@given(tapes(), thresholds())
def test_low_open_close_vwap_high_and_buy_plus_sell_is_the_total(tape: Tape, threshold_dbps: int) -> None:
    bars, forming = bars_of(tape, threshold_dbps)

    for bar in [*bars, *([forming] if forming else [])]:
        check_bar(bar)


@given(tapes(), thresholds(), st.booleans())
def test_a_closed_bar_breaches_with_its_last_trade_and_with_no_earlier_one(
    tape: Tape, threshold_dbps: int, same_timestamp_close: bool
) -> None:
    bars, forming = bars_of(tape, threshold_dbps, same_timestamp_close=same_timestamp_close)
    check_tape(tape, bars, forming, same_timestamp_close=same_timestamp_close)


@given(tapes(), thresholds())
def test_nothing_lost_and_nothing_twice(tape: Tape, threshold_dbps: int) -> None:
    bars, forming = bars_of(tape, threshold_dbps)
    check_bars(bars, forming)
    missing = sum(bar.missing_trades for bar in [*bars, *([forming] if forming else [])])
    ids = tape[-1].agg_trade_id - tape[0].agg_trade_id + 1 if tape else 0
    assert missing == ids - len(tape)


@given(tapes(), thresholds(), st.booleans())
def test_every_field_is_the_oracles(tape: Tape, threshold_dbps: int, same_timestamp_close: bool) -> None:
    oracle = Oracle(threshold_dbps, same_timestamp_close=same_timestamp_close)

    with RangeBarProcessor(threshold_dbps, same_timestamp_close=same_timestamp_close) as processor:
        for trade in tape:
            assert_equal(processor.push(trade), oracle.push(trade))
            assert_equal(processor.forming, oracle.forming)

        assert processor.time_reversals == oracle.time_reversals
        assert processor.last_agg_trade_id == oracle.last_agg_trade_id
        assert processor.last_timestamp_us == oracle.last_timestamp_us


@given(tapes(), thresholds(), st.lists(st.tuples(st.integers(0, 20), st.sampled_from(("each", "many", "columns")))))
def test_chunking_cannot_matter(tape: Tape, threshold_dbps: int, chunks: list[tuple[int, str]]) -> None:
    whole, forming = bars_of(tape, threshold_dbps)
    bars = []
    rest = tape

    with RangeBarProcessor(threshold_dbps) as processor:
        for size, way in [*chunks, (len(tape), "many")]:
            chunk, rest = rest[:size], rest[size:]

            if way == "each":
                bars += push_each(processor, chunk)
            elif way == "many":
                bars += processor.push_many(chunk)
            else:
                bars += processor.push_columns(**columns(chunk))

        assert bars == whole
        assert processor.forming == forming


@given(tapes(), thresholds(), st.data())
def test_snapshot_and_restore_at_any_trade_gives_equal_bars(
    tape: Tape, threshold_dbps: int, data: st.DataObject
) -> None:
    whole, forming = bars_of(tape, threshold_dbps)
    cut = data.draw(st.integers(0, len(tape)))

    with RangeBarProcessor(threshold_dbps) as before:
        bars = push_each(before, tape[:cut])
        snapshot = before.snapshot()

    with RangeBarProcessor.restore(snapshot) as after:
        assert after.snapshot() == snapshot
        bars += push_each(after, tape[cut:])
        assert bars == whole
        assert after.forming == forming


@given(tapes(), thresholds(), st.data())
def test_no_look_ahead(tape: Tape, threshold_dbps: int, data: st.DataObject) -> None:
    whole, _ = bars_of(tape, threshold_dbps)
    prefix = tape[: data.draw(st.integers(0, len(tape)))]
    bars, _ = bars_of(prefix, threshold_dbps)
    assert bars == whole[: len(bars)]


@given(tapes(), thresholds(), thresholds())
def test_two_thresholds_over_one_tape_do_not_influence_each_other(tape: Tape, narrow: int, wide: int) -> None:
    with RangeBarProcessor(narrow) as one, RangeBarProcessor(wide) as other:
        pairs = [(one.push(trade), other.push(trade)) for trade in tape]

    assert [bar for bar, _ in pairs if bar] == bars_of(tape, narrow)[0]
    assert [bar for _, bar in pairs if bar] == bars_of(tape, wide)[0]


@given(tapes(min_size=1), thresholds())
def test_the_position_alone_is_the_state_after_a_closed_bar(tape: Tape, threshold_dbps: int) -> None:
    whole, forming = bars_of(tape, threshold_dbps)

    for number, bar in enumerate(whole):
        rest = [trade for trade in tape if trade.agg_trade_id > bar.last_agg_trade_id]

        with RangeBarProcessor(threshold_dbps, last_agg_trade_id=bar.last_agg_trade_id) as processor:
            assert push_each(processor, rest) == whole[number + 1 :]
            assert processor.forming == forming
