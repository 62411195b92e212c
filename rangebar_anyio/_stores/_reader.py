"""Reading a store without an event loop, without its lock, also while another process writes to it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from rangebar_anyio._errors import StoreError

from . import _connection, _files, _load
from ._values import LaneKey, LaneStatus, Segment, StoredBar
from ._writer import refuse_inherited

T = TypeVar("T")
_PAGE = 1000


class StoreReader:
    """Read the lanes, segments and bars of an SQLite store; for ``status``, ``export`` and programs like them.

    Writes nothing to the file and keeps no writer out. Raises ``StoreError`` when there is no store at ``path``, when
    it is damaged, or when a newer program wrote it.

    Example::

        with StoreReader("bars.db") as reader:
            for status in reader.lanes():
                for bar in reader.bars(status.lane): ...
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.path.realpath(_files.text_path("path", path))
        refuse_inherited(self._path)
        _files.refuse_special(self._path)
        # SQLite takes an empty file for a new database, and deletes the log beside it.
        if not os.path.exists(self._path) or os.path.getsize(self._path) == 0:
            raise StoreError("there is no store here", remedy="check the path", store=self._path)

        try:
            self._db = _connection.reader_connection(self._path)
        except sqlite3.Error as error:
            raise _connection.translate(self._path, error) from error

    def lanes(self) -> Sequence[LaneStatus]:
        """Return every lane, in the order of its key."""
        return self.ask(_load.lanes)

    def segments(self, lane: LaneKey) -> Sequence[Segment]:
        """Return the segments of a lane, the oldest first."""
        return self.ask(partial(_load.all_segments, lane=lane))

    def bars(self, lane: LaneKey, *, after_id: int = -1) -> Iterator[StoredBar]:
        """Give the recorded bars of a lane in order, read in pages, so that a long recording takes little memory."""
        while page := self.ask(partial(_load.bars_after, lane=lane, after_id=after_id, limit=_PAGE)):
            yield from page
            after_id = page[-1].last_agg_trade_id

    def ask(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query on the connection, in one consistent view of the file."""
        try:
            self._db.execute("BEGIN")
            try:
                return query(self._db)
            finally:
                self._db.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise _connection.translate(self._path, error) from error

    def close(self) -> None:
        """Let the file go. Closing twice is fine."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()


__all__ = ("StoreReader",)
