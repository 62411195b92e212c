"""Bars as columns: every way out shows the same values, and memory lives as long as somebody looks at it."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangebar_anyio import Bar, BarTable, RangeBarProcessor, Trade
from rangebar_anyio.testing import tapes, thresholds
from tests.engine.helpers import bars_of, columns

ROOT = Path(__file__).parents[2]
TAPE = [Trade(number, 100 + number % 7, "1.5", 1_000 * number, number % 3 == 0) for number in range(1, 200)]
EXACT = [
    "open", "high", "low", "close", "volume", "turnover", "vwap", "buy_volume", "sell_volume", "buy_turnover",
    "sell_turnover",
]  # fmt: skip


def table_of(tape: list[Trade], threshold_dbps: int = 1_000, symbol: str = "BTCUSDT") -> BarTable:
    with RangeBarProcessor(threshold_dbps, symbol=symbol) as processor:
        return processor.push_columns(**columns(tape))


@pytest.fixture
def table() -> BarTable:
    return table_of(TAPE)


@pytest.fixture
def empty() -> BarTable:
    return table_of([])


def test_a_table_is_a_sequence_of_bars(table: BarTable) -> None:
    bars = list(table)
    assert len(bars) == len(table) > 20
    assert [table[at] for at in range(len(table))] == bars
    assert table[-1] == bars[-1]
    assert all(bar.symbol == "BTCUSDT" and bar.threshold_dbps == 1_000 and bar.is_closed for bar in bars)
    assert table[2] in table

    with pytest.raises(IndexError):
        table[len(table)]


@given(st.slices(71))
def test_slices_are_those_of_a_list(cut: slice) -> None:
    table = table_of(TAPE)
    assert len(table) == 71
    assert list(table[cut]) == list(table)[cut]


def test_tables_compare_by_their_bars(table: BarTable) -> None:
    assert table == table_of(TAPE)
    assert table[:0] == table_of([])
    assert table[1:] != table
    assert table != table_of(TAPE, symbol="ETHUSDT")
    assert table != list(table)
    assert BarTable.concat([table[:10], table[10:20], table[20:]]) == table

    with pytest.raises(ValueError, match="one symbol, threshold and venue"):
        BarTable.concat([table, table_of(TAPE, symbol="ETHUSDT")])

    with pytest.raises(ValueError, match="at least one"):
        BarTable.concat([])


def test_a_table_survives_pickle(table: BarTable, empty: BarTable) -> None:
    assert pickle.loads(pickle.dumps(table)) == table
    assert pickle.loads(pickle.dumps(empty)) == empty


def test_a_table_cannot_be_changed_or_made_by_hand(table: BarTable) -> None:
    with pytest.raises(AttributeError, match="cannot be changed"):
        table.symbol = "ETHUSDT"

    with pytest.raises(AttributeError, match="cannot be changed"):
        del table.symbol

    with pytest.raises(TypeError, match="never made by hand"):
        BarTable()

    with pytest.raises(TypeError):
        hash(table)


def test_the_repr_says_how_much_and_when(table: BarTable, empty: BarTable) -> None:
    assert repr(table) == "<BarTable BTCUSDT 1000 dbps: 71 bars 1970-01-01 00:00:00 to 1970-01-01 00:00:00>"
    assert repr(empty) == "<BarTable BTCUSDT 1000 dbps: 0 bars>"


@given(tapes(), thresholds())
def test_numpy_columns_are_the_attributes_of_the_bars(tape: list[Trade], threshold_dbps: int) -> None:
    np: Any = pytest.importorskip("numpy")
    bars, _ = bars_of(tape, threshold_dbps)
    table = table_of(tape, threshold_dbps, symbol="")
    arrays = table.to_numpy()
    assert tuple(arrays) == BarTable.COLUMNS

    for name, values in arrays.items():
        expected = [bar[name] for bar in bars]

        if name in ("open_time", "close_time"):
            assert values.dtype == np.dtype("datetime64[us]")
            assert values.view("int64").tolist() == [bar[f"{name}_us"] for bar in bars]
        else:
            assert values.tolist() == expected


@given(tapes(), thresholds())
def test_exact_numpy_columns_are_whole_numbers(tape: list[Trade], threshold_dbps: int) -> None:
    pytest.importorskip("numpy")
    bars, _ = bars_of(tape, threshold_dbps)
    arrays = table_of(tape, threshold_dbps).to_numpy(exact=True)

    for name in EXACT:
        decimals = 16 if name.endswith("turnover") else 8
        units = arrays[f"{name}_e{decimals}"].tolist()
        assert units == [int(bar.exact(name).scaleb(decimals)) for bar in bars] or max(map(abs, units)) > 10**28
        assert units == [bar._units(name) for bar in bars]

    assert not set(EXACT) & set(arrays)
    assert len(arrays) == len(BarTable.COLUMNS)


@given(tapes(), thresholds())
def test_arrow_columns_are_the_attributes_of_the_bars(tape: list[Trade], threshold_dbps: int) -> None:
    pa: Any = pytest.importorskip("pyarrow")
    bars, _ = bars_of(tape, threshold_dbps)
    table = table_of(tape, threshold_dbps)
    floats, exact = pa.table(table), pa.table(table.exact)
    assert floats.column_names == exact.column_names == list(BarTable.COLUMNS)
    floats.validate(full=True)
    exact.validate(full=True)

    for name in BarTable.COLUMNS:
        assert floats[name].to_pylist() == [bar[name] for bar in bars]
        assert exact[name].to_pylist() == [bar.exact(name) if name in EXACT else bar[name] for bar in bars]


def test_the_arrow_types(table: BarTable) -> None:
    pa: Any = pytest.importorskip("pyarrow")
    schema, exact = pa.schema(table), pa.schema(table.exact)
    assert schema.field("open_time").type == pa.timestamp("us", "UTC")
    assert schema.field("close").type == pa.float64()
    assert schema.field("last_agg_trade_id").type == pa.int64()
    assert exact.field("close").type == pa.decimal128(38, 8)
    assert exact.field("turnover").type == pa.decimal128(38, 16)
    assert exact.field("ofi").type == pa.float64()
    assert pa.table(table).schema == schema
    assert pa.RecordBatchReader.from_stream(table).schema == schema


def test_a_sum_beyond_arrows_decimals_is_an_error() -> None:
    raw = bytearray(bytes(table_of(TAPE)._rows[:176]))
    raw[64:80] = (10**38).to_bytes(16, "little")
    table = BarTable._from_rows(memoryview(bytes(raw)), threshold_dbps=250)
    table.__arrow_c_stream__()

    with pytest.raises(OverflowError, match="38 digits"):
        table.exact.__arrow_c_stream__()

    raw[64:80] = (10**38 - 1).to_bytes(16, "little")
    BarTable._from_rows(memoryview(bytes(raw)), threshold_dbps=250).exact.__arrow_c_stream__()


@pytest.mark.parametrize("rows", [0, 5])
def test_pandas_and_polars(table: BarTable, rows: int) -> None:
    pandas: Any = pytest.importorskip("pandas")
    polars: Any = pytest.importorskip("polars")
    bars = list(table[:rows])
    frame = table[:rows].to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert str(frame["open_time"].dtype) == "datetime64[us, UTC]"
    assert [time.to_pydatetime() for time in frame["open_time"]] == [bar.open_time for bar in bars]
    assert frame["close"].tolist() == [bar.close for bar in bars]

    frames = table[:rows].to_polars(), polars.DataFrame(table[:rows])

    for other in frames:
        assert tuple(other.columns) == BarTable.COLUMNS
        assert other["close_time"].to_list() == [bar.close_time for bar in bars]
        assert other["ofi"].to_list() == [bar.ofi for bar in bars]

    assert table[:rows].to_polars(exact=True)["turnover"].to_list() == [bar.exact("turnover") for bar in bars]


@pytest.mark.parametrize("library", ["numpy", "pandas", "polars"])
def test_a_library_that_is_not_there_says_which_extra_has_it(
    table: BarTable, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("rangebar_anyio._bar_table.import_module", missing)

    with pytest.raises(ModuleNotFoundError, match=rf"pip install 'rangebar-anyio\[{library}\]'"):
        getattr(table, f"to_{library}")()


def test_what_arrow_was_given_outlives_everything() -> None:
    pa: Any = pytest.importorskip("pyarrow")
    expected = [bar.close for bar in table_of(TAPE)]
    arrow = pa.table(table_of(TAPE))
    column = arrow["close"]
    del arrow
    gc.collect()
    noise = [table_of(TAPE) for _ in range(20)]
    assert column.to_pylist() == expected
    assert len(noise) == 20


def test_memory_lives_as_long_as_a_view_of_it() -> None:
    expected = list(table_of(TAPE))
    table = table_of(TAPE)
    part = table[3:5]
    bars = iter(table)
    del table
    gc.collect()
    noise = [table_of(TAPE) for _ in range(20)]
    assert list(part) == expected[3:5]
    assert list(bars) == expected
    assert len(noise) == 20


def test_streams_and_schemas_may_be_left_consumed_twice_or_half_way(table: BarTable) -> None:
    pa: Any = pytest.importorskip("pyarrow")

    for _ in range(50):
        table.__arrow_c_stream__()
        table.__arrow_c_schema__()
        table.exact.__arrow_c_stream__(requested_schema=None)
        reader = pa.RecordBatchReader.from_stream(table)
        del reader
        gc.collect(0)

    class Once:
        """Gives out the same capsule again."""

        def __init__(self) -> None:
            self.capsule = table.__arrow_c_stream__()

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return self.capsule

    once = Once()
    assert pa.table(once).num_rows == len(table)

    with pytest.raises(pa.ArrowInvalid):
        pa.table(once)


def test_a_stream_gives_one_batch_and_then_ends(table: BarTable, empty: BarTable) -> None:
    pa: Any = pytest.importorskip("pyarrow")

    for each in (table, empty, table.exact, empty.exact):
        batches = list(pa.RecordBatchReader.from_stream(each))
        assert [batch.num_rows for batch in batches] == [len(each)]


def test_bars_of_a_table_keep_nothing_alive(table: BarTable) -> None:
    bar = table[0]
    assert isinstance(bar, Bar)
    assert isinstance(bar._raw, bytes)


SHUTDOWN = """
import gc, threading
import {module} as arrow
from rangebar_anyio import RangeBarProcessor
from tests.engine.test_bar_table import TAPE, table_of
table = table_of(TAPE)
capsules = [table.__arrow_c_stream__(), table.__arrow_c_schema__(), table.exact.__arrow_c_stream__()]
held = [arrow.{make}(table), arrow.{make}(table_of(TAPE))]
cycle = [table.__arrow_c_stream__()]
cycle.append(cycle)
processor = RangeBarProcessor(250)
"""


@pytest.mark.parametrize(("module", "make"), [("pyarrow", "table"), ("polars", "DataFrame")])
def test_whatever_is_left_at_the_end_of_the_program_is_freed_quietly(module: str, make: str) -> None:
    pytest.importorskip(module)
    code = SHUTDOWN.format(module=module, make=make)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
