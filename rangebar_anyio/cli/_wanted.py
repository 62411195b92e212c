"""What the options of `stream` and `record` ask for, as one value."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ._options import source_of, start_of

if TYPE_CHECKING:
    from .._events import StreamEvent
    from .._stream import BarStream

__all__ = ("Wanted",)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Symbols, thresholds and where they come from; the fields are named as the parameters of the options."""

    symbols: tuple[str, ...]
    thresholds: tuple[int, ...]
    market: str
    ws_url: str | None
    rest_url: str | None
    starts: tuple[str, ...]
    restart: bool
    max_bars: int | None
    seconds: float | None

    def check(self, *, has_store: bool) -> None:
        """Refuse what would be ignored, and what is written as other programs want it.

        Raises:
            click.UsageError: one of these.
        """
        several = next((symbol for symbol in self.symbols if "," in symbol), None)
        if several is not None:
            raise click.UsageError(f"separate symbols with spaces: {several.replace(',', ' ').strip()}")

        if self.restart and not has_store:
            raise click.UsageError("--restart forgets where a database stands: it needs --db")

    @property
    def lanes(self) -> list[tuple[str, int]]:
        """Symbol and threshold of each lane, in the order that was asked for."""
        names = dict.fromkeys(symbol.upper() for symbol in self.symbols)
        return [(name, threshold) for name in names for threshold in sorted(set(self.thresholds))]

    @property
    def start(self) -> Any:
        """What `--start` means, as `open_stream(start=)` takes it.

        Raises:
            click.BadParameter: it cannot be read.
        """
        return start_of(self.starts, [name.upper() for name in self.symbols])

    @property
    def first_ids(self) -> dict[str, int]:
        """The trades that symbols begin with, where `--start` names them by id."""
        start = self.start
        by_symbol = start if isinstance(start, dict) else dict.fromkeys((name.upper() for name in self.symbols), start)
        return {symbol: first for symbol, first in by_symbol.items() if isinstance(first, int)}

    def open(
        self, on_event: Callable[[StreamEvent], object] | None, **options: Any
    ) -> AbstractAsyncContextManager[BarStream]:
        """Open the stream; `options` are those of `open_stream` that are the command's own.

        Raises:
            ValueError: something that cannot be asked for.
            click.BadParameter: a start that cannot be read.
        """
        from .._stream import open_stream

        return open_stream(
            self.symbols,
            threshold_dbps=self.thresholds,
            source=source_of(self.market, self.ws_url, self.rest_url),
            start=self.start,
            restart=self.restart,
            on_event=on_event,
            **options,
        )
