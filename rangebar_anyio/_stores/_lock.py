"""The lock that keeps a second process from writing to a store.

``flock`` on ``<store>.lock``: the kernel frees it when the holder ends, however it ends, so there is never a stale
lock to remove. The file itself stays; only its content (the holder's process id, for the message) and the lock mean
something.
"""

from __future__ import annotations

import os
import sys

from rangebar_anyio._errors import StoreError

from . import _files


def acquire(store: str) -> int:
    """Take the lock of a store and return its file descriptor; ``StoreError`` names the process that holds it."""
    if sys.platform == "win32":
        raise StoreError("SqliteStore needs the file locks of a POSIX system", remedy="use a MemoryStore", store=store)

    path = _files.lock_of(store)
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _lock(fd, store, path)
            if _is_still(fd, path):
                os.ftruncate(fd, 0)
                os.pwrite(fd, b"%d\n" % os.getpid(), 0)
                return fd
        except BaseException:
            os.close(fd)
            raise

        os.close(fd)  # somebody removed the file meanwhile: a lock on it would keep nobody out


def let_go_in_child(store: str, known_fd: int | None) -> None:
    """Close what a forked child inherited of a store's lock: its copy would keep it held after the parent's end."""
    path = _files.lock_of(store)
    for fd in [known_fd] if known_fd is not None else _open_files():
        try:
            if _is_still(fd, path):
                os.close(fd)
        except OSError:  # the folder that was listed is closed by now
            pass


def _open_files() -> list[int]:
    """Give the files that this process has open: a fork may come before its parent knows the number of the lock's."""
    try:
        return [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        return []


def _lock(fd: int, store: str, path: str) -> None:
    if sys.platform == "win32":
        return

    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
        raise StoreError(
            f"process {holder} is writing to it (it holds {os.path.basename(path)})",
            remedy="stop that process, or give this program a store file of its own; reading needs no lock",
            store=store,
        ) from None


def _is_still(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


__all__ = ("acquire", "let_go_in_child")
