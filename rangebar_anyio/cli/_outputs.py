"""Where bars go: a terminal table, JSON lines, CSV or a Parquet file, one interface for all."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Protocol

import click
from rich.console import Console

from .._bar import Bar
from ._failures import PipeConsole
from ._files import is_special, open_text, part_of, whole_file
from ._format import bar_to_csv, bar_to_json, csv_header
from ._growing import open_growing
from ._table import TablePrinter

__all__ = ("FORMATS", "BarOutput", "open_output", "spare")

_WHOLE_ROWS = 1000

FORMATS = ("table", "jsonl", "csv", "parquet")


class BarOutput(Protocol):
    """Takes bars in order; nothing is promised to be on disk before the output is closed."""

    def write(self, bars: Iterable[Bar]) -> None:
        """Take bars."""

    def flush(self) -> None:
        """Hand over to the system what was taken, where the format can do that before the end."""


def spare(output: str | None, files: Iterable[str]) -> None:
    """Refuse an output that would be written over one of these files, under its own name or before it is whole.

    Raises:
        click.UsageError: it would, by whatever path it leads there.
    """
    if output is None:
        return

    for file in files:
        if _is_same(output, file) or _is_same(part_of(output), file):
            raise click.UsageError(f"-o {output} would write over {file}; name another file")


def _is_same(path: str, other: str) -> bool:
    if os.path.realpath(path) == os.path.realpath(other):
        return True

    return os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other)


@contextmanager
def open_output(
    form: str, path: str | None, screen: Console | None = None, *, append: bool = False, symbols: Iterable[str] = ()
) -> Iterator[BarOutput]:
    """Open an output for the length of a block; `screen` is the console that a table of `symbols` is printed on.

    A file appears under its name only when the block ends without an exception: until then it is `PATH.part`, so no
    half-written file is ever taken for a whole one. With `append`, lines are added to the end of the file instead, as
    they come; a Parquet file cannot grow. Pipes and devices are written to as they are.

    Raises:
        click.UsageError: the file cannot be written so.
        OSError: it cannot be written at all.
    """
    if form == "parquet":
        _refuse_parquet(path, append)
        assert path is not None
        with whole_file(path) as part:
            from ._parquet import open_parquet

            with open_parquet(part) as output:
                yield output

        return

    if path is None:
        if isinstance(sys.stdout, io.TextIOWrapper) and form != "table":
            # Data is the same bytes wherever it goes.
            sys.stdout.reconfigure(encoding="utf-8")

        yield (
            _Table(TablePrinter(screen, symbols=symbols))
            if form == "table" and screen is not None
            else _text_output(form, sys.stdout)
        )
        sys.stdout.flush()
        return

    if append and not is_special(path):
        with open_growing(path, form) as (file, is_new):
            yield _text_output(form, file, is_new=is_new)

        return

    with whole_file(path) as part, open_text(part, "w", path) as file:
        yield _text_output(form, file)


def _refuse_parquet(path: str | None, append: bool) -> None:
    if path is None:
        raise click.UsageError("--format parquet writes a file: name it with -o FILE")

    if is_special(path):
        raise click.UsageError(f"-o {path} is no regular file, and Parquet needs one")

    if append and os.path.exists(path):
        raise click.UsageError(
            f"-o {path} exists, and a Parquet file cannot grow: name a new file, or use record and export"
        )


def _text_output(form: str, file: IO[str], *, is_new: bool = True) -> BarOutput:
    if form == "table":
        # No screen, no width: whole rows, whoever reads them.
        return _Table(TablePrinter(PipeConsole(file=file, highlight=False), width=_WHOLE_ROWS), file)

    if form == "csv" and is_new:
        file.write(csv_header() + "\n")

    return _Lines(file, bar_to_csv if form == "csv" else bar_to_json)


class _Table:
    def __init__(self, printer: TablePrinter, file: IO[str] | None = None) -> None:
        self._printer = printer
        self._file = file

    def write(self, bars: Iterable[Bar]) -> None:
        for bar in bars:
            self._printer.write(bar)

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()


class _Lines:
    def __init__(self, file: IO[str], encode: Callable[[Bar], str]) -> None:
        self._file = file
        self._encode = encode

    def write(self, bars: Iterable[Bar]) -> None:
        encode = self._encode
        self._file.write("".join(encode(bar) + "\n" for bar in bars))

    def flush(self) -> None:
        self._file.flush()
