"""Reading lanes, segments and bars from an open SQLite connection, and making a damaged position again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from rangebar_anyio._errors import StoreError

from . import _rows, _rules
from ._rows import IS_LANE, LANE, SELECT, DamagedRow
from ._values import Checkpoint, LaneFormat, LaneKey, LaneStatus, Position, Segment, Snapshot, StoredBar, StoreNote

_RESTART = "the recorded bars are safe; begin a new segment with restart=True (--restart)"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a lane without its snapshot. ``remade`` says why the position is not the row's own."""

    segment: int
    format: LaneFormat
    origin: Position
    position: Position
    updated_us: int
    remade: str = ""


def find(db: sqlite3.Connection, lane: LaneKey) -> Known | None:
    """Read where a lane stands, ``None`` if it is unknown; a damaged row is made again or is a ``StoreError``."""
    row = db.execute(f"{SELECT['positions']} WHERE {IS_LANE}", _rows.key(lane)).fetchone()
    try:
        if row is not None:
            return Known(*_rows.read_position(row))

        if last_segment_number(db, lane) == 0:
            return None

        raise DamagedRow("its row in positions is gone")
    except DamagedRow as damage:
        return _remake(db, lane, str(damage))


def _remake(db: sqlite3.Connection, lane: LaneKey, why: str) -> Known:
    try:
        now = next(segments(db, lane, newest_first=True), None)
        bar = last_bar(db, lane)
    except DamagedRow as damage:
        raise _lost(lane, f"{why}, and {damage}") from None

    if now is None or bar is None or bar.first_agg_trade_id <= now.origin.order:
        raise _lost(lane, f"{why}, and no recorded bar says how far it was")

    text = f"{why}; the last recorded bar ends at {_rules.name(bar.position)}"
    return Known(now.number, now.format, now.origin, bar.position, now.started_us, text)


def _lost(lane: LaneKey, why: str) -> StoreError:
    return StoreError(f"the position of lane {lane} is damaged: {why}", remedy=_RESTART)


def load(db: sqlite3.Connection, lane: LaneKey) -> Checkpoint | None:
    """Read a lane's checkpoint; a position that had to be made again stays in the file only if the caller writes it."""
    known = find(db, lane)
    if known is None:
        return None

    notes = [StoreNote("position-remade", lane, known.remade)] if known.remade else []
    snapshot = _fitting_snapshot(db, lane, known.position, notes)
    try:
        bar = last_bar(db, lane)
    except DamagedRow as damage:
        raise StoreError(f"the last recorded bar of lane {lane} is damaged: {damage}", remedy=_RESTART) from None

    return Checkpoint(lane, known.format, known.segment, known.origin, known.position, snapshot, bar, tuple(notes))


def _fitting_snapshot(
    db: sqlite3.Connection, lane: LaneKey, position: Position, notes: list[StoreNote]
) -> Snapshot | None:
    row = db.execute(f"{SELECT['snapshots']} WHERE {IS_LANE}", _rows.key(lane)).fetchone()
    if row is None:
        return None

    try:
        snapshot = _rows.read_snapshot(row)
    except DamagedRow as damage:
        notes.append(StoreNote("snapshot-damaged", lane, str(damage)))
        return None

    if snapshot.follows != position:
        text = f"it follows {_rules.name(snapshot.follows)}, the position is {_rules.name(position)}"
        notes.append(StoreNote("snapshot-stale", lane, text))
        return None

    return snapshot


def last_segment_number(db: sqlite3.Connection, lane: LaneKey) -> int:
    """Give the number of the newest segment, 0 if there is none."""
    query = f"SELECT coalesce(max(segment), 0) FROM segments WHERE {IS_LANE}"
    number: int = db.execute(query, _rows.key(lane)).fetchone()[0]
    return number


def segments(db: sqlite3.Connection, lane: LaneKey, *, newest_first: bool = False) -> Iterator[Segment]:
    """Give the segments of a lane; a damaged row raises :exc:`DamagedRow`."""
    order = "DESC" if newest_first else "ASC"
    query = f"{_rows.select(db, 'segments')} WHERE {IS_LANE} ORDER BY segment {order}"
    for row in db.execute(query, _rows.key(lane)):
        yield _rows.read_segment(lane, row)


def all_segments(db: sqlite3.Connection, lane: LaneKey) -> list[Segment]:
    """Give the segments of a lane, the oldest first; a damaged row is a ``StoreError``."""
    try:
        return list(segments(db, lane))
    except DamagedRow as damage:
        raise StoreError(f"the segments of lane {lane} are damaged: {damage}") from None


def last_bar(db: sqlite3.Connection, lane: LaneKey) -> StoredBar | None:
    """Give the recorded bar with the highest ids."""
    query = f"{SELECT['bars']} WHERE {IS_LANE} ORDER BY first_agg_trade_id DESC LIMIT 1"
    row = db.execute(query, _rows.key(lane)).fetchone()
    return None if row is None else _rows.read_bar(row)


