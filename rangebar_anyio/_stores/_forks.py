"""What a forked child must not use.

SQLite keeps count of a process's locks in its memory. The kernel gives a child none of its parent's locks, and the
child's copy of that count says otherwise for good: for every file that was open, however it was open.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from rangebar_anyio._errors import StoreError

_inherited: set[str] = set()


def check_process(pid: int, store: str = "") -> None:
    """Refuse what was opened in another process than this one."""
    if os.getpid() != pid:
        raise StoreError(
            "it was opened before this process was forked, and belongs to the parent",
            remedy="open a store in the process that uses it, started by spawn instead of fork",
            store=store,
        )


def inherit(paths: Iterable[str]) -> None:
    """Remember, in a child, the files that its parent had open."""
    _inherited.update(paths)


def refuse_inherited(path: str) -> None:
    """Refuse a file that was open when this process was forked off."""
    if path in _inherited:
        raise StoreError(
            "it was open when this process was forked, so this process cannot use it",
            remedy="start the process by spawn or subprocess, or open the store after the fork only",
            store=path,
        )


__all__ = ("check_process", "inherit", "refuse_inherited")
