"""What `export` and `status` have in common: the lanes of a database, and the bars of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from .._bar import Bar
from .._stores import LaneKey, LaneStatus, StoreReader

__all__ = ("bars_of", "choose")


def choose(
    lanes: Sequence[LaneStatus],
    *,
    symbols: Sequence[str] = (),
    thresholds: Sequence[int] = (),
    reader: str | None = None,
    venue: str | None = None,
) -> list[LaneStatus]:
    """Choose lanes by what was asked for; what was not asked for chooses everything.

    Raises:
        click.UsageError: something that no lane has, or no lane has together with the rest.
    """
    for name, text in (("venue", venue), ("reader", reader)):
        there = sorted({str(getattr(status.lane, name)) for status in lanes})
        if text is not None and text not in there:
            raise click.UsageError(f"no {name} {text!r} in this database; it has {', '.join(there) or 'nothing'}")

    names = {symbol.upper() for symbol in symbols}
    found = [
        status
        for status in lanes
        if (not names or status.lane.symbol in names)
        and (not thresholds or status.lane.threshold_dbps in thresholds)
        and reader in (None, status.lane.reader)
        and venue in (None, status.lane.venue)
    ]
    for asked, had, what in (
        (names, {status.lane.symbol for status in found}, "symbol"),
        (set(thresholds), {status.lane.threshold_dbps for status in found}, "threshold"),
    ):
        missing = sorted(map(str, asked - had))
        if missing:
            known = ", ".join(str(status.lane) for status in lanes) or "nothing"
            raise click.UsageError(f"no {what} {missing[0]} among what was asked for; the database has {known}")

    return found


def bars_of(reader: StoreReader, lane: LaneKey, damaged: list[int] | None = None) -> Iterator[Bar]:
    """Give the recorded bars of a lane in order; a damaged one is an error, or its first id goes into `damaged`."""
    for stored in reader.bars(lane, on_damaged=None if damaged is None else damaged.append):
        yield Bar._from_raw(
            stored.packed,
            threshold_dbps=lane.threshold_dbps,
            symbol=lane.symbol,
            venue=lane.venue,
            position=stored.position.data,
        )
