"""The files that a store consists of: their names, and whether a path still leads to the file that was opened."""

from __future__ import annotations

import os
import stat
from typing import TypeAlias

from rangebar_anyio._errors import StoreError

Identity: TypeAlias = tuple[int, int]
State: TypeAlias = tuple[Identity, int, int, bool]

#: SQLite's own files beside a database. The first two hold what is not in it yet, or not any more.
_LOGS = ("-wal", "-journal")
_BESIDE = (*_LOGS, "-shm")
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def text_path(name: str, path: str | os.PathLike[str]) -> str:
    """Check an argument that names a file."""
    text: object = os.fspath(path)
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str or a PathLike that gives one, not {path!r}; write os.fsdecode(...)")

    if not text or "\0" in text:
        raise ValueError(f'{name} must name a file, not {text!r}; such as "bars.db"')

    return text


def log_of(path: str) -> str:
    """Give the path of a store's write-ahead log."""
    return f"{path}-wal"


def lock_of(path: str) -> str:
    """Give the path of the file whose lock the writer of a store holds."""
    return f"{path}.lock"


def draft_of(path: str) -> str:
    """Give the path at which a new store is made."""
    return f"{path}.draft"


def beside(path: str) -> list[str]:
    """Give the files that SQLite may leave beside a database."""
    return [f"{path}{ending}" for ending in _BESIDE]


def store_files(path: str) -> list[str]:
    """Give every file that belongs to a store, whether it is there or not: none of them is anybody else's to write."""
    real, draft = os.path.realpath(path), draft_of(os.path.realpath(path))
    return [real, *beside(real), lock_of(real), draft, *beside(draft)]


def refuse_special(path: str) -> None:
    """Refuse what is there and is no regular file: opening a pipe never returns, and a device would be replaced."""
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except OSError:
        return

    if kind != stat.S_IFREG:
        what = _KINDS.get(kind, "something else")
        raise StoreError(f"a store is a regular file, and this is {what}", remedy="give another path", store=path)


def refuse_leftover_log(path: str) -> None:
    """Refuse to begin a store where the log of another one lies: SQLite would replay it into the new file."""
    for log in (f"{path}{ending}" for ending in _LOGS):
        if os.path.exists(log) and os.path.getsize(log) > 0:
            name = os.path.basename(log)
            raise StoreError(
                f"there is no store here, or an empty file, but the log of one: {name} may hold what was recorded last",
                remedy=f"put the file back beside {name}, or move {name} away to begin a new store",
                store=path,
            )


def identity(path: str) -> Identity | None:
    """Tell one file from another, whatever they are called; ``None`` where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None

    return status.st_dev, status.st_ino


def state(path: str) -> State | None:
    """Tell one content of a file from another, without reading it; ``None`` where there is no file."""
    has_log = os.path.exists(log_of(path))
    try:
        status = os.stat(path)
    except OSError:
        return None

    return (status.st_dev, status.st_ino), status.st_size, status.st_mtime_ns, has_log


def moved(path: str) -> StoreError:
    """Give the error for a path that no longer leads to the file that is open."""
    return StoreError(
        "it was moved, deleted or replaced while it was open, so nothing can be written to it",
        remedy="put the very file back and ask again, or close every store on it and begin anew",
        store=path,
    )


__all__ = (
    "Identity",
    "State",
    "beside",
    "draft_of",
    "identity",
    "lock_of",
    "log_of",
    "moved",
    "refuse_leftover_log",
    "refuse_special",
    "state",
    "store_files",
    "text_path",
)
