"""A processor's life: arguments, errors that change nothing, closing, two threads, and no memory left behind."""

from __future__ import annotations

import gc
import pickle
import threading
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangebar_anyio import (
    Bar,
    InvalidThresholdError,
    InvalidTradeError,
    OutOfOrderError,
    RangeBarProcessor,
    ResourceBusyError,
    ResourceClosedError,
    Trade,
    _native,
)
from rangebar_anyio._native import lib
from tests.engine.helpers import bars_of, columns, trade

MAX = 2**63 - 1


@pytest.mark.parametrize("threshold", [1, 250, 100_000])
def test_thresholds_from_1_to_100000_are_taken(threshold: int) -> None:
    with RangeBarProcessor(threshold) as processor:
        assert processor.threshold_dbps == threshold


@pytest.mark.parametrize("threshold", [0, -1, 100_001, 2**40, 250.0, "250", None, True])
def test_other_thresholds_are_refused(threshold: Any) -> None:
    with pytest.raises(InvalidThresholdError, match=r"is no whole number from 1 to 100000; .* write 250") as caught:
        RangeBarProcessor(threshold)

    assert caught.value.value is threshold
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("position", [-2, 2**63, 1.5, "7", True])
def test_a_position_that_is_no_id_is_refused(position: Any) -> None:
    with pytest.raises(ValueError, match=r"last_agg_trade_id .* is no trade id"):
        RangeBarProcessor(250, last_agg_trade_id=position)


def test_numpy_integers_are_integers_here_too() -> None:
    np: Any = pytest.importorskip("numpy")

    with RangeBarProcessor(np.int32(250), last_agg_trade_id=np.int64(7)) as processor:
        assert (processor.threshold_dbps, processor.last_agg_trade_id) == (250, 7)

    for value in (np.bool_(True), np.array([250]), np.float64(250)):
        with pytest.raises(InvalidThresholdError):
            RangeBarProcessor(value)


def test_a_position_is_gone_on_from_and_what_lies_between_is_missing() -> None:
    with RangeBarProcessor(250, last_agg_trade_id=-1) as processor:
        assert processor.last_agg_trade_id == -1
        assert processor.last_timestamp_us == 0
        processor.push(trade(3))
        forming = processor.forming
        assert forming is not None
        assert forming.missing_trades == 3

    with RangeBarProcessor(250) as processor:
        assert processor.last_agg_trade_id is None
        processor.push(trade(3))
        assert processor.forming is not None
        assert processor.forming.missing_trades == 0


def test_a_jump_over_several_thresholds_is_one_bar() -> None:
    bars, forming = bars_of([trade(1), trade(2, "250")], 250)
    assert [(bar.open, bar.close) for bar in bars] == [(100, 250)]
    assert forming is None


def test_the_same_timestamp_gate() -> None:
    burst = [trade(1, us=5), trade(2, "101", us=5), trade(3, "100.1", us=6), trade(4, "101", us=6)]
    assert [bar.agg_record_count for bar in bars_of(burst, 250)[0]] == [4]
    assert [bar.agg_record_count for bar in bars_of(burst, 250, same_timestamp_close=True)[0]] == [2, 2]


def test_a_limit_is_reached_when_it_is_touched() -> None:
    for price, closes in (("100.25", True), ("100.24999999", False), ("99.75", True), ("99.75000001", False)):
        assert bool(bars_of([trade(1), trade(2, price)], 250)[0]) is closes


def test_the_least_delta_is_one_unit() -> None:
    bars, _ = bars_of([trade(1, "0.00000001"), trade(2, "0.00000002")], 1)
    assert len(bars) == 1


def test_at_the_top_of_the_range_nothing_overflows() -> None:
    largest = "92233720368.54775807"
    bars, forming = bars_of([trade(1, largest), trade(2, largest), trade(3, "0.00000001")], 100_000)
    assert [bar.low for bar in bars] == [] or bars[0].low == 1e-8
    assert bars or forming


@pytest.mark.parametrize("number", [5, 4, 0])
def test_an_id_that_does_not_ascend_changes_nothing(number: int) -> None:
    with RangeBarProcessor(250) as processor:
        processor.push_many([trade(1), trade(5)])
        before = processor.snapshot()

        with pytest.raises(OutOfOrderError, match=f"^agg_trade_id {number} is not above 5, the one before it") as one:
            processor.push(trade(number))

        with pytest.raises(OutOfOrderError, match=f"^row 2: agg_trade_id {number} is not above 7") as many:
            processor.push_many([trade(6), trade(7), trade(number)])

        with pytest.raises(OutOfOrderError, match=f"^row 0: agg_trade_id {number} is not above 5") as first:
            processor.push_many([trade(number)])

        assert (one.value.index, many.value.index, first.value.index) == (None, 2, 0)
        assert one.value.last_agg_trade_id == 5
        assert processor.snapshot() == before


