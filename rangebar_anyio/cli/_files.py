"""Files that commands write: whole ones that appear at their end, ones that grow, and what is no regular file."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import click

__all__ = ("is_special", "need_folder", "open_text", "part_of", "whole_file")


def is_special(path: str) -> bool:
    """Whether a path is there and is no regular file: a device or a pipe, which is written to and never replaced."""
    return os.path.exists(path) and not os.path.isfile(path)


@contextmanager
def whole_file(path: str) -> Iterator[str]:
    """Give the name to write under; what is written appears under `path` when the block ends without an exception.

    A file that is replaced keeps its permissions, and a link goes on pointing where it did. Devices and pipes have no
    half-written state, so they are written to directly.
    """
    if is_special(path):
        yield path
        return

    real, part = os.path.realpath(path), part_of(path)
    _begin(path, real, part)
    try:
        yield part
    except BaseException:
        if os.path.exists(part):
            os.unlink(part)

        raise

    os.replace(part, real)


def part_of(path: str) -> str:
    """Give the name of a file until it is whole."""
    return os.path.realpath(path) + ".part"


def _begin(path: str, real: str, part: str) -> None:
    """Make the part with the permissions of what it replaces before anything stands in it."""
    need_folder(path)
    try:
        with open(part, "wb") as file:
            if os.path.exists(real):
                os.chmod(file.fileno() if os.chmod in os.supports_fd else part, stat.S_IMODE(os.stat(real).st_mode))
    except OSError as error:
        # What people asked for is the file, not its part.
        error.filename = path
        raise


def need_folder(path: str) -> None:
    """Say which folder is missing for a file that is to be written.

    Raises:
        click.UsageError: it is missing.
    """
    folder = os.path.dirname(path)
    if folder and not os.path.isdir(folder):
        raise click.UsageError(f"-o {path}: the folder {folder} does not exist")


def open_text(path: str, mode: str, name: str | None = None) -> IO[str]:
    """Open a file for UTF-8 text; whatever fails while it is written names it, or `name`."""
    raw = _NamedFile(path, mode)
    raw.shown = name or path
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", newline="")


class _NamedFile(io.FileIO):
    """A file whose errors say which file it was: the system's own say so only when one is opened."""

    shown = ""

    def write(self, data: object) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]  # whatever the buffer hands over
        except OSError as error:
            error.filename = self.shown
            raise
