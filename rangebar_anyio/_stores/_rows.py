"""Rows with a checksum, and the values that they stand for.

A checksum covers the table's name, the lane and every other column that the store reads back, so that a flipped bit,
a row edited by hand and a row that was moved to another lane are all found. It is the first 8 bytes of BLAKE2b over
the columns as netstrings (``3:abc,``), each with a letter for its type in front.
"""

from __future__ import annotations

import sqlite3
from hashlib import blake2b
from typing import TypeAlias

from .._decimals import padded_text
from ._values import LaneFormat, LaneKey, Position, Segment, Snapshot, StoredBar, TimeUnit

Cell: TypeAlias = int | str | bytes | None
Row: TypeAlias = tuple[Cell, ...]

LANE = "reader, venue, symbol, threshold_dbps"
IS_LANE = "reader = ? AND venue = ? AND symbol = ? AND threshold_dbps = ?"

_FORMAT = "time_unit, same_timestamp_gate, rule_version"
_COLUMNS = {
    "positions": f"{LANE}, segment, {_FORMAT}, origin_order, origin, origin_text, position_order, position, "
    "position_text, updated_us",
    "segments": f"{LANE}, segment, {_FORMAT}, origin_order, origin, origin_text, previous_order, previous, "
    "previous_text, replaced_bars, started_us, replaced_from",
    "snapshots": f"{LANE}, follows_order, follows, follows_text, last_id, missing_trades, version, data, saved_us",
    "bars": f"{LANE}, first_agg_trade_id, packed, position, position_text",
}
_BAR_EXTRAS = (
    "last_agg_trade_id, open_time_us, close_time_us, open_e8, high_e8, low_e8, close_e8, volume, "
    "turnover, buy_volume, buy_turnover, individual_trade_count, buy_trade_count, agg_record_count, first_trade_id, "
    "last_trade_id, missing_trades"
)


class DamagedRow(Exception):
    """A row whose checksum does not fit, or that does not make sense."""


def _insert(table: str, extras: str = "") -> str:
    columns = f"{_COLUMNS[table]}, checksum" + (f", {extras}" if extras else "")
    return f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({', '.join('?' * (columns.count(',') + 1))})"


SELECT = {table: f"SELECT {columns}, checksum FROM {table}" for table, columns in _COLUMNS.items()}
_INSERT = {table: _insert(table) for table in ("positions", "segments", "snapshots")}
_INSERT_BAR = _insert("bars", _BAR_EXTRAS)


def key(lane: LaneKey) -> tuple[str, str, str, int]:
    """Give the columns of a lane."""
    return lane.reader, lane.venue, lane.symbol, lane.threshold_dbps


def select(db: sqlite3.Connection, table: str) -> str:
    """Give the query for the rows of a table; what an older file does not have yet is null."""
    if table == "segments" and db.execute("PRAGMA user_version").fetchone()[0] < 3:
        return SELECT[table].replace("replaced_from", "NULL")

    return SELECT[table]


def checksum(table: str, cells: Row) -> bytes:
    """Give the checksum of a row's cells."""
    if table == "segments" and cells[-1] is None:
        cells = cells[:-1]  # it came with schema version 3, and rows from before it keep their checksums

    digest = blake2b(digest_size=8)
    for cell in (table, *cells):
        digest.update(_netstring(cell))

    return digest.digest()


def _netstring(cell: Cell) -> bytes:
    if cell is None:
        return b"n0:,"

    if isinstance(cell, str):
        letter, data = b"t", cell.encode("utf-8", "surrogatepass")
    elif isinstance(cell, bytes):
        letter, data = b"b", cell
    else:
        letter, data = b"i", b"%d" % cell

    return b"%b%d:%b," % (letter, len(data), data)


def _put(db: sqlite3.Connection, table: str, cells: Row) -> None:
    db.execute(_INSERT[table], (*cells, checksum(table, cells)))


def _checked(table: str, row: Row) -> Row:
    *cells, stored = row
    try:
        fits = checksum(table, tuple(cells)) == stored
    except TypeError:  # a damaged header can turn any cell into a float
        fits = False

    if not fits:
        raise DamagedRow(f"a row in {table} does not fit its checksum")

    return tuple(cells)


def _format_cells(lane_format: LaneFormat) -> Row:
    return lane_format.time_unit, int(lane_format.same_timestamp_gate), lane_format.rule_version


def _position_cells(position: Position | None) -> Row:
    return (None, None, None) if position is None else (position.order, position.data, position.text)


