"""When forming bars are worth saving: every so often, at a disconnect, at the end."""

from __future__ import annotations

from collections.abc import Iterable

from ._actions import SaveSnapshots
from ._core import Core, Symbol


class Snapshots:
    """Asks for the forming bars of symbols that had trades since the last time."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._saved: dict[int, int] = {}

    def start(self, now: float) -> None:
        """Begin to ask regularly, if that is wanted."""
        every = self._core.config.snapshot_every_s

        if every is not None:
            self._core.timers.set("snapshots", now + every, self._save_again)

    def _save_again(self, now: float) -> None:
        self.save(self._core.symbols)
        self.start(now)

    def save(self, symbols: Iterable[Symbol]) -> None:
        """Ask for the forming bars of these symbols."""
        if self._core.config.snapshot_every_s is not None:
            self._ask([symbol for symbol in symbols if self._has_news(symbol)])

    def save_all(self) -> None:
        """Ask for all of them."""
        self._ask(self._core.symbols)

    def _has_news(self, symbol: Symbol) -> bool:
        info = self._core.feed.symbol(symbol.number)
        trades = info.live_trades + info.fetched_trades
        before = self._saved.get(symbol.number, 0)
        self._saved[symbol.number] = trades
        return trades != before

    def _ask(self, symbols: Iterable[Symbol]) -> None:
        lanes = self._core.lanes
        places = sorted(place for symbol in symbols for place in symbol.lanes if lanes[place].number is not None)

        if places:
            self._core.act(SaveSnapshots(tuple(places)))


__all__ = ("Snapshots",)
