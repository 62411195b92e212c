"""Bars as rows for people: aligned, coloured by direction, with the flow of buyers and sellers drawn as a meter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from rich.console import Console
from rich.text import Text

from .._bar import Bar
from ._format import plain

__all__ = ("TablePrinter", "compact", "counted", "percent", "took")

_METER = 8
_HEADER_EVERY = 40
_SYMBOL_WIDTH = 9


class TablePrinter:
    """Writes one aligned row a bar, as many columns as the console is wide, and the header again on each new screen."""

    def __init__(self, console: Console, width: int | None = None, symbols: Iterable[str] = ()) -> None:
        self._console = console
        self._width = width
        self._symbol_width = max([_SYMBOL_WIDTH, *map(len, symbols)])
        self._rows = 0

    def write(self, bar: Bar) -> None:
        """Print one bar."""
        grows = len(bar.symbol) > self._symbol_width
        self._symbol_width = max(self._symbol_width, len(bar.symbol))
        columns = _fitting(self._width or self._console.width, self._symbol_width)
        if grows or self._rows % _HEADER_EVERY == 0:
            self._print(_header(columns))

        self._rows += 1
        self._print(_row(columns, bar))

    def _print(self, text: Text) -> None:
        self._console.print(text, no_wrap=True, crop=False, overflow="ignore", soft_wrap=True)


@dataclass(frozen=True, slots=True)
class _Column:
    """`rank` says how early it is left out on a narrow screen: the highest goes first."""

    name: str
    width: int
    rank: int
    cell: Callable[[Bar], Text]
    left: bool = False


def _fitting(width: int, symbol_width: int) -> list[_Column]:
    chosen = [replace(column, width=symbol_width) if column.name == "symbol" else column for column in _COLUMNS]
    while len(chosen) > 2 and sum(column.width + 1 for column in chosen) > width:
        # Columns of one rank say something together only.
        first_out = max(column.rank for column in chosen)
        chosen = [column for column in chosen if column.rank != first_out]

    return chosen


def _header(columns: list[_Column]) -> Text:
    names = (
        f"{column.name:<{column.width}}" if column.left else f"{column.name:>{column.width}}" for column in columns
    )
    return Text(" ".join(names).rstrip(), style="bold dim")


def _row(columns: list[_Column], bar: Bar) -> Text:
    row = Text()
    for column in columns:
        cell = column.cell(bar)
        padding = " " * (column.width - cell.cell_len)
        row.append_text(cell + padding if column.left else Text(padding) + cell)
        row.append(" ")

    if bar.missing_trades:
        row.append(f"{bar.missing_trades:,} missing ", style="bold yellow")

    if not bar.is_closed:
        row.append("forming", style="italic dim")

    row.rstrip()
    return row


def _rises(bar: Bar) -> bool:
    return bar.exact("close") >= bar.exact("open")


def _direction(bar: Bar) -> str:
    return "green" if _rises(bar) else "red"


def _closed_at(bar: Bar) -> Text:
    milliseconds = bar.close_time.microsecond // 1000
    return Text(f"{bar.close_time:%Y-%m-%d %H:%M:%S}.{milliseconds:03d}", style="dim")


def _price(name: str) -> Callable[[Bar], Text]:
    return lambda bar: Text(_aligned(bar, name))


def _aligned(bar: Bar, name: str) -> str:
    """Return a price with two decimals or more, so that the points of most rows stand below each other."""
    whole, _, decimals = plain(bar.exact(name)).partition(".")
    return f"{whole}.{decimals:<02}"


def _close(bar: Bar) -> Text:
    arrow = "▲" if _rises(bar) else "▼"
    return Text(f"{arrow} {_aligned(bar, 'close')}", style=f"bold {_direction(bar)}")


def _move(bar: Bar) -> Text:
    return Text(f"{(bar.close - bar.open) / bar.open:+.2%}", style=_direction(bar))


def _flow(bar: Bar) -> Text:
    """Draw -1..1 as a bar that grows from the middle to the side that was the aggressor."""
    filled = "█" * min(_METER, round(abs(bar.ofi) * _METER))
    if bar.ofi < 0:
        return Text.assemble((f"{filled:>{_METER}}", "red"), ("│", "dim"), " " * _METER)

    return Text.assemble(" " * _METER, ("│", "dim"), (f"{filled:<{_METER}}", "green"))


_COLUMNS: tuple[_Column, ...] = (
    _Column("closed at (UTC)", 23, 4, _closed_at, left=True),
    _Column("symbol", _SYMBOL_WIDTH, 1, lambda bar: Text(bar.symbol, style="bold"), left=True),
    _Column("bar", 6, 2, lambda bar: Text(percent(bar.threshold_dbps), style="cyan")),
    _Column("open", 12, 8, _price("open")),
    _Column("high", 12, 9, _price("high")),
    _Column("low", 12, 9, _price("low")),
    _Column("close", 14, 0, _close),
    _Column("move", 7, 3, _move),
    _Column("volume", 11, 5, lambda bar: Text(compact(bar.volume))),
    _Column("trades", 8, 6, lambda bar: Text(f"{bar.individual_trade_count:,}")),
    _Column("took", 7, 7, lambda bar: Text(took(bar.duration_us), style="dim")),
    _Column("sell│buy".center(_METER * 2 + 1), _METER * 2 + 1, 11, _flow, left=True),
)


def percent(threshold_dbps: int) -> str:
    """Return a threshold as people write it: 250 is `0.25%`."""
    return f"{threshold_dbps / 1000:.3f}".rstrip("0").rstrip(".") + "%"


def counted(count: int, what: str) -> str:
    """Return a number of things: `1 bar`, `1,216 bars`."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def compact(value: float) -> str:
    """Return a quantity in at most eleven characters."""
    for limit, divisor, suffix in ((1e12, 1e9, "G"), (1e9, 1e6, "M"), (1e6, 1e3, "k")):
        if value >= limit:
            return f"{value / divisor:,.0f}{suffix}"

    return f"{value:,.4f}" if value < 10_000 else f"{value:,.1f}"


def took(duration_us: int) -> str:
    """Return a duration with the unit that suits it."""
    seconds = duration_us / 1_000_000
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f}ms"

    if seconds < 100:
        return f"{seconds:.1f}s"

    minutes, rest = divmod(round(seconds), 60)
    if minutes < 100:
        return f"{minutes}m{rest:02d}s"

    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m"
