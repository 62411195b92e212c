"""The file as docs/store-format.md describes it: what other programs read in it, and the values that go in and out."""

from __future__ import annotations

import copy
import pickle
import sqlite3
from contextlib import closing
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangebar_anyio._decimals import padded_text
from rangebar_anyio._stores import (
    BeginSegment,
    Change,
    LaneFormat,
    LaneKey,
    Position,
    RecordBars,
    SaveSnapshot,
    Segment,
    Snapshot,
    SqliteStore,
    StoredBar,
    StoreReader,
    _schema,
    pack_bar,
)
from rangebar_anyio.testing._store_conformance import BEGIN, FORMAT, LANE, bar, position

FIELDS: dict[str, int] = {
    "open_time_us": 1_700_000_000_000_001,
    "close_time_us": 1_700_000_060_000_000,
    "open_e8": 11_207_001_000_000,
    "high_e8": 11_250_000_000_000,
    "low_e8": 11_200_000_000_000,
    "close_e8": 11_250_000_000_000,
    "volume_e8": 2**70 + 3,
    "turnover_e16": 10**25 + 7,
    "buy_volume_e8": 5,
    "buy_turnover_e16": 0,
    "individual_trade_count": 40,
    "buy_trade_count": 7,
    "agg_record_count": 21,
    "first_trade_id": 1000,
    "last_trade_id": 1039,
    "first_agg_trade_id": 100,
    "last_agg_trade_id": 120,
    "missing_trades": 2,
}


def written(path: Path, *more: Change) -> None:
    async def main() -> None:
        async with SqliteStore(path) as store:
            tape = (StoredBar(pack_bar(FIELDS), position(120)),)
            snapshot = Snapshot(position(120), 125, 1, 1, b"forming")
            changes: list[Change] = [BEGIN, RecordBars(LANE, tape), SaveSnapshot(LANE, snapshot), *more]
            await store.commit(await store.open([LANE]), changes)

    anyio.run(main)


def test_other_programs_can_read_the_bars(tmp_path: Path) -> None:
    written(tmp_path / "s.db")
    with closing(sqlite3.connect(tmp_path / "s.db")) as db:
        db.row_factory = sqlite3.Row
        (row,) = db.execute("SELECT * FROM bars").fetchall()
        plain = {name: row[name] for name in FIELDS if name in row.keys()}  # noqa: SIM118 - a row iterates its values
        assert plain == {name: value for name, value in FIELDS.items() if name in plain}
        assert len(plain) == 14
        (row,) = db.execute("SELECT * FROM readable_bars").fetchall()
        assert dict(row) == {
            "reader": "default",
            "venue": "binance-spot",
            "symbol": "BTCUSDT",
            "threshold_dbps": 250,
            "open_time": "2023-11-14T22:13:20.000001Z",
            "close_time": "2023-11-14T22:14:20.000000Z",
            "open": "112070.01000000",
            "high": "112500.00000000",
            "low": "112000.00000000",
            "close": "112500.00000000",
            "volume": "11805916207174.11303427",
            "turnover": "1000000000.0000000000000007",
            "buy_volume": "0.00000005",
            "buy_turnover": "0.0000000000000000",
            "individual_trade_count": 40,
            "agg_record_count": 21,
            "first_agg_trade_id": 100,
            "last_agg_trade_id": 120,
            "missing_trades": 2,
        }


_LANE = "reader, venue, symbol, threshold_dbps"
_BEGIN = "segment, time_unit, same_timestamp_gate, rule_version, origin_order, origin, origin_text"
_SNAPSHOT = "follows_order, follows, follows_text, last_id, missing_trades, version, data, saved_us"
CHECKED = {
    "positions": f"{_LANE}, {_BEGIN}, position_order, position, position_text, updated_us",
    "segments": f"{_LANE}, {_BEGIN}, previous_order, previous, previous_text, replaced_bars, started_us",
    "snapshots": f"{_LANE}, {_SNAPSHOT}",
    "bars": f"{_LANE}, first_agg_trade_id, packed, position, position_text",
}


@pytest.mark.tree
@pytest.mark.parametrize("table", list(CHECKED))
def test_the_checksum_is_made_as_the_page_says(tmp_path: Path, table: str) -> None:
    written(tmp_path / "s.db")
    columns = CHECKED[table]
    page = (Path(__file__).parents[2] / "docs/store-format.md").read_text().replace("\n", " ")
    assert f"`{table}`: {columns}" in " ".join(page.split())
    with closing(sqlite3.connect(tmp_path / "s.db")) as db:
        (row,) = db.execute(f"SELECT '{table}', {columns} FROM {table}").fetchall()
        assert db.execute(f"SELECT checksum FROM {table}").fetchone() == (checksum_of(row),)


def checksum_of(cells: tuple[Any, ...]) -> bytes:
    text = b""
    for cell in cells:
        letter = {str: b"t", int: b"i", bytes: b"b", type(None): b"n"}[type(cell)]
        data = cell if isinstance(cell, bytes) else b"" if cell is None else str(cell).encode()
        text += letter + str(len(data)).encode() + b":" + data + b","

    return blake2b(text, digest_size=8).digest()


