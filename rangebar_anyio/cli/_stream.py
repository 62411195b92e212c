"""`rangebar-anyio stream`: bars as they close."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape

from .._stores import store_files
from ._failures import failures_on, standard_error
from ._options import default_format, lane_options, run_async
from ._outputs import FORMATS, open_output, spare
from ._table import counted, took
from ._wanted import Wanted

if TYPE_CHECKING:
    from .._bar import Bar
    from ._follow import Ended

__all__ = ("command", "print_summary")


@click.command("stream")
@lane_options
@click.option(
    "--db", type=click.Path(dir_okay=False), help="Remember in this file what was shown, and go on from there."
)
@click.option("--format", "form", type=click.Choice(FORMATS), help="By default a table on a terminal, else jsonl.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="Add to the end of this file instead of the screen; a Parquet file must be new.",
)
@click.option("-q", "--quiet", is_flag=True, help="No status line, no events, no summary.")
def command(backend: str, db: str | None, form: str | None, output: str | None, quiet: bool, **options: Any) -> None:
    """Print range bars of live trades as they close.

    SYMBOLS as the exchange names them: BTCUSDT. Without --db every run begins with the next trade; with it a run goes
    on where the one before ended, and what was missed meanwhile is fetched.

    Ctrl-C ends it in order, a second one at once. In a pipe bars are JSON lines, and what happens besides goes to
    standard error. Exit codes: 0 for any end in order, 2 for what cannot be asked for, 1 for a failure.
    """
    if db is not None:
        spare(output, store_files(db))

    form = form or default_format(output)
    if db is not None and form == "parquet":
        raise click.UsageError(
            "a Parquet file is whole only at its end, so --db would forget bars at a kill: use record, then export"
        )

    status, wanted = standard_error(), Wanted(**options)
    wanted.check(has_store=db is not None)
    # Before it has begun Ctrl-C is an end in order as well.
    with failures_on(status, interrupted=0):
        ended, bars = run_async(_stream, wanted, status, form, output, quiet, db, backend=backend)

    if not quiet:
        print_summary(status, ended, bars, output)


async def _stream(
    wanted: Wanted, status: Console, form: str, output: str | None, quiet: bool, db: str | None
) -> tuple[Ended, int]:
    from ._ahead import TellsWhatIsAhead
    from ._follow import each_bar, follow
    from ._screen import open_screen

    table = Console(highlight=False) if form == "table" and output is None and sys.stdout.isatty() else None
    # Status lines stay below the rows of a table, and never on a terminal that lines of data scroll over.
    live = table is not None or output is not None
    with open_screen(table or status, wanted.lanes, quiet=quiet, live=live) as screen:
        opening = wanted.open(screen.on_event, store=db, reader="stream")
        with open_output(form, output, table, append=True, symbols=wanted.symbols) as sink:

            def write(bar: Bar) -> None:
                sink.write([bar])
                # Only what has left this process is finished.
                sink.flush()
                screen.on_bar()

            ended = await follow(
                opening,
                each_bar(write, wanted.max_bars),
                screen,
                seconds=wanted.seconds,
                beside=(TellsWhatIsAhead(wanted.first_ids, screen).watch,),
                onto_stdout=output is None,
            )

        return ended, screen.bars


def print_summary(status: Console, ended: Ended, bars: int, where: str | None) -> None:
    """Say in one line what a run came to; `bars` were written, to the file `where` if it has a name."""
    why = f"{ended.why}: " if ended.why else ""
    stats = ended.stats
    if stats is None:
        status.print(f"{escape(why)}nothing was received")
        return

    parts = [
        f"{_bold(counted(stats.live_trades + stats.fetched_trades, 'trade'))} in {took(int(ended.seconds * 1e6))}",
        _bold(counted(bars, "bar")) + (f" written to {escape(where)}" if where is not None else ""),
        counted(stats.disconnects + stats.rotations, "reconnect"),
        f"{stats.gaps_filled:,} of {counted(stats.gaps_found, 'gap')} filled",
    ]
    if stats.connects == stats.connect_failures:
        parts[2:] = ["never connected"]

    if stats.missing_trades:
        parts.append(f"[yellow]{counted(stats.missing_trades, 'trade')} missing[/]")

    status.print(f"{escape(why)}{', '.join(parts)}")


def _bold(text: str) -> str:
    number, _, what = text.partition(" ")
    return f"[bold]{number}[/] {what}"
