"""Recorded days to range bars: archives in order through one processor for each threshold."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

from .._bar import Bar
from .._processor import RangeBarProcessor
from ._archive import Archive, ArchiveError
from ._archive_rows import ArchiveRows, Batch, RowTotals

__all__ = ("Replay",)


class Replay:
    """Replays archives of one symbol, given oldest first, at one or more thresholds.

    Every trade id is taken once: repeated rows are dropped and counted, ids that never come are counted as
    `missing_trades` of the bar they fall in and listed in `totals`. Bars come in the order in which they close; those
    closed by one trade come smallest threshold first.

    Raises:
        ArchiveError: a file is missing, damaged, unlike its checksum, or given in the wrong order.
        InvalidThresholdError: a threshold is out of range.
    """

    def __init__(self, paths: Sequence[str], thresholds_dbps: Sequence[int], *, symbol: str | None = None) -> None:
        self._archives = [Archive(path) for path in paths]
        self._rows = ArchiveRows()
        self.symbol = name = symbol if symbol is not None else _common_symbol(self._archives)
        ordered = sorted(set(thresholds_dbps))
        self._processors = [RangeBarProcessor(threshold, symbol=name) for threshold in ordered]

    @property
    def totals(self) -> RowTotals:
        """What was found in the rows so far."""
        return self._rows.totals

    @property
    def size(self) -> int:
        """Bytes of text in all archives."""
        return sum(archive.size for archive in self._archives)

    @property
    def forming(self) -> list[Bar]:
        """The bars that have not closed, smallest threshold first."""
        return [bar for processor in self._processors if (bar := processor.forming) is not None]

    @property
    def time_reversals(self) -> int:
        """Trades whose time was before that of their predecessor."""
        return self._processors[0].time_reversals if self._processors else 0

    def check(self) -> int:
        """Compare every archive with the checksum file beside it, and their order; return how many had one."""
        checked = sum(archive.check() for archive in self._archives)
        # A single file has no order, and may be a pipe, which can be read only once.
        if len(self._archives) > 1:
            self._check_order()

        return checked

    def _check_order(self) -> None:
        looked_at = ArchiveRows()
        before: tuple[str, int] | None = None
        for archive in self._archives:
            if not os.path.isfile(archive.path):
                raise ArchiveError(archive.path, "is no regular file", "give a pipe alone, or files")

            first_id = looked_at.first_id(archive.path, archive.chunks())
            if first_id is None:
                continue

            if before is not None and first_id < before[1]:
                problem = f"begins with trade {first_id}, before trade {before[1]} with which {before[0]} begins"
                raise ArchiveError(archive.path, problem, "name the files oldest first")

            before = archive.path, first_id

    def bars(self, on_bytes: Callable[[int], object]) -> Iterator[list[Bar]]:
        """Yield the bars of one batch of rows after another; `on_bytes` is told of every chunk's length."""
        for archive in self._archives:
            for batch in self._rows.read(archive.path, _told(archive.chunks(), on_bytes)):
                bars = self._push(batch)
                if bars:
                    yield bars

    def _push(self, batch: Batch) -> list[Bar]:
        bars: list[Bar] = []
        for processor in self._processors:
            bars += processor._push_packed(batch.packed, batch.size)

        if len(self._processors) > 1:
            # Stable, and the processors are in the order of their thresholds.
            bars.sort(key=attrgetter("last_agg_trade_id"))

        return bars


def _common_symbol(archives: Sequence[Archive]) -> str:
    names = {archive.symbol: archive for archive in archives}
    if len(names) > 1:
        first, second, *_ = names.values()
        problem = f"is of {second.symbol or 'no symbol'}, {first.path} of {first.symbol or 'no symbol'} by its name"
        raise ArchiveError(second.path, problem, "replay one symbol at a time, or say which with --symbol")

    return next(iter(names), "")


def _told(chunks: Iterator[tuple[bytes, bool]], on_bytes: Callable[[int], object]) -> Iterator[tuple[bytes, bool]]:
    for chunk, at_end in chunks:
        on_bytes(len(chunk))
        yield chunk, at_end