def test_a_batch_with_closed_bars_before_the_bad_trade_closes_none() -> None:
    with RangeBarProcessor(250) as processor:
        with pytest.raises(OutOfOrderError):
            processor.push_many([trade(1), trade(2, "200"), trade(3), trade(4, "200"), trade(4)])

        assert processor.last_agg_trade_id is None
        assert processor.push(trade(1)) is None
        bar = processor.push(trade(2, "200"))
        assert bar is not None
        assert bar.agg_record_count == 2


def test_a_sum_that_leaves_its_range_is_refused() -> None:
    largest = Trade(1, "92233720368.54775807", "92233720368.54775807", 1, False)
    more = [Trade(number, largest.exact("price"), largest.exact("quantity"), 1, False) for number in (2, 3)]

    with RangeBarProcessor(250) as processor:
        processor.push(largest)
        processor.push(more[0])
        before = processor.snapshot()

        with pytest.raises(InvalidTradeError, match=r"quantity .* takes a sum over the bar out of its range"):
            processor.push(more[1])

        assert processor.snapshot() == before


def test_a_count_that_leaves_its_range_is_refused() -> None:
    with RangeBarProcessor(250) as processor:
        processor.push(Trade(1, 1, 1, 1, False, 0, MAX))

        with pytest.raises(InvalidTradeError, match="out of its range"):
            processor.push(Trade(2, 1, 1, 1, False, 0, MAX))


@pytest.mark.parametrize("value", [None, 1, "trade", (1, 2), object()])
def test_what_is_no_trade_is_a_type_error_that_says_what_to_write(value: Any) -> None:
    with RangeBarProcessor(250) as processor:
        with pytest.raises(TypeError, match=rf"push\(\) takes a Trade, and got a {type(value).__name__}; make one by"):
            processor.push(value)

        with pytest.raises(
            TypeError, match=rf"push_many\(\) takes an iterable of Trades, and got a {type(value).__name__}"
        ):
            processor.push_many([trade(1), value])

        assert processor.last_agg_trade_id is None


def test_push_many_takes_any_iterable_and_none_if_it_fails() -> None:
    def broken() -> Any:
        yield trade(5)
        raise LookupError

    with RangeBarProcessor(250) as processor:
        assert processor.push_many([]) == []
        assert processor.push_many(trade(number) for number in range(3)) == []

        with pytest.raises(LookupError):
            processor.push_many(broken())

        assert processor.last_agg_trade_id == 2


def test_time_that_goes_back_is_taken_and_counted() -> None:
    with RangeBarProcessor(250) as processor:
        processor.push_many([trade(1, us=10), trade(2, us=9), trade(3, us=9), trade(4, us=8), trade(5, us=11)])
        assert processor.time_reversals == 2
        assert processor.last_timestamp_us == 11
        assert processor.forming is not None


def used(processor: RangeBarProcessor) -> list[Any]:
    """Every way to use a processor."""
    return [
        lambda: processor.push(trade(1)),
        lambda: processor.push_many([trade(1)]),
        lambda: processor.push_many([]),
        lambda: processor.push_columns(**columns([trade(1)])),
        lambda: processor.forming,
        lambda: processor.snapshot(),
        lambda: processor.last_agg_trade_id,
        lambda: processor.last_timestamp_us,
        lambda: processor.time_reversals,
        lambda: processor.__enter__(),
    ]


def test_every_use_after_close_is_a_clear_error() -> None:
    processor = RangeBarProcessor(250, symbol="BTCUSDT")
    assert not processor.closed
    processor.close()
    processor.close()
    assert processor.closed

    for use in used(processor):
        with pytest.raises(ResourceClosedError, match="this RangeBarProcessor is closed; make a new one"):
            use()

    assert (processor.symbol, processor.threshold_dbps, processor.same_timestamp_close) == ("BTCUSDT", 250, False)
    assert repr(processor) == "<RangeBarProcessor BTCUSDT 250 dbps closed>"


def test_what_a_processor_gave_outlives_it() -> None:
    with RangeBarProcessor(250) as processor:
        processor.push(trade(1))
        bar = processor.push(trade(2, "200"))
        table = processor.push_columns(**columns([trade(3), trade(4, "200")]))
        forming = processor.forming

    del processor
    gc.collect()
    assert isinstance(bar, Bar)
    assert (bar.close, table[0].close, forming) == (200, 200, None)


