"""Every error builds its message from its fields, survives a pickle, and is what Python programs expect it to be."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import rangebar_anyio as rb

ERRORS: list[tuple[rb.RangeBarError, str]] = [
    (rb.InvalidTradeError("price", "-1", "has a sign", "write none", 3), "row 3: price '-1' has a sign; write none"),
    (rb.InvalidTradeError("price", 0, "is not above zero"), "price 0 is not above zero"),
    (rb.InvalidColumnError("price", "float32", "is no column of int64"), "column price: float32 is no column of int64"),
    (rb.InvalidThresholdError(0), "threshold_dbps 0 is no whole number from 1 to 100000"),
    (rb.InvalidSymbolError("NOPE", "is not listed", "look at exchangeInfo", "binance-spot"), "symbol 'NOPE' is not"),
    (
        rb.InvalidStartError("then", "is no place to start from", 'write "live"'),
        "start='then' is no place to start from; ",
    ),
    (rb.OutOfOrderError(4, 5, 1), "row 1: agg_trade_id 4 is not above 5"),
    (rb.SnapshotError("checksum", "is damaged"), "the snapshot is damaged; start from"),
    (rb.ResourceClosedError("RangeBarProcessor"), "this RangeBarProcessor is closed"),
    (rb.ResourceBusyError("RangeBarProcessor"), "another thread is inside this RangeBarProcessor"),
    (rb.InternalError("RangeBarProcessor", -3), "failed inside this RangeBarProcessor (status -3)"),
    (rb.AbiMismatchError("C interface version", 2, 1, "/lib.so"), "/lib.so has C interface version 1, but"),
    (rb.LibraryNotLoadedError("/lib.so", "no such file"), "/lib.so could not be loaded (no such file)"),
    (rb.ConnectionLostError("binance-spot", "refused", 5, "wait"), "lost after 5 attempts: refused; wait"),
    (rb.ProtocolError("binance-spot", "milliseconds came"), "binance-spot: milliseconds came"),
    (rb.GapUnfillableError("binance-spot", "BTCUSDT", 5, 9), "binance-spot: BTCUSDT trades 5 to 9 cannot be fetched"),
    (rb.GapUnfillableError("binance-spot", "BTCUSDT", 5, 5, "gone"), "BTCUSDT trade 5 cannot be fetched (gone)"),
    (rb.StoreError("the disk is full", remedy="make room", store="bars.db"), "bars.db: the disk is full; make room"),
    (rb.CheckpointMismatchError(lane="a/b", field="gate", stored=1, found=2), "lane a/b: the store holds gate 1, but"),
]


@pytest.mark.parametrize(("error", "text"), ERRORS)
def test_the_message_is_made_of_the_fields(error: rb.RangeBarError, text: str) -> None:
    assert text in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_every_public_error_is_among_them() -> None:
    public = {getattr(rb, name) for name in rb.__all__ if name.endswith("Error")} - {rb.RangeBarError}
    assert {type(error) for error, _ in ERRORS} == public


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (rb.InvalidTradeError, ValueError),
        (rb.InvalidColumnError, TypeError),
        (rb.InvalidThresholdError, ValueError),
        (rb.InvalidSymbolError, ValueError),
        (rb.InvalidStartError, ValueError),
        (rb.AbiMismatchError, ImportError),
        (rb.LibraryNotLoadedError, ImportError),
    ],
)
def test_errors_are_also_what_python_calls_them(error: type[Exception], base: type[Exception]) -> None:
    assert issubclass(error, base)
    assert issubclass(error, rb.RangeBarError)


class BrokenRepr:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def test_long_and_broken_values_do_not_hide_the_message() -> None:
    long: Any = rb.InvalidTradeError("price", "9" * 10_000, "is out of range")
    assert str(long).endswith("... (10002 characters) is out of range")
    assert len(str(long)) < 200
    assert str(rb.InvalidTradeError("price", BrokenRepr(), "is no number")) == "price <BrokenRepr> is no number"
