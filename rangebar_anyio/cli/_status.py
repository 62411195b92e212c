"""`rangebar-anyio status`: what a database holds."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .._stores import LaneStatus, StoreReader
from ._failures import failures_on, pipe_console, standard_error
from ._table import percent

__all__ = ("command",)

_FRESH_S = 120
_WIDE = 1000


@click.command("status")
@click.argument("db", type=click.Path(dir_okay=False))
@click.option("--format", "form", type=click.Choice(("table", "jsonl")), default="table", show_default=True)
def command(db: str, form: str) -> None:
    """Show what a database holds: symbols, thresholds, bars, last position and how old it is.

    It works while a recorder writes, and needs no lock. Exit code 1 when something in it is damaged.
    """
    with failures_on(standard_error()):
        with StoreReader(db) as store:
            lanes = store.lanes()

        now_us = time.time_ns() // 1000
        if form == "jsonl":
            for status in lanes:
                click.echo(json.dumps(_plain(status, now_us)))
        else:
            # No screen, no width.
            console = pipe_console() if sys.stdout.isatty() else pipe_console(width=_WIDE)
            _show(console, db, lanes, now_us)

        sys.stdout.flush()

    if any(status.problem for status in lanes):
        sys.exit(1)


def _plain(status: LaneStatus, now_us: int) -> dict[str, object]:
    lane, checkpoint = status.lane, status.checkpoint
    return {
        "reader": lane.reader,
        "venue": lane.venue,
        "symbol": lane.symbol,
        "threshold_dbps": lane.threshold_dbps,
        "bars": status.bars,
        "last_close_time_us": status.last_close_time_us,
        "position": None if checkpoint is None else checkpoint.position.order,
        "position_text": None if checkpoint is None else checkpoint.position.text,
        "segment": None if checkpoint is None else checkpoint.segment,
        "updated_us": status.updated_us,
        "age_s": None if status.updated_us is None else round((now_us - status.updated_us) / 1e6, 3),
        "problem": status.problem,
    }


def _show(console: Console, db: str, lanes: Sequence[LaneStatus], now_us: int) -> None:
    if not lanes:
        console.print(f"{db}: nothing was recorded yet", markup=False)
        return

    table = Table(box=None, pad_edge=False, header_style="bold dim", collapse_padding=True)
    for name in ("symbol", "bar", "bars", "last bar closed (UTC)", "goes on after", "written", "reader", "venue"):
        table.add_column(name, justify="right" if name in ("bar", "bars", "written") else "left", no_wrap=True)

    for status in lanes:
        table.add_row(*_row(status, now_us))

    console.print(table)
    for status in lanes:
        if status.problem:
            console.print(f"{status.lane}: {status.problem}", style="red", markup=False)


def _row(status: LaneStatus, now_us: int) -> list[Text]:
    lane, checkpoint = status.lane, status.checkpoint
    goes_on = Text("damaged", style="red") if checkpoint is None else Text(f"trade {checkpoint.position.order:,}")
    return [
        Text(lane.symbol, style="bold"),
        Text(percent(lane.threshold_dbps), style="cyan"),
        Text(f"{status.bars:,}"),
        Text(_time(status.last_close_time_us)),
        goes_on,
        _age(status.updated_us, now_us),
        Text(lane.reader),
        Text(lane.venue, style="dim"),
    ]


def _time(time_us: int | None) -> str:
    return "none yet" if time_us is None else f"{datetime.fromtimestamp(time_us / 1e6, UTC):%Y-%m-%d %H:%M:%S}"


def _age(updated_us: int | None, now_us: int) -> Text:
    if updated_us is None:
        return Text("unknown", style="dim")

    seconds = max(0, (now_us - updated_us) // 1_000_000)
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return Text(f"{seconds // unit} {name} ago", style="green" if seconds < _FRESH_S else "")

    return Text(f"{seconds // 86_400:,} days ago", style="yellow")
