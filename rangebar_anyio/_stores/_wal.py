"""Whether a write-ahead log is whole, as far as that can be told.

SQLite reads its log up to the first frame that does not fit, and takes the rest for what a loss of power left of the
last transaction. That is right for a torn tail and wrong for a flipped bit in the middle: confirmed transactions would
be dropped in silence, and the log be deleted. So it is looked through before a store is written to.

The format is that of SQLite's "Database File Format" (https://www.sqlite.org/fileformat2.html), section 4, "The
Write-Ahead Log": a header of 32 bytes, then frames of 24 bytes and a page. A frame carries the salts of the header; its
checksum goes on from that of the frame before it; it ends a transaction if it gives the size of the database.

What losses of power may leave, however many, and must not be refused:

- **A tail that does not fit.** Each transaction is synced before the next one is written, and whoever opens the log
  later goes on behind what is whole. So a frame that goes on from the end of an earlier transaction proves that
  everything up to there was safe and has stayed. Behind a frame that does not fit, the ends of two transactions in one
  such chain are damage; a single end may be what is left of an unfinished one.
- **A header that does not fit.** It is written anew only when all that the log held is in the database and synced. So
  pages behind it that the database lacks are damage.

What can look like a torn tail is let through: damage in the last transaction, or in the end of the last but one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from struct import Struct, iter_unpack
from typing import IO, TypeAlias

from . import _files

Pair: TypeAlias = tuple[int, int]

_HEADER = Struct(">8I")
_FRAME = Struct(">6I")
_LITTLE, _BIG = 0x377F0682, 0x377F0683
_MASK = 2**32 - 1


@dataclass(frozen=True, slots=True)
class _Header:
    """``pairs`` is how the two words of a step of the checksum are read: the order of bytes is the header's to say."""

    pairs: str
    page_size: int
    salts: Pair
    sums: Pair
    fits: bool


@dataclass(frozen=True, slots=True)
class _Frame:
    """``database_pages`` is 0 unless a transaction ends here; ``follows``: its checksum goes on from the one before."""

    offset: int
    page: int
    database_pages: int
    is_of_header: bool
    follows: bool


def damage_of(path: str, page_size: int) -> str:
    """Say what is damaged in the log of a database that nobody writes to, ``""`` if nothing can be seen to be."""
    log = _files.log_of(path)
    if not os.path.isfile(log):
        return ""

    name = os.path.basename(log)
    with open(log, "rb") as file:
        raw = file.read(_HEADER.size)
        if len(raw) < _HEADER.size:
            return ""

        header = _read_header(raw)
        if header.fits:
            at = _stops_before_whole_transactions(file, header)
            return f"its log {name} does not fit at byte {at}, and whole transactions lie behind that" if at else ""

        with open(path, "rb") as database:
            hides = _hides_pages(file, replace(header, page_size=page_size, salts=_salts_behind(file)), database)

    return f"the header of its log {name} does not fit, and pages behind it are in no other place" if hides else ""


def _read_header(raw: bytes) -> _Header:
    magic, _, page_size, _, salt_1, salt_2, sum_1, sum_2 = _HEADER.unpack(raw)
    native = ">II" if sys.byteorder == "big" else "<II"
    pairs = {_LITTLE: "<II", _BIG: ">II"}.get(magic, native)
    fits = magic in (_LITTLE, _BIG) and _sums(pairs, raw[:24], (0, 0)) == (sum_1, sum_2)
    return _Header(pairs, page_size, (salt_1, salt_2), (sum_1, sum_2), fits)


def _sums(pairs: str, data: bytes, before: Pair) -> Pair:
    a, b = before
    for x, y in iter_unpack(pairs, data):
        a = (a + x + b) & _MASK
        b = (b + y + a) & _MASK

    return a, b


def _frames(file: IO[bytes], header: _Header) -> Iterator[_Frame]:
    """Give the frames from here to the end of the file."""
    before, size = header.sums, _FRAME.size + header.page_size
    while len(raw := file.read(size)) == size:
        page, database_pages, salt_1, salt_2, sum_1, sum_2 = _FRAME.unpack_from(raw)
        is_of_header = (salt_1, salt_2) == header.salts
        # What is left of an older log is not worth adding up.
        follows = is_of_header and page > 0 and _goes_on(header.pairs, raw, before, (sum_1, sum_2))
        before = sum_1, sum_2
        yield _Frame(file.tell() - size, page, database_pages, is_of_header, follows)


def _goes_on(pairs: str, raw: bytes, before: Pair, sums: Pair) -> bool:
    return _sums(pairs, raw[_FRAME.size :], _sums(pairs, raw[:8], before)) == sums


def _stops_before_whole_transactions(file: IO[bytes], header: _Header) -> int:
    """Give the offset of the frame at which SQLite stops, if that drops confirmed transactions, and otherwise 0."""
    stops_at, chain_has_end = 0, False
    for frame in _frames(file, header):
        if frame.follows and not stops_at:
            continue

        stops_at = stops_at or frame.offset
        if frame.follows and chain_has_end and frame.database_pages:
            return stops_at

        chain_has_end = frame.is_of_header and (frame.database_pages > 0 or (frame.follows and chain_has_end))

    return 0


def _hides_pages(file: IO[bytes], header: _Header, database: IO[bytes]) -> bool:
    """Tell whether the database lacks what the frames behind a header that does not fit would bring."""
    return any(
        _page(database, (page - 1) * header.page_size, header) != _page(file, offset + _FRAME.size, header)
        for page, offset in _last_written(_frames(file, header)).items()
    )


def _salts_behind(file: IO[bytes]) -> Pair:
    """Give the salts of the first frame, which are those of the header as it was."""
    raw = file.read(_FRAME.size)
    file.seek(_HEADER.size)
    if len(raw) < _FRAME.size:
        return 0, 0

    _, _, salt_1, salt_2, *_ = _FRAME.unpack(raw)
    return salt_1, salt_2


def _last_written(frames: Iterable[_Frame]) -> dict[int, int]:
    """Give the pages that whole transactions leave in the database, each with the offset of its last frame."""
    pages: dict[int, int] = {}
    unfinished: dict[int, int] = {}
    for frame in frames:
        # The first one's checksum goes on from a header that does not fit.
        if not frame.follows and frame.offset > _HEADER.size:
            break

        unfinished[frame.page] = frame.offset
        if frame.database_pages:
            pages |= unfinished
            unfinished.clear()

    return pages


def _page(file: IO[bytes], offset: int, header: _Header) -> bytes:
    file.seek(offset)
    return file.read(header.page_size)


__all__ = ("damage_of",)
