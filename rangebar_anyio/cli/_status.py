"""`rangebar-anyio status`: what a database holds."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import click
from rich.console import Console
from rich.text import Text

from .._errors import StoreError
from .._stores import LaneStatus, StoreReader
from .._trade import EPOCH
from ._failures import failures_on, pipe_console, standard_error
from ._table import percent

__all__ = ("command",)

_FRESH_S = 120
_WIDE = 1000


@click.command("status")
@click.argument("db", type=click.Path(dir_okay=False))
@click.option("--format", "form", type=click.Choice(("table", "jsonl")), default="table", show_default=True)
@click.option("--check", is_flag=True, help="Read every bar, not only the last ones: half a minute a million.")
def command(db: str, form: str, check: bool) -> None:
    """Show what a database holds: symbols, thresholds, bars, last position and how old it is.

    It works while a recorder writes, and needs no lock. Exit code 1 when something is damaged: positions, segments,
    forming bars, the last bar of a lane, and with --check any bar.
    """
    with failures_on(standard_error()):
        with StoreReader(db) as store:
            lanes = [_examined(store, status, check) for status in store.lanes()]

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


def _examined(store: StoreReader, status: LaneStatus, check: bool) -> LaneStatus:
    """Add what the lane's segments and, if asked for, its bars tell of damage."""
    problems = [status.problem] if status.problem else []
    try:
        store.segments(status.lane)
    except StoreError as error:
        problems.append(error.problem)

    damaged = list[int]()
    for _ in store.bars(status.lane, on_damaged=damaged.append) if check else ():
        pass

    if damaged:
        problems.append(f"damaged bars: {len(damaged):,}, the first one at first_agg_trade_id {damaged[0]}")

    return replace(status, problem="; ".join(problems))


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

    console.print(_table(lanes, now_us, console.width), soft_wrap=True)
    for status in lanes:
        if status.problem:
            console.print(f"{status.lane}: {status.problem}", style="red", markup=False)


@dataclass(frozen=True, slots=True)
class _Column:
    """`rank` says how early it is left out on a narrow screen: the highest goes first, the symbol never."""

    name: str
    rank: int
    cell: Callable[[LaneStatus, int], Text]
    right: bool = False


_COLUMNS = (
    _Column("symbol", 0, lambda status, _: Text(status.lane.symbol, style="bold")),
    _Column("bar", 1, lambda status, _: Text(percent(status.lane.threshold_dbps), style="cyan"), right=True),
    _Column("bars", 2, lambda status, _: Text(f"{status.bars:,}"), right=True),
    _Column("last bar closed (UTC)", 4, lambda status, _: Text(_time(status.last_close_time_us))),
    _Column("goes on after", 5, lambda status, _: _goes_on(status)),
    _Column("written", 3, lambda status, now_us: _age(status.updated_us, now_us), right=True),
    _Column("reader", 6, lambda status, _: Text(status.lane.reader)),
    _Column("venue", 7, lambda status, _: Text(status.lane.venue, style="dim")),
)


def _table(lanes: Sequence[LaneStatus], now_us: int, width: int) -> Text:
    """Lay out the columns that there is room for."""
    cells = {column.name: [column.cell(status, now_us) for status in lanes] for column in _COLUMNS}
    widths = {name: max(len(name), *(cell.cell_len for cell in column)) for name, column in cells.items()}
    chosen = list(_COLUMNS)
    while len(chosen) > 1 and sum(widths[column.name] + 2 for column in chosen) - 2 > width:
        chosen.remove(max(chosen, key=lambda column: column.rank))

    rows = [[Text(column.name, style="bold dim") for column in chosen]]
    rows += [[cells[column.name][n] for column in chosen] for n in range(len(lanes))]
    return Text("\n").join(_line(chosen, row, widths) for row in rows)


def _line(columns: Sequence[_Column], row: Sequence[Text], widths: Mapping[str, int]) -> Text:
    line = Text()
    for column, cell in zip(columns, row, strict=True):
        padding = " " * (widths[column.name] - cell.cell_len)
        line.append_text(Text(padding) + cell if column.right else cell + padding)
        line.append("  ")

    line.rstrip()
    return line


def _goes_on(status: LaneStatus) -> Text:
    if status.checkpoint is None:
        return Text("damaged", style="red")

    order = status.checkpoint.position.order
    return Text("the beginning" if order < 0 else f"trade {order:,}")


def _time(time_us: int | None) -> str:
    if time_us is None:
        return "none yet"

    try:
        return f"{EPOCH + timedelta(microseconds=time_us):%Y-%m-%d %H:%M:%S}"
    except OverflowError:
        # No checksum covers this column, which is for people.
        return f"{time_us} us"


def _age(updated_us: int | None, now_us: int) -> Text:
    if updated_us is None:
        return Text("unknown", style="dim")

    seconds = max(0, (now_us - updated_us) // 1_000_000)
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return Text(f"{seconds // unit} {name} ago", style="green" if seconds < _FRESH_S else "")

    return Text(f"{seconds // 86_400:,} days ago", style="yellow")
