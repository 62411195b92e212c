"""Carrying out a commit on an open SQLite connection, inside the transaction of the caller."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from time import time_ns
from typing import Any

from rangebar_anyio._errors import StoreError

from . import _load, _rows, _rules
from ._base import check_format
from ._changes import BeginSegment, Change, RecordBars, SavePosition, SaveSnapshot
from ._rows import IS_LANE, LANE, DamagedRow
from ._values import Checkpoint, LaneFormat, LaneKey, Segment

_log = logging.getLogger("rangebar_anyio.store")


def take_epoch(db: sqlite3.Connection, lanes: Collection[LaneKey]) -> int:
    """Make a new epoch the only one under which these lanes can be written."""
    epoch: int = db.execute("SELECT coalesce(max(epoch), 0) + 1 FROM claims").fetchone()[0]
    rows = [(*_rows.key(lane), epoch) for lane in lanes]
    db.executemany(f"INSERT OR REPLACE INTO claims ({LANE}, epoch) VALUES (?, ?, ?, ?, ?)", rows)
    return epoch


def load(db: sqlite3.Connection, lanes: Collection[LaneKey], wanted: LaneFormat) -> dict[LaneKey, Checkpoint]:
    """Read the checkpoints of lanes; a position that was made again is put into its row."""
    found = {}
    for lane in sorted(lanes):
        known = _load.load(db, lane)
        if known is None:
            continue

        check_format(lane, known.format, wanted)
        for note in known.notes:
            if note.kind == "position-remade":
                _log.warning("the position of lane %s was damaged and was made again: %s", lane, note.text)
                _rows.put_position(db, lane, known.segment, known.format, known.origin, known.position, _now_us())

        found[lane] = known

    return found


def commit(db: sqlite3.Connection, epoch: int, changes: Sequence[Change]) -> bool:
    """Carry out the changes, or nothing if one of the lanes is not of this epoch."""
    for lane in {change.lane for change in changes}:
        row = db.execute(f"SELECT epoch FROM claims WHERE {IS_LANE}", _rows.key(lane)).fetchone()
        if row is None or row[0] != epoch:
            return False

    for change in changes:
        _APPLY[type(change)](db, change)

    return True


def _begin(db: sqlite3.Connection, change: BeginSegment) -> None:
    lane, previous = change.lane, None
    try:
        known = _load.find(db, lane)
    except StoreError:
        if not change.restart:
            raise
    else:
        previous = None if known is None else known.position
        if known is not None and not _rules.begins_again(change, known.format, known.origin, known.position):
            return

    deleted, first_id = _make_room(db, change)
    number, now_us = _load.last_segment_number(db, lane) + 1, _now_us()
    _rows.put_segment(db, Segment(lane, number, change.format, change.origin, previous, deleted, now_us, first_id))
    _rows.put_position(db, lane, number, change.format, change.origin, change.origin, now_us)
    db.execute(f"DELETE FROM snapshots WHERE {IS_LANE}", _rows.key(lane))


def _make_room(db: sqlite3.Connection, change: BeginSegment) -> tuple[int, int | None]:
    """Delete the recorded bars that are in the way; how many those are, and their first id."""
    where = f"FROM bars WHERE {IS_LANE} AND last_agg_trade_id > ?"
    above = (*_rows.key(change.lane), change.origin.order)
    ids = "min(first_agg_trade_id), max(last_agg_trade_id)"
    count, first_id, last_id = db.execute(f"SELECT count(*), {ids} {where}", above).fetchone()
    if count and not change.replace:
        _rules.refuse_overlap(change, last_id)

    if count:
        db.execute(f"DELETE {where}", above)

    return count, first_id


def _known(db: sqlite3.Connection, lane: LaneKey) -> _load.Known:
    known = _load.find(db, lane)
    if known is None:
        raise _rules.no_origin(lane)

    return known


def _save_position(db: sqlite3.Connection, change: SavePosition) -> None:
    known = _known(db, change.lane)
    if change.position.order > known.position.order:
        _put(db, change.lane, replace(known, position=change.position))


def _put(db: sqlite3.Connection, lane: LaneKey, known: _load.Known) -> None:
    _rows.put_position(db, lane, known.segment, known.format, known.origin, known.position, _now_us())


def _save_snapshot(db: sqlite3.Connection, change: SaveSnapshot) -> None:
    if change.snapshot.follows == _known(db, change.lane).position:
        _rows.put_snapshot(db, change.lane, change.snapshot, _now_us())


def _record(db: sqlite3.Connection, change: RecordBars) -> None:
    lane, known = change.lane, _known(db, change.lane)
    position = known.position
    for bar in change.bars:
        try:
            before = _load.bar_at_or_before(db, lane, bar.first_agg_trade_id)
            after = next(iter(_load.bars_after(db, lane, bar.first_agg_trade_id, 1)), None)
        except DamagedRow as damage:
            raise StoreError(
                f"lane {lane} has a damaged recorded bar at or before id {bar.first_agg_trade_id}: {damage}",
                remedy="record under another reader name, or restart with --replace from before it",
            ) from None

        if _rules.check_bar(lane, bar, known.origin, before, after):
            _rows.put_bar(db, lane, bar)

        position = max(position, bar.position, key=lambda p: p.order)

    if position.order > known.position.order:
        _put(db, lane, replace(known, position=position))


def _now_us() -> int:
    return time_ns() // 1000


_APPLY: dict[type[Change], Callable[[sqlite3.Connection, Any], None]] = {
    BeginSegment: _begin,
    SavePosition: _save_position,
    SaveSnapshot: _save_snapshot,
    RecordBars: _record,
}

__all__ = ("commit", "load", "take_epoch")
