"""Files that bars are added to: whether they are of the same format, and how the last run left their end."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import click

from ._files import need_folder, open_text
from ._format import csv_header

__all__ = ("open_growing",)

_LOG = logging.getLogger("rangebar_anyio.cli")
#: No line that was written here is as long.
_LONGEST = 65_536
_NAMES = {
    "jsonl": "JSON lines",
    "csv": "CSV with the columns of this version",
    "parquet": "Parquet",
    "table": "a table or other text",
}


@contextmanager
def open_growing(path: str, form: str) -> Iterator[tuple[IO[str], bool]]:
    """Open a file to add lines to its end; the second value says whether it is new.

    Somebody who was killed in the middle of a line leaves half of it: it is cut off, for it is no bar, and the next
    line would be glued to it.

    Raises:
        click.UsageError: what stands in the file is of another format.
        OSError: it cannot be written.
    """
    need_folder(path)
    if os.path.exists(path):
        _mend(path, form)

    with open_text(path, "a") as file:
        yield file, os.path.getsize(path) == 0


def _mend(path: str, form: str) -> None:
    with open(path, "r+b") as file:
        if first := file.readline(_LONGEST):
            _refuse_other(path, form, first)

        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - _LONGEST))
        last = file.read().rpartition(b"\n")[2]
        if not last:
            return

        if form == "table" or _is_whole(form, last):
            file.write(b"\n")
            return

        if len(last) >= _LONGEST:
            raise click.UsageError(f"-o {path}: its last line is no bar; name a new file")

        file.truncate(end - len(last))
        _LOG.warning(
            "%s ended in the middle of a line, which was cut off: %r", path, last[:60].decode("utf-8", "replace")
        )


def _refuse_other(path: str, form: str, first: bytes) -> None:
    found = _form_of(first)
    # Half a header is an unfinished line like any other.
    is_half = form == "csv" and csv_header().encode().startswith(first)
    if found != form and not is_half:
        raise click.UsageError(f"-o {path} holds {_NAMES[found]}, not {_NAMES[form]}: name a new file")


def _form_of(first: bytes) -> str:
    """Tell from its first line what a file holds; text that is nothing else may be a table."""
    if first.startswith(b"PAR1"):
        return "parquet"

    if first.startswith(b"{"):
        return "jsonl"

    return "csv" if first.rstrip(b"\r\n") == csv_header().encode() else "table"


def _is_whole(form: str, last: bytes) -> bool:
    """Whether a line only lacks its end."""
    if form == "csv":
        return last.count(b",") >= csv_header().count(",") and last.endswith((b",true", b",false", b",is_closed"))

    try:
        json.loads(last)
    except ValueError:
        return False

    return True