def test_a_with_block_closes_also_after_an_exception() -> None:
    with pytest.raises(LookupError), RangeBarProcessor(250) as processor:
        raise LookupError

    assert processor.closed


def test_a_processor_is_not_pickled_by_accident() -> None:
    with RangeBarProcessor(250) as processor, pytest.raises(TypeError, match=r"send processor.snapshot\(\)"):
        pickle.dumps(processor)


class Frees:
    """Counts how often handles are freed, in place of the library."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made = 0
        self.freed = 0
        owned = _native.owned

        def counting(handle: Any, free: Any, size: int = 0) -> Any:
            self.made += 1

            def counted(pointer: Any) -> None:
                self.freed += 1
                free(pointer)

            return owned(handle, counted, size)

        monkeypatch.setattr("rangebar_anyio._processor.owned", counting)


def test_every_handle_is_freed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    frees = Frees(monkeypatch)

    with RangeBarProcessor(250) as closed:
        assert frees.freed == 0

    assert (frees.made, frees.freed) == (1, 1)
    closed.close()
    assert frees.freed == 1

    forgotten = RangeBarProcessor(250)
    alive = weakref.ref(forgotten)
    snapshot = forgotten.snapshot()
    del forgotten
    gc.collect()
    assert alive() is None
    assert (frees.made, frees.freed) == (2, 2)

    cycle: list[Any] = [RangeBarProcessor.restore(snapshot)]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert (frees.made, frees.freed) == (3, 3)

    with pytest.raises(Exception, match="is expected"):
        RangeBarProcessor.restore(snapshot, threshold_dbps=1)

    gc.collect()
    assert (frees.made, frees.freed) == (4, 4)


def test_a_call_that_another_thread_is_inside_of_is_a_busy_error() -> None:
    """One thread is inside again and again, by a long batch that is refused at its end, until the other has met it."""
    tape = columns([trade(number) for number in range(1, 100_000)])
    tape["agg_trade_id"][-1] = 1
    processor = RangeBarProcessor(250)
    met = threading.Event()
    errors: list[ResourceBusyError] = []

    def work() -> None:
        while not met.is_set():
            try:
                processor.push_columns(**tape)
            except (OutOfOrderError, ResourceBusyError):
                pass

    thread = threading.Thread(target=work)
    thread.start()

    try:
        while not met.is_set():
            try:
                assert processor.last_agg_trade_id is None
            except ResourceBusyError as error:
                errors.append(error)
                met.set()
    finally:
        met.set()
        thread.join()

    assert "another thread is inside this RangeBarProcessor" in str(errors[0])
    processor.push(trade(1))
    processor.close()


def test_closing_while_another_thread_is_inside_lets_it_finish() -> None:
    tape = columns([trade(number, "100" if number % 2 else "110") for number in range(1, 100_000)])

    for _ in range(5):
        processor = RangeBarProcessor(250)
        outcomes: list[Any] = []

        def work(processor: RangeBarProcessor = processor, outcomes: list[Any] = outcomes) -> None:
            try:
                outcomes.append(len(processor.push_columns(**tape)))
            except ResourceClosedError:
                outcomes.append("closed")

        thread = threading.Thread(target=work)
        thread.start()
        processor.close()
        thread.join()
        assert outcomes in ([49_999], ["closed"])


def test_an_interrupted_call_does_not_shift_the_bars_of_later_ones() -> None:
    with RangeBarProcessor(100) as processor:
        processor.push(trade(1, "100"))
        # Ctrl-C between the two foreign calls of push.
        assert lib.rb_processor_push(processor._handle, trade(2, "102")._packed) == lib.RB_BAR_CLOSED

        processor.push(trade(3, "100"))
        bar = processor.push(trade(4, "102"))

        assert bar is not None
        assert (bar.first_agg_trade_id, bar.last_agg_trade_id) == (3, 4)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=30))
def test_threads_that_take_turns_are_fine(turns: list[int]) -> None:
    lock = threading.Lock()
    ids = iter(range(1, 10_000))

    with RangeBarProcessor(250) as processor:

        def work(count: int) -> None:
            for _ in range(count):
                with lock:
                    processor.push(trade(next(ids)))

        threads = [threading.Thread(target=work, args=(count,)) for count in turns]

        for thread in threads:
            thread.start()

        for thread in threads:
            thread.join()

        assert processor.last_agg_trade_id == sum(turns)
