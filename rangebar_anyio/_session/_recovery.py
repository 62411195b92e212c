"""The catch-ups of all sequences, and the feed's events that concern them."""

from __future__ import annotations

from collections.abc import Callable

from .._errors import CheckpointMismatchError
from .._feed_events import GapFound, IdSkipped, IdsRestarted, SequencesMerged
from ._catchup import Catchup
from ._core import Core, Symbol
from ._house import House
from ._page import Page
from ._query import Query
from ._rules import Found


class Recovery:
    """What is known to be missing, what may be, and how it is fetched.

    Args:
        core: the session's surroundings.
        house: where requests are sent.
        drain: handles the feed's events that wait.
        on_brought: called when a probe after quiet brought trades that the socket did not.
    """

    def __init__(
        self,
        core: Core,
        house: House,
        drain: Callable[[float], None],
        on_brought: Callable[[Symbol, float], None],
    ) -> None:
        self._core = core
        self._house = house
        self._catchups: dict[int, Catchup] = {}
        self._blocked: list[Catchup] = []
        self._asking: set[str] = set()
        self.drain = drain
        self.on_brought = on_brought
        self.pushing: Page | None = None

    def add(self, symbol: Symbol, sequence: int) -> None:
        """Take care of a sequence."""
        if sequence not in self._catchups:
            catchup = Catchup(self._core, self._house, self, symbol, sequence)
            self._catchups[sequence] = symbol.catchups[sequence] = catchup

    def probe(self, symbol: Symbol, now: float, *, is_quiet: bool = False) -> None:
        """Ask whether anything of a symbol is missing."""
        for catchup in symbol.catchups.values():
            catchup.probe(now, is_quiet=is_quiet)

    def ask_newest(self, symbol: Symbol, now: float, *, is_quiet: bool = False) -> None:
        """Ask how far REST reaches, once at a time. ``is_quiet``: a newer one is one that the socket did not bring."""
        if symbol.name in self._asking:
            return

        self._asking.add(symbol.name)

        def found(trades: list[Found], now: float) -> None:
            self._asking.discard(symbol.name)
            before = symbol.newest
            self.learn(symbol, trades)

            for catchup in list(symbol.catchups.values()):
                catchup.aim(symbol.newest, now)

            if is_quiet and symbol.newest > before >= 0:
                self.on_brought(symbol, now)

        rules = self._core.rules
        Query(
            self._core,
            self._house,
            symbol,
            lambda: rules.newest_request(symbol.name),
            found,
            is_probe=is_quiet,
        ).want(now)

    def learn(self, symbol: Symbol, trades: list[Found]) -> None:
        """REST has named these trades."""
        newest = max((trade.trade_id for trade in trades), default=-1)

        if newest > symbol.newest:
            symbol.newest = newest
            self._core.feed.set_known(symbol.number, newest)

    # Back-pressure.

    def block(self, catchup: Catchup) -> None:
        """An answer waits for room among the bars."""
        if catchup not in self._blocked:
            self._blocked.append(catchup)

    @property
    def is_blocked(self) -> bool:
        """Whether any answer waits for room."""
        return bool(self._blocked)

    def unblock(self, now: float) -> None:
        """There may be room again."""
        blocked, self._blocked = self._blocked, []

        for catchup in blocked:
            catchup.push(now)

    # The feed's events.

    def on_gap(self, event: GapFound, now: float) -> None:
        """Trades are missing."""
        catchup = self._catchups.get(event.sequence)

        if catchup is not None:
            catchup.gap(event, now)

    def on_skip(self, event: IdSkipped, now: float) -> None:
        """REST went on with a higher id."""
        catchup = self._catchups.get(event.sequence)

        if catchup is not None:
            catchup.skipped(event, now)

    def on_merge(self, event: SequencesMerged, now: float) -> None:
        """Two sequences have met."""
        gone = self._catchups.pop(event.from_, None)
        into = self._catchups.get(event.into)

        if gone is None or into is None:
            return

        del gone.symbol.catchups[event.from_]
        gone.dissolve(into, now)

        if gone in self._blocked:
            self._blocked.remove(gone)

    def on_restart(self, event: IdsRestarted, now: float) -> None:  # noqa: ARG002 - events are handled alike
        """Ids have begun anew, or the position belongs to another market."""
        catchup = self._catchups.get(event.sequence)
        name = "" if catchup is None else catchup.symbol.name
        self._core.fail(
            CheckpointMismatchError(
                lane=f"{self._core.rules.venue}/{name}",
                field="position",
                stored=f"id {event.expected - 1}, time {event.last_time_us} us",
                found=f"id {event.id}, time {event.time_us} us",
            )
        )


__all__ = ("Recovery",)