@pytest.mark.tree
def test_what_came_later_is_in_the_checksum_where_it_is_not_null(tmp_path: Path) -> None:
    written(tmp_path / "s.db", replace(BEGIN, origin=position(110), restart=True, replace=True))
    columns = f"{CHECKED['segments']}, replaced_from"
    page = (Path(__file__).parents[2] / "docs/store-format.md").read_text().replace("\n", " ")
    assert f"{columns} (without it where it is null)" in " ".join(page.split())
    with closing(sqlite3.connect(tmp_path / "s.db")) as db:
        rows = db.execute(f"SELECT checksum, 'segments', {columns} FROM segments ORDER BY segment").fetchall()

    assert [row[-1] for row in rows] == [None, 100]
    assert [row[0] for row in rows] == [checksum_of(row[1:-1] if row[-1] is None else row[1:]) for row in rows]


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    written(tmp_path / "s.db")
    header = (tmp_path / "s.db").read_bytes()[:100]
    assert header[68:72] == b"RBAR"
    assert int.from_bytes(header[60:64], "big") == _schema.SCHEMA_VERSION
    assert header[18:20] == b"\x02\x02", "write-ahead log"
    with closing(sqlite3.connect(tmp_path / "s.db")) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE sql NOT NULL")}

    assert tables == {"claims", "positions", "segments", "snapshots", "bars", "readable_bars"}


wide = st.integers(-(2**127), 2**127 - 1)
narrow = st.integers(-(2**63), 2**63 - 1)


@given(
    st.fixed_dictionaries(
        {n: wide if n.startswith(("volume", "turn", "buy_vol", "buy_turn")) else narrow for n in FIELDS}
    )
)
def test_any_bar_comes_back_from_its_packed_form(fields: dict[str, int]) -> None:
    fields |= {"first_agg_trade_id": 5, "last_agg_trade_id": 9}
    packed = pack_bar(fields)
    assert len(packed) == 176
    again = StoredBar(packed, position(9))
    assert again.fields() == fields
    assert (again.first_agg_trade_id, again.last_agg_trade_id) == (5, 9)
    assert again.close_time_us == fields["close_time_us"]


@given(wide, st.sampled_from([8, 16]))
def test_decimals_are_exact(units: int, places: int) -> None:
    text = padded_text(units, places)
    whole, _, fraction = text.partition(".")
    assert len(fraction) == places
    assert int(whole + fraction) == units
    assert text.startswith("-") == (units < 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StoredBar(bytes(175), position(0)), "176 bytes, not 175"),
        (lambda: bar(5, 4), "must not go back"),
        (lambda: StoredBar(bar(4, 5).packed, position(6)), "last_agg_trade_id 5, not 6"),
        (lambda: Position(b"", -2), "from -1"),
        (lambda: Position(b"", 2**63), "2\\^63"),
        (lambda: BeginSegment(LANE, LaneFormat(None, True, 1), position(1)), "'ms' or 'us', not None"),
    ],
)
def test_values_that_make_no_sense_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_segment_names_what_it_skips_and_repeats() -> None:
    def segment(origin: int, previous: int | None) -> Segment:
        return Segment(LANE, 1, FORMAT, position(origin), None if previous is None else position(previous), 0, 0)

    assert (segment(10, None).skipped, segment(10, None).repeated) == (None, None)
    assert (segment(10, 10).skipped, segment(10, 10).repeated) == (None, None)
    assert (segment(10, 8).skipped, segment(10, 8).repeated) == ((9, 10), None)
    assert (segment(10, 12).skipped, segment(10, 12).repeated) == (None, (11, 12))
    within, at = (replace(segment(10, 12), replaced_bars=1, replaced_from=first) for first in (8, 11))
    assert (within.skipped, within.repeated) == ((8, 10), (11, 12))
    assert (at.skipped, at.repeated) == (None, (11, 12))


def test_values_are_frozen_and_travel() -> None:
    for value in (LANE, FORMAT, position(1), bar(1, 2), BEGIN, Snapshot(position(1), 2, 0, 1, b"")):
        assert pickle.loads(pickle.dumps(value)) == copy.copy(value) == value
        assert hash(value) == hash(copy.copy(value))
        assert not hasattr(value, "__dict__")

    assert str(LaneKey("r", "v", "s", 1)) == "r/v/s/1"


def test_a_sync_reader_pages_through_a_long_recording(tmp_path: Path) -> None:
    tape = [bar(n, n) for n in range(100, 2600)]

    async def main() -> None:
        async with SqliteStore(tmp_path / "s.db") as store:
            await store.commit(await store.open([LANE]), [BEGIN, RecordBars(LANE, tuple(tape))])

    anyio.run(main)
    with StoreReader(tmp_path / "s.db") as reader:
        assert list(reader.bars(LANE)) == tape
        assert list(reader.bars(LANE, after_id=2000)) == tape[1901:]
        assert [segment.number for segment in reader.segments(LANE)] == [1]
        (status,) = reader.lanes()
        assert (status.bars, status.last_close_time_us) == (2500, 2599)

    reader.close()
