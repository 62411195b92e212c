"""`rangebar-anyio export`: recorded bars out of a database."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import click
from rich.console import Console
from rich.markup import escape

from .._bar import Bar
from .._stores import LaneKey, LaneStatus, StoreReader, store_files
from ._failures import failures_on, standard_error
from ._options import Threshold, default_format
from ._outputs import open_output, spare
from ._stored import bars_of, choose
from ._table import counted

__all__ = ("command",)

_BATCH = 1000
_LISTED = 10
_FORMATS = ("csv", "jsonl", "parquet")


@click.command("export")
@click.argument("db", type=click.Path(dir_okay=False))
@click.option("--format", "form", type=click.Choice(_FORMATS), help="By default what the file's name says, else jsonl.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write to this file instead of standard output.")
@click.option("--symbol", "symbols", multiple=True, help="Only this symbol; as often as wanted.")
@click.option(
    "--threshold", "thresholds", type=Threshold(), multiple=True, help="Only this threshold; as often as wanted."
)
@click.option("--reader", help="Only what was recorded under this name.")
@click.option("--venue", help="Only this venue, as `status` shows it.")
@click.option("--skip-damaged", is_flag=True, help="Leave out damaged bars, and say which, instead of stopping.")
@click.option("-q", "--quiet", is_flag=True, help="No summary.")
def command(
    db: str,
    form: str | None,
    output: str | None,
    symbols: tuple[str, ...],
    thresholds: tuple[int, ...],
    reader: str | None,
    venue: str | None,
    skip_damaged: bool,
    quiet: bool,
) -> None:
    """Write recorded bars as CSV, JSON lines or Parquet, symbol by symbol and threshold by threshold.

    It works while a recorder writes, and needs no lock: every bar that was recorded when its page was read is there. A
    file appears under its name only when it is whole.
    """
    status = standard_error()
    spare(output, store_files(db))
    form = form or default_format(output, _FORMATS)
    with failures_on(status), StoreReader(db) as store:
        found = choose(store.lanes(), symbols=symbols, thresholds=thresholds, reader=reader, venue=venue)
        lanes = [lane for lane in found if lane.bars]
        _refuse_mixtures(lanes)
        count, damaged = 0, {status.lane: list[int]() for status in lanes}
        with open_output(form, output) as sink:
            for batch in _batches(store, damaged, skip_damaged=skip_damaged):
                sink.write(batch)
                count += len(batch)

        sys.stdout.flush()

    _tell_damaged(status, damaged)
    if not quiet:
        status.print(f"{counted(count, 'bar')} of {counted(len(lanes), 'lane')}")


def _batches(store: StoreReader, damaged: Mapping[LaneKey, list[int]], *, skip_damaged: bool) -> Iterator[list[Bar]]:
    for lane, first_ids in damaged.items():
        bars = bars_of(store, lane, first_ids if skip_damaged else None)
        while batch := list(islice(bars, _BATCH)):
            yield batch


def _tell_damaged(status: Console, damaged: Mapping[LaneKey, list[int]]) -> None:
    for lane, first_ids in damaged.items():
        if first_ids:
            listed = ", ".join(map(str, first_ids[:_LISTED])) + (", ..." if len(first_ids) > _LISTED else "")
            what = f"{len(first_ids):,} of {escape(str(lane))}, at first_agg_trade_id {listed}"
            status.print(f"[yellow]damaged bars left out:[/] {what}")


def _refuse_mixtures(lanes: Sequence[LaneStatus]) -> None:
    """Two lanes of one symbol and threshold could not be told apart in what is written."""
    seen: dict[tuple[str, int], LaneStatus] = {}
    for status in lanes:
        key = (status.lane.symbol, status.lane.threshold_dbps)
        other = seen.setdefault(key, status)
        if other is not status:
            option = "--venue" if other.lane.venue != status.lane.venue else "--reader"
            raise click.UsageError(f"{other.lane} and {status.lane} are bars of the same name; choose with {option}")
