"""`rangebar-anyio record`: bars into a database, each exactly once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from ._failures import failures_on, standard_error
from ._options import lane_options, run_async
from ._stream import print_summary
from ._table import TablePrinter
from ._wanted import Wanted

if TYPE_CHECKING:
    from .._bar import Bar
    from .._stream import BarStream
    from ._follow import Ended

__all__ = ("READER", "command")

#: The name under which positions of recordings are kept, so that no other program moves them.
READER = "record"


@click.command("record")
@lane_options
@click.option("--db", type=click.Path(dir_okay=False), required=True, help="The database; it is made if need be.")
@click.option("--replace", is_flag=True, help="With --restart: delete recorded bars from the new start on.")
@click.option("-q", "--quiet", is_flag=True, help="No status line, no events, no summary.")
def command(backend: str, db: str, replace: bool, quiet: bool, **options: Any) -> None:
    """Write range bars of live trades into a database, each exactly once.

    A bar and the place it ends at are written in one transaction: whenever this is stopped or killed, the next run goes
    on there and fetches what it missed. `export` and `status` read the database, also while this runs.

    Ctrl-C ends it in order, a second one at once. Exit codes as for `stream`.
    """
    status, wanted = standard_error(), Wanted(**options)
    wanted.check(has_store=True)
    if replace and not wanted.restart:
        raise click.UsageError("--replace deletes bars from a new start on: it needs --restart")

    # Before it has begun Ctrl-C is an end in order as well.
    with failures_on(status, interrupted=0):
        ended, bars = run_async(_record, wanted, status, db, replace, quiet, backend=backend)

    if not quiet:
        print_summary(status, ended, bars, db)


async def _record(wanted: Wanted, status: Console, db: str, replace: bool, quiet: bool) -> tuple[Ended, int]:
    from .._stores import SqliteStore
    from ._ahead import TellsWhatIsAhead
    from ._follow import follow
    from ._screen import open_screen

    terminal = Console(highlight=False) if sys.stdout.isatty() and not quiet else None
    printer = None if terminal is None else TablePrinter(terminal, symbols=wanted.symbols)
    with open_screen(terminal or status, wanted.lanes, quiet=quiet, live=terminal is not None) as screen:
        async with SqliteStore(db) as store:
            opening = wanted.open(
                screen.on_event, store=store, reader=READER, ack="manual", replace=replace, bar_buffer=1000
            )

            def on_bars(bars: Sequence[Bar]) -> None:
                for bar in bars:
                    screen.on_bar()
                    if printer is not None:
                        printer.write(bar)

            async def consume(stream: BarStream) -> None:
                from .._recorder import record

                await record(stream, store, on_bars=on_bars, max_bars=wanted.max_bars)

            ended = await follow(
                opening,
                consume,
                screen,
                seconds=wanted.seconds,
                beside=(TellsWhatIsAhead(wanted.first_ids, screen).watch,),
                onto_stdout=False,
            )

        return ended, screen.bars
