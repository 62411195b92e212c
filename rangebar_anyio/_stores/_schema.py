"""The tables of an SQLite store and how an older file becomes a newer one.

``PRAGMA user_version`` is the schema version. A new file runs all steps, an older one those it lacks, in one
transaction; a step is never changed once it was released, a new one is put at the end. ``docs/store-format.md``
describes the result.
"""

from __future__ import annotations

import sqlite3

APPLICATION_ID = 0x52424152  # "RBAR"

_KEY = "reader TEXT NOT NULL, venue TEXT NOT NULL, symbol TEXT NOT NULL, threshold_dbps INTEGER NOT NULL"
_LANE = "reader, venue, symbol, threshold_dbps"
_FORMAT = "time_unit TEXT NOT NULL, same_timestamp_gate INTEGER NOT NULL, rule_version INTEGER NOT NULL"

_STEP_1 = (
    f"CREATE TABLE claims ({_KEY}, epoch INTEGER NOT NULL, PRIMARY KEY ({_LANE})) WITHOUT ROWID",
    f"""CREATE TABLE positions ({_KEY}, segment INTEGER NOT NULL, {_FORMAT},
        origin_order INTEGER NOT NULL, origin BLOB NOT NULL, origin_text TEXT NOT NULL,
        position_order INTEGER NOT NULL, position BLOB NOT NULL, position_text TEXT NOT NULL,
        updated_us INTEGER NOT NULL, checksum BLOB NOT NULL, PRIMARY KEY ({_LANE})) WITHOUT ROWID""",
    f"""CREATE TABLE segments ({_KEY}, segment INTEGER NOT NULL, {_FORMAT},
        origin_order INTEGER NOT NULL, origin BLOB NOT NULL, origin_text TEXT NOT NULL,
        previous_order INTEGER, previous BLOB, previous_text TEXT,
        replaced_bars INTEGER NOT NULL, started_us INTEGER NOT NULL, checksum BLOB NOT NULL,
        PRIMARY KEY ({_LANE}, segment)) WITHOUT ROWID""",
    f"""CREATE TABLE bars ({_KEY}, first_agg_trade_id INTEGER NOT NULL, last_agg_trade_id INTEGER NOT NULL,
        open_time_us INTEGER NOT NULL, close_time_us INTEGER NOT NULL,
        open_e8 INTEGER NOT NULL, high_e8 INTEGER NOT NULL, low_e8 INTEGER NOT NULL, close_e8 INTEGER NOT NULL,
        volume TEXT NOT NULL, turnover TEXT NOT NULL, buy_volume TEXT NOT NULL, buy_turnover TEXT NOT NULL,
        individual_trade_count INTEGER NOT NULL, buy_trade_count INTEGER NOT NULL, agg_record_count INTEGER NOT NULL,
        first_trade_id INTEGER NOT NULL, last_trade_id INTEGER NOT NULL, missing_trades INTEGER NOT NULL,
        position BLOB NOT NULL, position_text TEXT NOT NULL, packed BLOB NOT NULL, checksum BLOB NOT NULL,
        PRIMARY KEY ({_LANE}, first_agg_trade_id)) WITHOUT ROWID""",
)

_STEP_2 = (
    f"""CREATE TABLE snapshots ({_KEY}, follows_order INTEGER NOT NULL, follows BLOB NOT NULL,
        follows_text TEXT NOT NULL, last_id INTEGER NOT NULL, missing_trades INTEGER NOT NULL,
        version INTEGER NOT NULL, data BLOB NOT NULL, saved_us INTEGER NOT NULL, checksum BLOB NOT NULL,
        PRIMARY KEY ({_LANE})) WITHOUT ROWID""",
    f"""CREATE VIEW readable_bars AS SELECT {_LANE},
        strftime('%Y-%m-%dT%H:%M:%S', open_time_us / 1000000, 'unixepoch')
            || printf('.%06dZ', open_time_us % 1000000) AS open_time,
        strftime('%Y-%m-%dT%H:%M:%S', close_time_us / 1000000, 'unixepoch')
            || printf('.%06dZ', close_time_us % 1000000) AS close_time,
        printf('%d.%08d', open_e8 / 100000000, open_e8 % 100000000) AS open,
        printf('%d.%08d', high_e8 / 100000000, high_e8 % 100000000) AS high,
        printf('%d.%08d', low_e8 / 100000000, low_e8 % 100000000) AS low,
        printf('%d.%08d', close_e8 / 100000000, close_e8 % 100000000) AS close,
        volume, turnover, buy_volume, buy_turnover, individual_trade_count, agg_record_count,
        first_agg_trade_id, last_agg_trade_id, missing_trades FROM bars""",
)

_STEP_3 = ("ALTER TABLE segments ADD COLUMN replaced_from INTEGER",)

STEPS: tuple[tuple[str, ...], ...] = (_STEP_1, _STEP_2, _STEP_3)
SCHEMA_VERSION = len(STEPS)


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Bring a file of an older schema version (0: an empty one) to this one, in one transaction."""
    db.execute("BEGIN IMMEDIATE")
    try:
        for step in STEPS[version:]:
            for statement in step:
                db.execute(statement)

        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")

        raise


__all__ = ("APPLICATION_ID", "SCHEMA_VERSION", "STEPS", "migrate")
