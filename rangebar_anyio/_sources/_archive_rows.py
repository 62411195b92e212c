"""Archive text to trades: decoded, and each id once, by the same rule as the live feed's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .._native import TRADE_SIZE, CData, check, ffi, lib
from ._archive import ArchiveError

__all__ = ("ArchiveRows", "Batch", "RowTotals")

_TICKS = 8192
_GAPS = 64
_BINARY = 16
#: Gaps that are kept to be listed; all are counted.
_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Batch:
    """Packed trades of consecutive rows: `size` bytes at `packed`, valid until the next batch is asked for."""

    packed: CData
    size: int


@dataclass(slots=True)
class RowTotals:
    """What was found in the rows so far; `gaps` lists the first thousand as (first, last) missing id."""

    trades: int = 0
    repeated: int = 0
    differing: int = 0
    gap_count: int = 0
    missing: int = 0
    has_milliseconds: bool = False
    has_microseconds: bool = False
    gaps: list[tuple[int, int]] = field(default_factory=list)


class ArchiveRows:
    """Reads the rows of files that follow each other."""

    def __init__(self) -> None:
        self.totals = RowTotals()
        self._ticks = ffi.new("RbTick[]", _TICKS)
        self._gaps = ffi.new("RbGap[]", _GAPS)
        self._last = ffi.new("RbTick *")
        self._last.agg_trade_id = lib.RB_NO_POSITION
        self._sifted = ffi.new("RbSifted *")
        self._progress = ffi.new("RbArchiveProgress *")

    def read(self, path: str, chunks: Iterator[tuple[bytes, bool]]) -> Iterator[Batch]:
        """Decode one file.

        Raises:
            ArchiveError: a row that is no trade, named by line and column, or ids that begin anew; the batches before
                it were handed out.
        """
        line = 1
        rest = b""
        at_start = True
        for chunk, at_end in chunks:
            data = rest + chunk
            while True:
                status, rows, used = self._decode(data, at_start, at_end)
                line += self._progress.lines
                yield from self._sift(path, rows)
                data = data[used:]
                at_start = at_start and not used
                if status == lib.RB_ROW_REFUSED:
                    raise self._refused(path, line, data)

                if not used:
                    break

            rest = data

    def first_id(self, path: str, chunks: Iterator[tuple[bytes, bool]]) -> int | None:
        """Look at a file's first trade only; ``None`` for a file without one."""
        data = b""
        for chunk, at_end in chunks:
            data += chunk
            status, rows, _ = self._decode(data, True, at_end)
            if rows:
                return int(self._ticks[0].agg_trade_id)

            if status == lib.RB_ROW_REFUSED:
                raise self._refused(path, 1 + self._progress.lines, data[self._progress.bytes_consumed :])

        return None

    def _decode(self, data: bytes, at_start: bool, at_end: bool) -> tuple[int, int, int]:
        progress = self._progress
        status = lib.rb_archive_decode(data, len(data), at_start, at_end, self._ticks, _TICKS, progress)
        if status < 0:
            check(status, "archive decoder")

        self.totals.has_milliseconds |= bool(progress.has_milliseconds)
        self.totals.has_microseconds |= bool(progress.has_microseconds)
        return status, progress.rows, progress.bytes_consumed

    def _sift(self, path: str, rows: int) -> Iterator[Batch]:
        done = 0
        sifted = self._sifted
        while done < rows:
            here = self._ticks + done
            status = lib.rb_ticks_sift(self._last, here, rows - done, self._gaps, _GAPS, sifted)
            if status < 0:
                check(status, "archive decoder")

            self._count()
            if sifted.kept:
                yield Batch(ffi.cast("const uint8_t *", here), sifted.kept * TRADE_SIZE)

            done += sifted.consumed
            if status == lib.RB_IDS_RESTARTED:
                raise self._restarted(path, self._ticks[done])

    def _count(self) -> None:
        sifted, totals = self._sifted, self.totals
        totals.trades += sifted.kept
        totals.repeated += sifted.repeated
        totals.differing += sifted.differing
        totals.gap_count += sifted.gaps
        for gap in self._gaps[0 : sifted.gaps]:
            totals.missing += gap.to_id - gap.from_id + 1
            if len(totals.gaps) < _LISTED:
                totals.gaps.append((gap.from_id, gap.to_id))

    def _refused(self, path: str, line: int, data: bytes) -> ArchiveError:
        progress = self._progress
        text = _excerpt(data[: progress.error_text_len])
        name = ffi.string(progress.error_column_name).decode()
        phrase = ffi.string(progress.error_phrase).decode()
        where = f"column {progress.error_column} ({name}): " if progress.error_column else ""
        return ArchiveError(path, f"line {line}, {where}{phrase}: {text}", "download the file again, or mend the line")

    def _restarted(self, path: str, tick: CData) -> ArchiveError:
        problem = (
            f"trade {tick.agg_trade_id} comes more than a minute after trade {self._last.agg_trade_id}, "
            "which has a higher id: ids begin anew, so these rows are not of one tape"
        )
        return ArchiveError(path, problem, "replay one symbol of one market at a time")


def _excerpt(data: bytes) -> str:
    """Show a line for people; of one that is no text, a few bytes show as much as all of them."""
    text = data.decode("utf-8", "backslashreplace")
    return repr(text) if text.isprintable() and b"\0" not in data else f"{data[:_BINARY]!r}..., which is no text"