def put_position(
    db: sqlite3.Connection,
    lane: LaneKey,
    segment: int,
    lane_format: LaneFormat,
    origin: Position,
    position: Position,
    now_us: int,
) -> None:
    """Write the row that a stream resumes from."""
    cells = (
        *key(lane),
        segment,
        *_format_cells(lane_format),
        *_position_cells(origin),
        *_position_cells(position),
        now_us,
    )
    _put(db, "positions", cells)


def put_segment(db: sqlite3.Connection, segment: Segment) -> None:
    """Write a segment."""
    cells = (
        *key(segment.lane),
        segment.number,
        *_format_cells(segment.format),
        *_position_cells(segment.origin),
        *_position_cells(segment.previous),
        segment.replaced_bars,
        segment.started_us,
        segment.replaced_from,
    )
    _put(db, "segments", cells)


def put_snapshot(db: sqlite3.Connection, lane: LaneKey, snapshot: Snapshot, now_us: int) -> None:
    """Write a forming bar's state."""
    follows = _position_cells(snapshot.follows)
    rest = (snapshot.last_id, snapshot.missing_trades, snapshot.version, snapshot.data, now_us)
    _put(db, "snapshots", (*key(lane), *follows, *rest))


def put_bar(db: sqlite3.Connection, lane: LaneKey, bar: StoredBar) -> None:
    """Write a closed bar: packed, and spread out for people who read the file with other programs."""
    cells = (*key(lane), bar.first_agg_trade_id, bar.packed, bar.position.data, bar.position.text)
    f = bar.fields()
    extras: Row = (
        f["last_agg_trade_id"],
        f["open_time_us"],
        f["close_time_us"],
        f["open_e8"],
        f["high_e8"],
        f["low_e8"],
        f["close_e8"],
        padded_text(f["volume_e8"], 8),
        padded_text(f["turnover_e16"], 16),
        padded_text(f["buy_volume_e8"], 8),
        padded_text(f["buy_turnover_e16"], 16),
        f["individual_trade_count"],
        f["buy_trade_count"],
        f["agg_record_count"],
        f["first_trade_id"],
        f["last_trade_id"],
        f["missing_trades"],
    )
    db.execute(_INSERT_BAR, (*cells, checksum("bars", cells), *extras))


def _position(order: Cell, data: Cell, text: Cell) -> Position:
    if not (isinstance(order, int) and isinstance(data, bytes) and isinstance(text, str)):
        raise DamagedRow("a position is not one")

    return Position(data, order, text)


def _format(unit: Cell, gate: Cell, rule: Cell) -> LaneFormat:
    units: dict[Cell, TimeUnit] = {"ms": "ms", "us": "us"}
    if unit not in units or not isinstance(rule, int):
        raise DamagedRow("a lane's format is not one")

    return LaneFormat(units[unit], bool(gate), rule)


def _int(cell: Cell) -> int:
    if not isinstance(cell, int):
        raise DamagedRow("a number is not one")

    return cell


def read_position(row: Row) -> tuple[int, LaneFormat, Position, Position, int]:
    """Give segment, format, origin, position and time of writing of a row of ``positions``."""
    c = _checked("positions", row)
    return _int(c[4]), _format(*c[5:8]), _position(*c[8:11]), _position(*c[11:14]), _int(c[14])


def read_segment(lane: LaneKey, row: Row) -> Segment:
    """Give the segment of a row of ``segments``."""
    c = _checked("segments", row)
    previous = None if c[11] is None else _position(*c[11:14])
    replaced_from = None if c[16] is None else _int(c[16])
    times = _int(c[14]), _int(c[15])
    return Segment(lane, _int(c[4]), _format(*c[5:8]), _position(*c[8:11]), previous, *times, replaced_from)


def read_snapshot(row: Row) -> Snapshot:
    """Give the snapshot of a row of ``snapshots``."""
    c = _checked("snapshots", row)
    data = c[10]
    if not isinstance(data, bytes):
        raise DamagedRow("a snapshot is not one")

    return Snapshot(_position(*c[4:7]), _int(c[7]), _int(c[8]), _int(c[9]), data)


def read_bar(row: Row) -> StoredBar:
    """Give the bar of a row of ``bars``."""
    c = _checked("bars", row)
    packed = c[5]
    if not isinstance(packed, bytes):
        raise DamagedRow("a bar is not one")

    last_id = int.from_bytes(packed[160:168], "little", signed=True)
    return StoredBar(packed, _position(last_id, c[6], c[7]))


__all__ = (
    "IS_LANE",
    "LANE",
    "SELECT",
    "Cell",
    "DamagedRow",
    "Row",
    "checksum",
    "key",
    "put_bar",
    "put_position",
    "put_segment",
    "put_snapshot",
    "read_bar",
    "read_position",
    "read_segment",
    "read_snapshot",
    "select",
)
