"""Carrying what is still whole in a damaged store over into a new one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from rangebar_anyio._errors import StoreError

from . import _connection, _files, _lock, _rows
from ._rows import DamagedRow, Row
from ._values import LaneKey

_LANE = ("reader", "venue", "symbol", "threshold_dbps")
_ORDER = {
    "positions": _LANE,
    "segments": (*_LANE, "segment"),
    "snapshots": _LANE,
    "bars": (*_LANE, "first_agg_trade_id"),
}


@dataclass(frozen=True, slots=True)
class Salvage:
    """How many rows of each table were carried over, and how many were there and damaged.

    Rows on pages that can no longer be read are in neither count; ``unreadable`` names the tables that have such pages.
    """

    kept: dict[str, int] = field(default_factory=dict)
    damaged: dict[str, int] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()


def salvage_store(damaged: str | os.PathLike[str], new: str | os.PathLike[str]) -> Salvage:
    """Copy every row of a damaged store whose checksum fits into a new store, and say how many those are.

    Writes nothing to the damaged file. ``new`` must not exist yet. A lane whose position was lost goes on from its
    last carried bar; ids that are missing between carried bars are not fetched again (``restart`` with ``replace``
    does that).
    Raises ``StoreError`` when nothing of the file can be read, or the new one cannot be written.

    Example::

        print(salvage_store("bars.db", "bars-salvaged.db").kept["bars"])
    """
    source, target = (
        os.path.realpath(_files.text_path(name, path)) for name, path in (("damaged", damaged), ("new", new))
    )
    _files.refuse_special(source)
    if os.path.exists(target):
        raise StoreError("there is a file already", remedy="give a new path", store=target)

    try:
        old, _ = _connection.reader_connection(source)
        with closing(old):
            lock = _lock.acquire(target)
            try:
                db, _ = _connection.writer_connection(target)
                with closing(db):
                    return _carry(old, db)
            finally:
                os.close(lock)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"nothing could be salvaged: {error}", store=source) from error


def _carry(old: sqlite3.Connection, db: sqlite3.Connection) -> Salvage:
    kept, damaged, unreadable = {}, {}, []
    db.execute("BEGIN")
    for table in _ORDER:
        rows, whole = _readable(old, table)
        bad = 0
        for row in rows:
            try:
                _PUT[table](db, row)
            except (DamagedRow, ValueError):
                bad += 1

        kept[table], damaged[table] = len(rows) - bad, bad
        if not whole:
            unreadable.append(table)

    db.execute("INSERT OR IGNORE INTO claims SELECT reader, venue, symbol, threshold_dbps, 1 FROM positions")
    db.execute("COMMIT")
    return Salvage(kept, damaged, tuple(unreadable))


def _readable(old: sqlite3.Connection, table: str) -> tuple[list[Row], bool]:
    """Read a table from its beginning to the first broken page and, if there is one, from its end back to it."""
    forth = ", ".join(_ORDER[table])
    back = ", ".join(f"{column} DESC" for column in _ORDER[table])
    select = _rows.select(old, table)
    rows, whole = _until_broken(old, f"{select} ORDER BY {forth}")
    if not whole:
        tail, _ = _until_broken(old, f"{select} ORDER BY {back}")
        seen = set(rows)
        rows += [row for row in reversed(tail) if row not in seen]

    return rows, whole


def _until_broken(old: sqlite3.Connection, query: str) -> tuple[list[Row], bool]:
    rows: list[Row] = []
    try:
        for row in old.execute(query):
            rows.append(row)  # noqa: PERF402 - extend would lose the rows before the error
    except sqlite3.Error:
        return rows, False

    return rows, True


def _lane(row: Row) -> LaneKey:
    reader, venue, symbol, threshold = row[:4]
    if not (
        isinstance(reader, str) and isinstance(venue, str) and isinstance(symbol, str) and isinstance(threshold, int)
    ):
        raise DamagedRow("a lane is not one")

    return LaneKey(str(reader), str(venue), str(symbol), threshold)


def _put_position(db: sqlite3.Connection, row: Row) -> None:
    segment, lane_format, origin, position, updated_us = _rows.read_position(row)
    _rows.put_position(db, _lane(row), segment, lane_format, origin, position, updated_us)


def _put_segment(db: sqlite3.Connection, row: Row) -> None:
    _rows.put_segment(db, _rows.read_segment(_lane(row), row))


def _put_snapshot(db: sqlite3.Connection, row: Row) -> None:
    saved_us = row[11]
    if not isinstance(saved_us, int):
        raise DamagedRow("a time is not one")

    _rows.put_snapshot(db, _lane(row), _rows.read_snapshot(row), saved_us)


def _put_bar(db: sqlite3.Connection, row: Row) -> None:
    _rows.put_bar(db, _lane(row), _rows.read_bar(row))


_PUT: dict[str, Callable[[sqlite3.Connection, Row], None]] = {
    "positions": _put_position,
    "segments": _put_segment,
    "snapshots": _put_snapshot,
    "bars": _put_bar,
}

__all__ = ("Salvage", "salvage_store")
