"""One transaction for all the calls that wait together."""

from __future__ import annotations

import logging
import sqlite3
from typing import Any

from rangebar_anyio._errors import RangeBarError

from ._thread import Call

_log = logging.getLogger("rangebar_anyio.store")


def quietly_close(db: sqlite3.Connection) -> None:
    """Close a connection; what goes wrong is logged, since nothing depends on it."""
    try:
        db.close()
    except sqlite3.Error as error:  # what was confirmed is in the log already, and the next opening reads it
        _log.warning("closing the store failed: %s", error)


def transact(db: sqlite3.Connection, batch: list[Call[Any]]) -> list[tuple[Any, BaseException | None]]:
    """Carry calls out in one transaction: for each one its result or its own refusal, all of them committed.

    Any other error is everybody's: it leaves this function, and nothing was written.
    """
    try:
        db.execute("BEGIN IMMEDIATE")
        outcomes = [_one(db, call) for call in batch]
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            try:
                db.execute("ROLLBACK")
            except sqlite3.Error:
                pass  # the connection is closed next, which rolls back

        raise

    return outcomes


def _one(db: sqlite3.Connection, call: Call[Any]) -> tuple[Any, BaseException | None]:
    db.execute("SAVEPOINT one")
    try:
        value = call.run(db)
    except (RangeBarError, ValueError, TypeError) as refusal:
        db.execute("ROLLBACK TO one")
        db.execute("RELEASE one")
        return None, refusal

    db.execute("RELEASE one")
    return value, None


__all__ = ("quietly_close", "transact")
