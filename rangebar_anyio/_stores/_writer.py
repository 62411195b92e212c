"""The one writer of a store file in this process: a daemon thread, its connection, its lock.

Calls that wait together share one transaction, each in a savepoint of its own, so that many streams on one file cost
one sync and not one each. The connection lives in the thread's own frame and nowhere else: after a fork the child has
no such thread, so nothing there can close it, which would write to the parent's file and free the parent's locks.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from threading import Lock
from typing import Any, TypeVar

from rangebar_anyio._errors import StoreError

from . import _connection, _files, _forks, _lock, _rules
from ._thread import Call, start_daemon
from ._transaction import quietly_close, transact
from ._values import LaneKey

T = TypeVar("T")
_MAX_BATCH = 64
_log = logging.getLogger("rangebar_anyio.store")


class _Leave(Call[None]):
    """A store that no longer uses the writer; carried out after everything asked for before."""


class Writer:
    """Carry out calls on the connection to one file, in the order in which they were asked for."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.users = 0
        self.claims: dict[LaneKey, object] = {}
        self.lock_fd: int | None = None
        self._queue: SimpleQueue[Call[Any]] = SimpleQueue()
        self._damage: tuple[_files.Identity | None, StoreError] | None = None
        self._file: _files.Identity | None = None
        self._wal: _files.Identity | None = None

    def submit(self, run: Callable[[sqlite3.Connection], T]) -> Call[T]:
        """Ask for a call inside a transaction; it returns after the commit."""
        call = Call(run)
        self._queue.put(call)
        return call

    def leave(self) -> Call[None]:
        """Ask for the end of one user, after everything asked for so far; the last one closes the file."""
        call = _Leave(lambda: None)
        self._queue.put(call)
        return call

    def claim(self, lanes: Iterable[LaneKey], owner: object) -> None:
        """Give lanes to an owner, all or none; ``StoreError`` names one that has another owner."""
        wanted = set(lanes)
        with _registry_lock:
            for lane in sorted(wanted & self.claims.keys()):
                raise _rules.lane_taken(lane)

            self.claims.update(dict.fromkeys(wanted, owner))

    def unclaim(self, owner: object) -> None:
        """Take every lane back from an owner."""
        with _registry_lock:
            for lane in [lane for lane, holder in self.claims.items() if holder is owner]:
                del self.claims[lane]

    def check_place(self) -> None:
        """Refuse a path that no longer leads to the file that was opened for writing."""
        if self._file is not None and not self._is_in_place():
            raise _files.moved(self.path)

    # What follows runs on the thread.

    def serve(self) -> None:
        db: sqlite3.Connection | None = None
        while True:
            batch, leaving = self._next()
            if batch:
                db = self._run(db, batch)

            if leaving is None:
                continue

            with _registry_lock:
                self.users -= 1
                last = self.users == 0

            if last:
                self._close(db)
                db = None

            ended = last and self._retire()
            leaving.succeed(None)
            if ended:
                return

    def _next(self) -> tuple[list[Call[Any]], _Leave | None]:
        batch: list[Call[Any]] = []
        while not batch or (len(batch) < _MAX_BATCH and not self._queue.empty()):
            call = self._queue.get()
            if isinstance(call, _Leave):
                return batch, call

            batch.append(call)

        return batch, None

    def _run(self, db: sqlite3.Connection | None, batch: list[Call[Any]]) -> sqlite3.Connection | None:
        try:
            db = db or self._open()
            outcomes = self._carry_out(db, batch)
        except BaseException as error:  # noqa: BLE001 - the thread must outlive it, and the waiters are told
            self._drop(db, error)
            self._fail(batch, error)
            return None

        if isinstance(outcomes, StoreError):
            # The connection stays open: it alone reaches what was confirmed.
            self._fail(batch, outcomes)
            return db

        for call, (value, problem) in zip(batch, outcomes, strict=True):
            if problem is None:
                call.succeed(value)
            else:
                call.fail(problem)

        if self._wal is None:
            quietly_close(db)
            return None

        return db

    def _carry_out(
        self, db: sqlite3.Connection, batch: list[Call[Any]]
    ) -> list[tuple[Any, BaseException | None]] | StoreError:
        """Carry calls out, or say why what they write does not reach the file at the path."""
        if not self._is_in_place():
            return _files.moved(self.path)

        outcomes = transact(db, batch)
        # Looked at again: what went into a file that is gone must not be confirmed.
        if not self._is_in_place():
            return _files.moved(self.path)

        return outcomes if self._has_log() else self._write_back(db) or outcomes

    def _fail(self, batch: list[Call[Any]], error: BaseException) -> None:
        for call in batch:
            call.fail(self._explain(error))

    def _is_in_place(self) -> bool:
        return self._file == _files.identity(self.path)

    def _has_log(self) -> bool:
        return self._wal == _files.identity(_files.log_of(self.path))

    def _write_back(self, db: sqlite3.Connection) -> StoreError | None:
        """Put what a log that was taken away holds into the file, or say why that cannot be."""
        _, held, written = db.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        if held == written:
            _log.warning("%s: its log was taken away while it was open; what it held is in the file now", self.path)
            self._wal = None
            return None

        return StoreError(
            "its log was moved or deleted while it was open, and a reader keeps what it held from the file",
            remedy="end the programs that read it, and ask again",
            store=self.path,
        )

    def _open(self) -> sqlite3.Connection:
        _files.refuse_special(self.path)
        self.check_place()
        if self.lock_fd is None:
            self.lock_fd = _lock.acquire(self.path)

        if self._damage is not None:
            identity, error = self._damage
            if identity == _files.identity(self.path):
                raise error

            self._damage = None

        try:
            db, self._file = _connection.writer_connection(self.path)
        except (sqlite3.Error, OSError) as error:
            raise _connection.translate(self.path, error) from error

        self._wal = _files.identity(_files.log_of(self.path))
        return db

    def _drop(self, db: sqlite3.Connection | None, error: BaseException) -> None:
        """Let the connection go after an error that is not one call's own; the next call opens a new one."""
        if db is None:
            return

        if _connection.is_damage(error):
            self._damage = self._file, _connection.translate(self.path, error)
            self._file = None
            _connection.discard(db)
        else:
            quietly_close(db)

    def _explain(self, error: BaseException) -> BaseException:
        """Give each waiter an exception of its own."""
        if isinstance(error, StoreError):
            copy = type(error)(error.problem, remedy=error.remedy, store=error.store)
            copy.__cause__ = error.__cause__
            return copy

        return _connection.translate(self.path, error)

    def _close(self, db: sqlite3.Connection | None) -> None:
        self._file = None
        if db is not None:
            quietly_close(db)

        if self.lock_fd is not None:
            os.close(self.lock_fd)
            self.lock_fd = None

    def _retire(self) -> bool:
        with _registry_lock:
            if self.users or not self._queue.empty():
                return False

            _writers.pop(self.path, None)
            return True


_registry_lock = Lock()
_writers: dict[str, Writer] = {}
_inherited: list[Writer] = []


def join(path: str) -> Writer:
    """Give the writer of a file, started if nobody else uses it; ends with one :meth:`Writer.leave` for each."""
    with _registry_lock:
        writer = _writers.get(path)
        if writer is None:
            writer = _writers[path] = Writer(path)
            start_daemon(f"store writer {os.path.basename(path)}", writer.serve)

        writer.users += 1
        return writer


def _after_fork_in_child() -> None:
    global _registry_lock
    _registry_lock = Lock()
    _inherited.extend(_writers.values())
    _forks.inherit(_writers)
    for path, writer in _writers.items():
        _lock.let_go_in_child(path, writer.lock_fd)

    _writers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

__all__ = ("Writer", "join")
