"""`rangebar-anyio replay`: recorded days of trades to bars."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from .._sources._replay import Replay
from ._failures import failures_on, standard_error
from ._options import default_format, threshold_option
from ._outputs import FORMATS, BarOutput, open_output, spare
from ._table import percent

__all__ = ("command", "replay_onto", "screen_for")

_LISTED_GAPS = 10


@click.command("replay")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@threshold_option
@click.option("--symbol", help="Name of the symbol; by default what the file names begin with.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="By default a table on a terminal, else jsonl.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write to this file instead of the screen.")
@click.option("--forming", is_flag=True, help="End with the bars that have not closed, marked as such.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary.")
def command(
    files: tuple[str, ...],
    thresholds: tuple[int, ...],
    symbol: str | None,
    form: str | None,
    output: str | None,
    forming: bool,
    quiet: bool,
) -> None:
    """Turn recorded trades into range bars.

    FILES are Binance archives of aggregate trades (.csv, or .zip with one inside) of one symbol, oldest first: spot or
    futures, with or without a header row, in milliseconds or microseconds. A file NAME.CHECKSUM beside one is checked.

    Rows that repeat an id are dropped and counted; ids that never come are listed, and counted on the bar they fall in.
    A row that cannot be read ends the command with code 2 and its file, line and column; Ctrl-C with code 130. A file
    that was to be written then does not appear.
    """
    status = standard_error()
    spare(output, [name for file in files for name in (file, f"{file}.CHECKSUM")])
    form = form or default_format(output)
    screen = screen_for(form, output)
    with failures_on(status):
        replay = Replay(files, thresholds, symbol=symbol)
        with open_output(form, output, screen) as sink:
            replay_onto(replay, sink, status, progress=_beside(screen, output), forming=forming, quiet=quiet)


def replay_onto(
    replay: Replay,
    sink: BarOutput,
    status: Console,
    *,
    progress: Console | None = None,
    forming: bool = False,
    quiet: bool = False,
) -> None:
    """Check the archives, write their bars, and say on `status` what was found; `progress` shows how far it is."""
    checked = replay.check()
    started = time.perf_counter()
    with _progress(None if quiet else progress, replay) as advance:
        counts = _write(replay, sink, advance, forming)

    if not quiet:
        _summary(status, replay, counts, time.perf_counter() - started, checked)


def screen_for(form: str, output: str | None) -> Console | None:
    """The terminal that a table is printed on: its rows scroll above the progress bar."""
    if form != "table" or output is not None or not sys.stdout.isatty():
        return None

    return Console(highlight=False)


def _beside(screen: Console | None, output: str | None) -> Console | None:
    """Where a progress bar goes: never onto a terminal that lines of data scroll over."""
    if screen is None and output is None and sys.stdout.isatty():
        return None

    return screen or Console(stderr=True)


def _write(replay: Replay, sink: BarOutput, advance: Callable[[int], None], forming: bool) -> dict[int, int]:
    counts: dict[int, int] = {}
    for bars in replay.bars(advance):
        sink.write(bars)
        for bar in bars:
            counts[bar.threshold_dbps] = counts.get(bar.threshold_dbps, 0) + 1

    if forming:
        sink.write(replay.forming)

    return counts


def _ignore(_size: int) -> None:
    """No progress bar to move."""


@contextmanager
def _progress(console: Console | None, replay: Replay) -> Iterator[Callable[[int], None]]:
    if console is None or not console.is_terminal:
        yield _ignore
        return

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("replaying", total=replay.size)
        yield lambda size: progress.advance(task, size)


def _summary(status: Console, replay: Replay, counts: dict[int, int], seconds: float, checked: int) -> None:
    totals = replay.totals
    bars = ", ".join(f"{count:,} at {percent(threshold)}" for threshold, count in sorted(counts.items())) or "none"
    rate = f" ({totals.trades / seconds / 1e6:.1f} M a second)" if seconds > 0.001 else ""
    status.print(f"[bold]{totals.trades:,}[/] trades in {seconds:.2f} s{rate}; closed bars: [bold]{bars}[/]")
    if not replay.symbol:
        status.print(
            "[yellow]no symbol:[/] the file's name begins with none, so the bars have none; say it with --symbol"
        )

    if checked:
        status.print(f"checksums: {checked} right")

    if totals.repeated:
        differing = f", {totals.differing:,} of them unlike the first copy" if totals.differing else ""
        status.print(f"[yellow]repeated rows:[/] {totals.repeated:,} dropped{differing}")

    if replay.time_reversals:
        status.print(f"[yellow]times that step back:[/] {replay.time_reversals:,}")

    if totals.has_milliseconds and totals.has_microseconds:
        status.print("[yellow]time units:[/] milliseconds and microseconds, both read as microseconds")

    for first, last in totals.gaps[:_LISTED_GAPS]:
        missing = last - first + 1
        status.print(f"[yellow]gap:[/] trades {first} to {last} never came ({missing:,} missing)")

    if totals.gap_count > _LISTED_GAPS:
        more = totals.gap_count - _LISTED_GAPS
        status.print(f"[yellow]and {more:,} more gaps[/]; {totals.missing:,} trades missing in all")