def bar_at_or_before(db: sqlite3.Connection, lane: LaneKey, first_id: int) -> StoredBar | None:
    """Give the recorded bar with the highest first id that is not above ``first_id``."""
    query = f"{SELECT['bars']} WHERE {IS_LANE} AND first_agg_trade_id <= ? ORDER BY first_agg_trade_id DESC LIMIT 1"
    row = db.execute(query, (*_rows.key(lane), first_id)).fetchone()
    return None if row is None else _rows.read_bar(row)


def bars_after(db: sqlite3.Connection, lane: LaneKey, after_id: int, limit: int) -> list[StoredBar]:
    """Give at most ``limit`` recorded bars whose first id is above ``after_id``; a damaged one is a ``StoreError``."""
    found = []
    for first_id, bar in rows_after(db, lane, after_id, limit):
        if bar is None:
            refuse_damaged_bar(lane, first_id)
        else:
            found.append(bar)

    return found


def refuse_damaged_bar(lane: LaneKey, first_id: int) -> NoReturn:
    """Raise the ``StoreError`` for a recorded bar that is damaged."""
    raise StoreError(
        f"the recorded bar of lane {lane} at first_agg_trade_id {first_id} is damaged: its checksum does not fit",
        remedy="read on after it with after_id, or leave it out with on_damaged (--skip-damaged); to have it again, "
        "record that range under another reader name",
    )


def rows_after(db: sqlite3.Connection, lane: LaneKey, after_id: int, limit: int) -> list[tuple[int, StoredBar | None]]:
    """Give at most ``limit`` recorded bars above an id, each with its first id; ``None`` stands for a damaged one."""
    query = f"{SELECT['bars']} WHERE {IS_LANE} AND first_agg_trade_id > ? ORDER BY first_agg_trade_id LIMIT ?"
    return [(row[4], _bar_or_none(row)) for row in db.execute(query, (*_rows.key(lane), after_id, limit))]


def _bar_or_none(row: _rows.Row) -> StoredBar | None:
    try:
        return _rows.read_bar(row)
    except DamagedRow:
        return None


def lanes(db: sqlite3.Connection) -> list[LaneStatus]:
    """Give every lane that has a position, a segment or a bar, also those whose checkpoint is damaged."""
    keys = {lane for table in ("positions", "segments", "bars") for lane in _keys(db, table)}
    return [_status(db, lane) for lane in sorted(keys)]


def _keys(db: sqlite3.Connection, table: str) -> Iterator[LaneKey]:
    row = db.execute(f"SELECT {LANE} FROM {table} ORDER BY {LANE} LIMIT 1").fetchone()
    while row is not None:
        yield LaneKey(*row)
        # One step per lane, not one per row: a long recording has millions of bars and a handful of lanes.
        query = f"SELECT {LANE} FROM {table} WHERE ({LANE}) > (?, ?, ?, ?) ORDER BY {LANE} LIMIT 1"
        row = db.execute(query, row).fetchone()


def _status(db: sqlite3.Connection, lane: LaneKey) -> LaneStatus:
    query = f"SELECT count(*), max(close_time_us) FROM bars WHERE {IS_LANE}"
    count, close_us = db.execute(query, _rows.key(lane)).fetchone()
    updated = db.execute(f"SELECT updated_us FROM positions WHERE {IS_LANE}", _rows.key(lane)).fetchone()
    times = _int_or_none(close_us), _int_or_none(updated[0] if updated else None)
    try:
        checkpoint = _load_old(db, lane)
    except StoreError as error:
        return LaneStatus(lane, None, count, *times, error.problem)

    problem = _damage_in(checkpoint) if checkpoint else "it has bars and no checkpoint"
    return LaneStatus(lane, checkpoint, count, *times, problem)


def _int_or_none(cell: object) -> int | None:
    """Read a cell for people that no checksum covers, or that was not held against it."""
    return cell if isinstance(cell, int) else None


def _damage_in(checkpoint: Checkpoint) -> str:
    what = {"position-remade": "the position is damaged", "snapshot-damaged": "the forming bar is damaged"}
    return "; ".join(f"{what[note.kind]}: {note.text}" for note in checkpoint.notes if note.kind in what)


def _load_old(db: sqlite3.Connection, lane: LaneKey) -> Checkpoint | None:
    if db.execute("PRAGMA user_version").fetchone()[0] >= 2:
        return load(db, lane)

    known = find(db, lane)  # schema 1 had no snapshots; a reader does not migrate
    return None if known is None else Checkpoint(lane, known.format, known.segment, known.origin, known.position)


__all__ = (
    "Known",
    "all_segments",
    "bar_at_or_before",
    "bars_after",
    "find",
    "lanes",
    "last_bar",
    "last_segment_number",
    "load",
    "refuse_damaged_bar",
    "rows_after",
    "segments",
)
