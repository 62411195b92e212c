"""A start that the exchange has not reached yet, most often a date that was taken for the id of a trade."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import anyio

from .._stream import BarStream
from ._screen import Screen

__all__ = ("TellsWhatIsAhead",)

_LOOK_S = 0.5


class TellsWhatIsAhead:
    """Watches a stream for symbols whose first id is above those that trade, and says so once.

    Args:
        starts: the first id by symbol.
        screen: where it is said.
    """

    def __init__(self, starts: Mapping[str, int], screen: Screen) -> None:
        self._starts = dict(starts)
        self._screen = screen

    async def watch(self, stream: BarStream) -> str:
        """Look until nothing is left to be said; it never ends a stream."""
        while self._starts:
            await anyio.sleep(_LOOK_S)
            self._look(stream)

        await anyio.sleep_forever()
        return ""

    def _look(self, stream: BarStream) -> None:
        # Trades below the start count as known already.
        comes_earlier = stream.stats.duplicates > 0
        for symbol, start in list(self._starts.items()):
            if stream.last_trade(symbol) is not None:
                del self._starts[symbol]
            elif comes_earlier:
                self._screen.say(f"warning: {ahead_text(symbol, start)}", "yellow")
                del self._starts[symbol]


def ahead_text(symbol: str, start: int) -> str:
    """Say what a symbol waits for, and how to write a date."""
    meant = _date(start)
    remedy = "" if meant is None else f"; for the date write --start {meant}T00:00Z"
    return f"{symbol} begins with trade {start}, as --start says, and its trades have lower ids so far{remedy}"


def _date(number: int) -> date | None:
    """Read 20260102 as the date that somebody meant."""
    text = str(number)
    try:
        return date.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:]}") if text[:2] == "20" and len(text) == 8 else None
    except ValueError:
        return None
