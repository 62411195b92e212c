"""Opening SQLite files: what is checked before the first write, and what an SQLite error means to a person."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from rangebar_anyio._errors import StoreError

from . import _files, _schema, _wal

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# What SQLite says of a header or a schema that makes no sense; it has no code of its own for them.
_DAMAGE_TEXTS = ("unsupported file format", "no such table", "no such column")
_SALVAGE = (
    "nothing was written to it and nothing will be; carry what is whole over into a new file with "
    "rangebar_anyio.salvage_store(THIS, NEW), and continue with that one"
)
_REMEDIES = {
    sqlite3.SQLITE_FULL: "free some space; the write can then be asked for again",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable",
    sqlite3.SQLITE_CANTOPEN: "check that the folder exists and is writable",
    sqlite3.SQLITE_PERM: "make the file and its folder writable",
    sqlite3.SQLITE_BUSY: "another program holds the file's write lock; end its transaction",
    sqlite3.SQLITE_IOERR: "check the disk and its free space; the write can then be asked for again",
}


def writer_connection(path: str) -> tuple[sqlite3.Connection, _files.Identity]:
    """Open a store for writing, made or migrated if need be, and say which file that is.

    Raises ``StoreError`` and has then written nothing. The lock must be held. A damaged file, a file of another program
    and a store of a newer program are refused before anything is written.
    """
    if os.path.exists(path) and os.path.getsize(path) > 0:
        _inspect(path)
    else:
        _create(path)

    file = _files.identity(path)
    db = _connect(f"{_uri(path)}?mode=rw")
    try:
        db.execute("PRAGMA journal_mode = WAL").fetchone()
        db.execute("PRAGMA synchronous = FULL")
        version: int = db.execute("PRAGMA user_version").fetchone()[0]
        if version < _schema.SCHEMA_VERSION:
            _schema.migrate(db, version)

        if file is None or file != _files.identity(path):
            raise _files.moved(path)
    except BaseException:
        db.close()
        raise

    return db, file


def _create(path: str) -> None:
    """Make an empty store beside its place and put it there whole, so that a half-made one is never found."""
    _files.refuse_leftover_log(path)
    draft = _files.draft_of(path)
    for leftover in (draft, *_files.beside(draft)):
        if os.path.exists(leftover):
            os.unlink(leftover)

    with closing(_connect(f"{_uri(draft)}?mode=rwc")) as db:
        _schema.migrate(db, 0)
        db.execute("PRAGMA journal_mode = WAL").fetchone()

    _sync(draft)
    os.replace(draft, path)
    _sync(os.path.dirname(path))


def reader_connection(path: str) -> tuple[sqlite3.Connection, _files.State | None]:
    """Open a store for reading, also while a process writes to it; needs no lock and writes nothing to it.

    With a state, the file is read as if nobody could change it, and what was read counts only while that is its state.
    """
    try:
        return _connect_reader(path, "mode=ro"), None
    except sqlite3.OperationalError:
        # A write-ahead log needs a shared-memory file beside it. In a folder that cannot be written to, and without a
        # log, the file is complete by itself, until its owner writes again.
        state = _files.state(path)
        if state is None or state[-1] or os.access(os.path.dirname(path), os.W_OK):
            raise

        return _connect_reader(path, "mode=ro&immutable=1"), state


def _connect_reader(path: str, how: str) -> sqlite3.Connection:
    db = _connect(f"{_uri(path)}?{how}")
    try:
        _refuse_foreign(db, path)
    except BaseException:
        db.close()
        raise

    return db


def _connect(uri: str) -> sqlite3.Connection:
    db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=2.0, check_same_thread=False)
    # A damaged text must reach its row's checksum, not end the whole query.
    db.text_factory = lambda data: data.decode("utf-8", "replace")
    return db


def _uri(path: str) -> str:
    return Path(path).as_uri()


def _inspect(path: str) -> None:
    db, _ = reader_connection(path)
    with closing(db):
        (page_size,) = db.execute("PRAGMA page_size").fetchone()
        if broken_log := _wal.damage_of(path, page_size):
            raise damaged(path, broken_log)

        (found,) = db.execute("PRAGMA quick_check(1)").fetchone()

    if found != "ok":
        raise damaged(path, found.replace("\n", " "))


def _refuse_foreign(db: sqlite3.Connection, path: str) -> None:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application != _schema.APPLICATION_ID and (application or version or tables):
        raise StoreError("it is an SQLite file of another program", remedy="give another path", store=path)

    if version > _schema.SCHEMA_VERSION:
        raise StoreError(
            f"it has schema version {version}, and this program knows versions up to {_schema.SCHEMA_VERSION}",
            remedy="use the newer rangebar-anyio that wrote it",
            store=path,
        )


def damaged(path: str, what: str) -> StoreError:
    """Give the error for a file that must not be touched any more."""
    return StoreError(f"the file is damaged: {what}", remedy=_SALVAGE, store=path)


def is_damage(error: BaseException) -> bool:
    """Tell whether an SQLite error means that the file itself is damaged."""
    if not isinstance(error, sqlite3.Error):
        return False

    return _code(error) in _DAMAGE or str(error).startswith(_DAMAGE_TEXTS)


def translate(path: str, error: BaseException) -> StoreError:
    """Give the ``StoreError`` that says what an SQLite or operating-system error means."""
    if is_damage(error):
        result = damaged(path, str(error))
    elif isinstance(error, sqlite3.Error):
        result = StoreError(str(error), remedy=_REMEDIES.get(_code(error), ""), store=path)
    elif isinstance(error, OSError):
        result = StoreError(error.strerror or str(error), remedy="check the folder and its permissions", store=path)
    else:
        result = StoreError(f"the write failed: {error!r}", store=path)

    result.__cause__ = error
    return result


def discard(db: sqlite3.Connection) -> None:
    """Let go of a connection to a damaged file without the checkpoint that closing would write into it."""
    if hasattr(db, "setconfig"):  # Python 3.12
        db.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)  # type: ignore[attr-defined, unused-ignore]
        db.close()
        return

    import ctypes

    # Python 3.11 cannot switch it off: the connection is left open for good, even by the end of the interpreter.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(db))


def _code(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _sync(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


__all__ = ("damaged", "discard", "is_damage", "reader_connection", "translate", "writer_connection")
