"""Files of Binance's trade archive: found, checked against their checksum, and read in chunks."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from .._errors import RangeBarError

__all__ = ("Archive", "ArchiveError")

_CHUNK = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: What these methods raise for a damaged file; a RuntimeError is an encrypted one.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)
_CHECKSUM = re.compile(r"([0-9a-fA-F]{64})\s+\*?(\S.*)")


class ArchiveError(RangeBarError):
    """An archive file cannot be read; ``path`` names it, ``problem`` says why and ``remedy`` what to do."""

    def __init__(self, path: str, problem: str, remedy: str = "") -> None:
        self.path = path
        self.problem = problem
        self.remedy = remedy
        super().__init__(path, problem, remedy)

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" + (f"; {self.remedy}" if self.remedy else "")


class Archive:
    """One archive file: a CSV, or a zip with one CSV inside.

    Raises:
        ArchiveError: the file is not there or cannot be opened, the zip holds no CSV or several.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.size = _size(path)

    @property
    def symbol(self) -> str:
        """The symbol that the archive's own file names begin with, or an empty text."""
        stem = os.path.basename(self.path).split("-")[0]
        return stem if re.fullmatch(r"[A-Z0-9_]+", stem) else ""

    def check(self) -> bool:
        """Compare the file with the checksum file beside it; ``False`` when there is none.

        Raises:
            ArchiveError: they differ, or the checksum file is none.
        """
        beside = self.path + ".CHECKSUM"
        if not os.path.exists(beside):
            return False

        with open(beside, encoding="utf-8", errors="replace") as file:
            text = file.read(4096).strip()

        match = _CHECKSUM.fullmatch(text)
        if match is None:
            raise ArchiveError(beside, f"no SHA-256 and file name in {text[:80]!r}", "download it again")

        with open(self.path, "rb") as archive:
            found = hashlib.file_digest(archive, "sha256").hexdigest()

        if found != match[1].lower():
            problem = f"its SHA-256 is {found}, the checksum file says {match[1].lower()}"
            raise ArchiveError(self.path, problem, "download both again")

        return True

    def chunks(self) -> Iterator[tuple[bytes, bool]]:
        """Read the text in chunks, each with whether it is the last; an empty file is one empty chunk."""
        try:
            with _opened(self.path) as file:
                chunk = file.read(_CHUNK)
                while True:
                    following = file.read(_CHUNK) if chunk else b""
                    yield chunk, not following
                    if not following:
                        return

                    chunk = following
        except _UNREADABLE as error:
            raise ArchiveError(self.path, f"cannot be read to its end: {error}", "download it again") from error


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    if not _is_zip(path):
        with open(path, "rb") as plain:
            yield plain

        return

    with zipfile.ZipFile(path) as zipped, zipped.open(_only_table(path, zipped)) as inside:
        yield inside


def _size(path: str) -> int:
    """Bytes of text in the file, which is how far its reading is measured."""
    try:
        if not _is_zip(path):
            return os.path.getsize(path)

        with zipfile.ZipFile(path) as zipped:
            return _only_table(path, zipped).file_size
    except FileNotFoundError:
        raise ArchiveError(path, "no such file") from None
    except zipfile.BadZipFile as error:
        raise ArchiveError(path, f"is no zip file: {error}", "download it again") from error
    except OSError as error:
        raise ArchiveError(path, error.strerror or str(error)) from error


def _is_zip(path: str) -> bool:
    if os.path.isdir(path):
        raise ArchiveError(path, "is a folder", "name the files in it, oldest first")

    return path.lower().endswith(".zip")


def _only_table(path: str, zipped: zipfile.ZipFile) -> zipfile.ZipInfo:
    tables = [info for info in zipped.infolist() if info.filename.lower().endswith(".csv")]
    if len(tables) != 1:
        names = ", ".join(info.filename for info in zipped.infolist()) or "nothing"
        raise ArchiveError(path, f"one CSV file is expected inside, found {names}", "extract what you want to replay")

    if tables[0].compress_type not in _METHODS:
        raise ArchiveError(path, "is packed by another method than deflate", "extract what you want to replay")

    return tables[0]
