"""Tapes as files in the exchange's archive format: comma separated, spot and futures, plain or zipped."""

from __future__ import annotations

import csv
import io
import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .._decimals import SCALE, padded_text
from ._tape import AggTrade, Tape

__all__ = ("read_archive_csv", "write_archive_csv")

_MICROSECONDS_FROM = 10**14
_NUMBER = re.compile(r"(\d+)(?:\.(\d{1,8})0*)?")


def decimal_text(value_e8: int) -> str:
    """A number times 10^8 as the exchange writes it, always with eight decimals."""
    return padded_text(value_e8, 8)


def write_archive_csv(tape: Tape, path: str | os.PathLike[str]) -> None:
    """Write a tape in the format of the spot archives from 2025 on.

    Eight columns, no header, microseconds, ``True``/``False``; the last column is always ``True``.

    Args:
        tape: what to write.
        path: the file, overwritten if it exists.

    Raises:
        OSError: the file cannot be written.
    """
    with open(path, "w", encoding="ascii", newline="") as file:
        file.writelines(_line(row) for row in tape)


def _line(row: AggTrade) -> str:
    number, price, quantity, first, last, time_us, maker = row
    return f"{number},{decimal_text(price)},{decimal_text(quantity)},{first},{last},{time_us},{maker},True\n"


def read_archive_csv(path: str | os.PathLike[str], *, symbol: str | None = None) -> Tape:
    """Read an archive of aggregate trades, spot or futures, with or without header, plain or zipped.

    Times are read by their magnitude: milliseconds become microseconds.

    Args:
        path: a ``.csv`` file, or a ``.zip`` with one inside.
        symbol: the tape's symbol; by default the part of the file name before the first ``-`` or ``.``.

    Raises:
        ValueError: a line that is no trade, or trades out of order; the message names the line.
        OSError: the file cannot be read.
    """
    tape = Tape(symbol or re.split(r"[-.]", Path(path).name)[0].upper())

    with _open_text(path) as lines:
        for number, fields in enumerate(csv.reader(lines), start=1):
            if number == 1 and fields and not fields[0].isdigit():
                continue

            try:
                tape.append(_row(fields))
            except (ValueError, IndexError) as error:
                raise ValueError(f"{os.fspath(path)}, line {number}: {error}") from None

    return tape


@contextmanager
def _open_text(path: str | os.PathLike[str]) -> Iterator[Iterable[str]]:
    if not zipfile.is_zipfile(path):
        with open(path, encoding="ascii", newline="") as file:
            yield file

        return

    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as member:
        yield io.TextIOWrapper(member, encoding="ascii", newline="")


def _row(fields: list[str]) -> AggTrade:
    time_us = int(fields[5])

    if time_us < _MICROSECONDS_FROM:
        time_us *= 1000

    price_e8, quantity_e8 = _scaled(fields[1]), _scaled(fields[2])
    maker = fields[6].lower() == "true"
    return AggTrade(int(fields[0]), price_e8, quantity_e8, int(fields[3]), int(fields[4]), time_us, maker)


def _scaled(text: str) -> int:
    match = _NUMBER.fullmatch(text)

    if match is None:
        raise ValueError(f"not a number with at most eight decimals: {text!r}")

    whole, fraction = match.groups()
    return int(whole) * SCALE + int((fraction or "").ljust(8, "0"))
