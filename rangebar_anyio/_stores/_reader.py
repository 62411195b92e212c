"""Reading a store without an event loop, without its lock, also while another process writes to it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import Self, TypeVar
from weakref import WeakSet

from rangebar_anyio._errors import StoreError

from . import _connection, _files, _forks, _load
from ._values import LaneKey, LaneStatus, Segment, StoredBar

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
        self._pid = os.getpid()
        _forks.refuse_inherited(self._path)
        _files.refuse_special(self._path)
        # SQLite takes an empty file for a new database, and deletes the log beside it.
        if not os.path.exists(self._path) or os.path.getsize(self._path) == 0:
            raise StoreError("there is no store here", remedy="check the path", store=self._path)

        self._open()
        _readers.add(self)

    def _open(self) -> None:
        try:
            self._db, self._state = _connection.reader_connection(self._path)
        except sqlite3.Error as error:
            raise _connection.translate(self._path, error) from error

    def lanes(self) -> Sequence[LaneStatus]:
        """Return every lane, in the order of its key."""
        return self.ask(_load.lanes)

    def segments(self, lane: LaneKey) -> Sequence[Segment]:
        """Return the segments of a lane, the oldest first."""
        return self.ask(partial(_load.all_segments, lane=lane))

    def bars(
        self, lane: LaneKey, *, after_id: int = -1, on_damaged: Callable[[int], object] | None = None
    ) -> Iterator[StoredBar]:
        """Give the recorded bars of a lane in order, read in pages, so that a long recording takes little memory.

        A damaged one raises ``StoreError``, or is left out with its ``first_agg_trade_id`` given to ``on_damaged``.
        """
        tell = on_damaged or partial(_load.refuse_damaged_bar, lane)
        while page := self.ask(partial(_load.rows_after, lane=lane, after_id=after_id, limit=_PAGE)):
            for first_id, bar in page:
                if bar is None:
                    tell(first_id)
                else:
                    yield bar

            after_id = page[-1][0]

    def ask(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query on the connection, in one consistent view of the file."""
        _forks.check_process(self._pid, self._path)
        while True:
            try:
                answer = self._ask(query)
            except StoreError:
                if not self._has_changed():
                    raise
            else:
                if not self._has_changed():
                    return answer

            before = self._db
            self._open()
            before.close()

    def _ask(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._db.execute("BEGIN")
            try:
                return query(self._db)
            finally:
                self._db.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise _connection.translate(self._path, error) from error

    def _has_changed(self) -> bool:
        """Tell whether a file that was read as if nobody could change it was changed."""
        return self._state is not None and self._state != _files.state(self._path)

    def close(self) -> None:
        """Let the file go. Closing twice is fine."""
        if os.getpid() == self._pid:
            self._db.close()
            _readers.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()


_readers: WeakSet[StoreReader] = WeakSet()


def _after_fork_in_child() -> None:
    _forks.inherit(reader._path for reader in _readers)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

__all__ = ("StoreReader",)
