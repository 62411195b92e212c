"""Columns of every kind: taken without a copy, taken by a copy, or refused with a reason and no change of state."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangebar_anyio import (
    InvalidColumnError,
    InvalidTradeError,
    OutOfOrderError,
    RangeBarProcessor,
    Trade,
)
from rangebar_anyio._columns import Column
from rangebar_anyio.testing import tapes, thresholds
from tests.engine.helpers import bars_of, columns

TAPE = [Trade(number, 100 + number % 7, "1.5", 1_000 * number, number % 3 == 0) for number in range(1, 200)]
BARS, FORMING = bars_of(TAPE, 1_000)


def push(**changes: Any) -> list[Any]:
    with RangeBarProcessor(1_000) as processor:
        return list(processor.push_columns(**{**columns(TAPE), **changes}))


def refused(error: type[Exception], message: str, **changes: Any) -> Any:
    """Push what must be refused by a processor that has a state, and see that the state stays."""
    with RangeBarProcessor(1_000) as processor:
        processor.push(Trade(0, 100, 1, 0, False))
        before = processor.snapshot()

        with pytest.raises(error, match=message) as caught:
            processor.push_columns(**{**columns(TAPE), **changes})

        assert processor.snapshot() == before
        return caught.value


def test_plain_buffers_are_enough() -> None:
    assert len(BARS) > 10
    assert push() == BARS


def test_no_rows_are_no_bars() -> None:
    with RangeBarProcessor(1_000) as processor:
        table = processor.push_columns(**columns([]))
        assert list(table) == []
        assert processor.last_agg_trade_id is None


@given(tapes(), thresholds(), st.booleans())
def test_float_columns_give_the_bars_of_the_exact_ones(tape: list[Trade], threshold_dbps: int, both: bool) -> None:
    # Below 2^49 units, where a float stands for one number.
    tape = [trade for trade in tape if max(trade.price_e8, trade.quantity_e8) < 2**49]
    given_columns = columns(tape)
    given_columns["price"] = array("d", [trade.price for trade in tape])

    if both:
        given_columns["quantity"] = array("d", [trade.quantity for trade in tape])

    with RangeBarProcessor(threshold_dbps) as processor:
        bars, forming = bars_of(tape, threshold_dbps)
        assert list(processor.push_columns(**given_columns)) == bars
        assert processor.forming == forming


def test_without_individual_ids_each_row_is_one_trade() -> None:
    assert push(first_trade_id=None, last_trade_id=None) == push(
        first_trade_id=array("q", range(1, 200)), last_trade_id=array("q", range(1, 200))
    )


def test_a_buffer_is_borrowed_and_not_copied() -> None:
    values = array("q", [1, 2, 3])
    column = Column("agg_trade_id", values, "integer")
    values[1] = 7
    assert column[1] == 7
    assert column.pointer == Column("agg_trade_id", values, "integer").pointer


NUMPY_LAYOUTS: dict[str, Callable[[Any, Any], Any]] = {
    "contiguous": lambda np, values: np.array(values),
    "read-only": lambda np, values: _read_only(np.array(values)),
    "every second": lambda np, values: np.repeat(np.array(values), 2)[::2],
    "backwards": lambda np, values: np.array(values)[::-1].copy()[::-1],
    "a column of a matrix": lambda np, values: np.column_stack([np.array(values), np.array(values)])[:, 0],
    "off the alignment": lambda np, values: _unaligned(np, np.array(values)),
    "little-endian by name": lambda np, values: np.array(values).astype(np.array(values).dtype.newbyteorder("<")),
}


def _read_only(values: Any) -> Any:
    values.setflags(write=False)
    return values


def _unaligned(np: Any, values: Any) -> Any:
    raw = np.frombuffer(b"x" + values.tobytes(), dtype=np.uint8)[1:]
    return raw.view(values.dtype) if values.dtype.itemsize == 1 else np.frombuffer(raw.data, dtype=values.dtype)


@pytest.mark.parametrize("layout", NUMPY_LAYOUTS)
def test_numpy_arrays_of_every_layout(layout: str) -> None:
    np: Any = pytest.importorskip("numpy")
    made = {name: NUMPY_LAYOUTS[layout](np, np.array(values)) for name, values in columns(TAPE).items()}
    assert push(**made) == BARS
    made["is_buyer_maker"] = NUMPY_LAYOUTS[layout](np, np.array([trade.is_buyer_maker for trade in TAPE]))
    made["price"] = NUMPY_LAYOUTS[layout](np, np.array([trade.price for trade in TAPE]))
    assert push(**made) == BARS


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_columns_of_other_libraries(library: str) -> None:
    module: Any = pytest.importorskip(library)
    pytest.importorskip("numpy")
    make = {"pandas": "Series", "polars": "Series", "pyarrow": "array"}[library]
    made = {name: getattr(module, make)(list(values)) for name, values in columns(TAPE).items()}
    made["is_buyer_maker"] = getattr(module, make)([trade.is_buyer_maker for trade in TAPE])
    made["price"] = getattr(module, make)([trade.price for trade in TAPE])
    assert push(**made) == BARS


def test_datetime64_is_taken_in_microseconds_only() -> None:
    np: Any = pytest.importorskip("numpy")
    times = np.array([trade.timestamp_us for trade in TAPE])
    assert push(timestamp_us=times.astype("datetime64[us]")) == BARS
    refused(
        InvalidColumnError,
        r"^column timestamp_us: datetime64\[ms\] has another unit; convert it: .astype\('datetime64\[us\]'\)",
        timestamp_us=times.astype("datetime64[ms]"),
    )


@pytest.mark.parametrize(
    "dtype", ["float32", "int32", "uint64", "object", "complex128", "float16", "bool", "U4", ">i8"]
)
def test_other_dtypes_are_refused(dtype: str) -> None:
    np: Any = pytest.importorskip("numpy")
    wrong = np.array([1] * len(TAPE)).astype(dtype)

    for name in ("agg_trade_id", "timestamp_us", "price", "quantity", "first_trade_id"):
        error = refused(InvalidColumnError, f"^column {name}: .*convert it", **{name: wrong})
        assert isinstance(error, ValueError)
        assert isinstance(error, TypeError)


def test_a_side_is_a_bool_or_eight_bits() -> None:
    np: Any = pytest.importorskip("numpy")
    sides = np.array([trade.is_buyer_maker for trade in TAPE])
    assert push(is_buyer_maker=sides.astype(np.int8)) == BARS
    assert push(is_buyer_maker=bytes(sides)) == BARS
    refused(
        InvalidColumnError, "column is_buyer_maker: int64 is no column of bool", is_buyer_maker=sides.astype(np.int64)
    )


@pytest.mark.parametrize("value", [[1, 2, 3], "123", None, 7, {"a": 1}, object()])
def test_what_is_no_column_is_refused(value: object) -> None:
    refused(InvalidColumnError, f"column price: {type(value).__name__} is no column; give a NumPy array", price=value)


def test_more_than_one_dimension_is_refused() -> None:
    flat = memoryview(columns(TAPE)["price"])
    matrix = flat.cast("B").cast("q", (199, 1))
    refused(InvalidColumnError, "column price: 2 dimensions make no column", price=matrix)


def test_columns_of_unlike_length_are_refused() -> None:
    short = array("q", [1] * 198)
    refused(InvalidColumnError, "column price: 198 rows are not the 199 of agg_trade_id", price=short)
    refused(InvalidColumnError, "column last_trade_id: 198 rows", last_trade_id=short)


def test_one_individual_id_alone_is_refused() -> None:
    refused(InvalidColumnError, "column first_trade_id: it is missing beside the other id", first_trade_id=None)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("price", 0, "row 7: price '0' is not above zero"),
        ("price", -5, "row 7: price '-0.00000005' is not above zero"),
        ("quantity", -(10**8), "row 7: quantity '-1' is below zero; the side is is_buyer_maker"),
        ("timestamp_us", -1, "row 7: timestamp_us -1 is before 1970"),
        ("timestamp_us", 2**62, "row 7: timestamp_us .* after the year 9999"),
        ("first_trade_id", -1, "row 7: last_trade_id 8 is below first_trade_id, or one of them is below zero"),
        ("last_trade_id", 3, "row 7: last_trade_id 3 is below first_trade_id"),
        ("agg_trade_id", -1, "row 7: agg_trade_id -1 is below zero"),
    ],
)
def test_a_bad_row_is_named(name: str, value: int, message: str) -> None:
    given_columns = columns(TAPE)
    given_columns[name][7] = value
    error = refused(InvalidTradeError, message, **given_columns)
    assert error.index == 7


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "nan is no finite number"),
        (float("inf"), "inf is no finite number"),
        (1 / 3, "0.333.* is not within 4 ulp"),
        (1e300, "1e.300 is out of range"),
        (1e12, "1000000000000.0 is out of range"),
        (1e-9, "1e-09 is not within 4 ulp"),
    ],
)
def test_a_bad_float_is_named(value: float, message: str) -> None:
    for name in ("price", "quantity"):
        floats = array("d", [1.0] * len(TAPE))
        floats[11] = value
        error = refused(InvalidTradeError, f"row 11: {name} {message}", **{name: floats})
        assert (error.field, error.index) == (name, 11)


def test_a_negative_float_is_named() -> None:
    floats = array("d", [1.0] * len(TAPE))
    floats[3] = -0.5
    refused(InvalidTradeError, "row 3: price -0.5 is not above zero", price=floats)
    refused(InvalidTradeError, "row 3: quantity -0.5 is below zero", quantity=floats)


@pytest.mark.parametrize("again", [8, 7, 1, 0])
def test_ids_that_repeat_or_go_back_are_refused(again: int) -> None:
    given_columns = columns(TAPE)
    given_columns["agg_trade_id"][8] = again
    error = refused(OutOfOrderError, f"row 8: agg_trade_id {again} is not above 8, the one before it", **given_columns)
    assert (error.agg_trade_id, error.last_agg_trade_id, error.index) == (again, 8, 8)


def test_the_first_row_is_compared_with_the_last_trade_taken() -> None:
    given_columns = columns(TAPE)
    given_columns["agg_trade_id"][0] = 0
    error = refused(OutOfOrderError, "row 0: agg_trade_id 0 is not above 0", **given_columns)
    assert error.last_agg_trade_id == 0


def test_a_sum_that_leaves_its_range_is_refused() -> None:
    largest = 2**63 - 1
    wide = {"price": array("q", [largest] * 199), "quantity": array("q", [largest] * 199)}
    refused(InvalidTradeError, "row 3: quantity .* takes a sum over the bar out of its range", **wide)


def test_a_masked_array_is_refused() -> None:
    np: Any = pytest.importorskip("numpy")
    masked = np.ma.masked_equal(np.array(columns(TAPE)["price"]), 100 * 10**8)
    refused(InvalidColumnError, "column price: a masked array may miss values", price=masked)


def test_missing_values_are_refused() -> None:
    pyarrow: Any = pytest.importorskip("pyarrow")
    numbers = [None, *range(2, 200)]
    refused(
        InvalidColumnError, "column agg_trade_id: float64 is no column of int64", agg_trade_id=pyarrow.array(numbers)
    )
    refused(InvalidTradeError, "row 0: price nan is no finite number", price=pyarrow.array([None, *[1.5] * 198]))


def test_the_memory_of_a_processor_does_not_grow_with_the_trades() -> None:
    statm = Path("/proc/self/statm")

    if not statm.exists():
        pytest.skip("only Linux says how much memory a process uses in a file")

    if "asan" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("AddressSanitizer keeps freed memory for a while")

    def used() -> int:
        return int(statm.read_text().split()[1]) * 4096

    rows = 20_000
    ids, price = array("q", range(rows)), array("q", [10**8] * rows)
    ones, sides = array("q", [10**8] * rows), bytes(rows)

    with RangeBarProcessor(100_000) as processor:

        def push_all(rounds: range) -> int:
            for number in rounds:
                numbers = memoryview(array("q", range(number * rows, (number + 1) * rows)))
                processor.push_columns(
                    agg_trade_id=numbers, timestamp_us=ids, price=price, quantity=ones, is_buyer_maker=sides
                )

            return used()

        before = push_all(range(20))
        after = push_all(range(20, 120))
        forming = processor.forming

    assert forming is not None
    assert forming.agg_record_count == 120 * rows
    assert after - before < 4 * 2**20
