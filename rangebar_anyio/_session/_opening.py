"""Where lanes begin: known positions at once, dates and ids after REST was asked.

A symbol with new lanes is asked for its newest trade, which also says whether it exists and how far REST reaches. A
time is looked up; as long as no trade at or after it is known, REST is asked on by id from the newest that is, so
that the first one is not missed however late REST is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from .._errors import SnapshotError
from .._events import SnapshotIgnored
from .._reconnect import Backoff
from ._core import Core, LaneState, Symbol
from ._house import House
from ._query import Query
from ._recovery import Recovery
from ._rules import Found, Request
from ._values import FromId, FromTime, Live, Resume

Build: TypeAlias = Callable[[], Request]
TakeFound: TypeAlias = Callable[[list[Found], float], None]

_FIRST_POLL_S = 1.0
_LONGEST_POLL_S = 30.0


class Opening:
    """Puts lanes into the feed as soon as it is known where they begin."""

    def __init__(self, core: Core, house: House, recovery: Recovery) -> None:
        self._core = core
        self._house = house
        self._recovery = recovery
        self._numbers: dict[int, int] = {}

    def start(self, symbol: Symbol, now: float) -> None:
        """Begin with all lanes of a symbol."""
        lanes = [(place, self._core.lanes[place]) for place in symbol.lanes]

        for place, state in lanes:
            if isinstance(state.lane.start, Resume):
                self._resume(place, state, state.lane.start)
            elif isinstance(state.lane.start, Live):
                self._add(place, state, None)

        if any(isinstance(state.lane.start, Live | FromId) for _, state in lanes):
            self._ask_newest(symbol, now)

        for time_us in {state.lane.start.time_us for _, state in lanes if isinstance(state.lane.start, FromTime)}:
            self._ask_time(symbol, time_us, now)

        self._recovery.probe(symbol, now)

    def place_of(self, number: int) -> int:
        """Find a lane by the feed's number."""
        return self._numbers[number]

    def _resume(self, place: int, state: LaneState, start: Resume) -> None:
        # REST knew it once, so live ids far above are not believed until REST is heard.
        self._core.feed.set_known(state.symbol.number, start.position)

        try:
            self._add(place, state, start.position, start)
        except SnapshotError as error:
            self._core.tell(SnapshotIgnored(state.symbol.name, state.lane.threshold_dbps, error.reason))
            self._add(place, state, start.position, start, with_snapshot=False)

    def _add(
        self,
        place: int,
        state: LaneState,
        position: int | None,
        start: Resume | None = None,
        *,
        with_snapshot: bool = True,
    ) -> None:
        added = self._core.feed.add_lane(
            state.symbol.number,
            state.lane.threshold_dbps,
            same_timestamp_close=state.lane.same_timestamp_close,
            unit=None if start is None else start.unit,
            position=position,
            last_time_us=None if start is None else start.last_time_us,
            snapshot=start.snapshot if start is not None and with_snapshot else None,
        )
        state.number = added.lane
        self._numbers[added.lane] = place
        self._recovery.add(state.symbol, added.sequence)

    def _begin(self, symbol: Symbol, places: list[int], position: int, now: float) -> None:
        for place in places:
            self._add(place, self._core.lanes[place], position)

        for catchup in symbol.catchups.values():
            catchup.aim(symbol.newest, now)

        self._recovery.probe(symbol, now)

    # Ids.

    def _query(self, symbol: Symbol, build: Build, found: TakeFound, now: float) -> None:
        Query(self._core, self._house, symbol, build, found, self._recovery.unlisted, is_probe=False).want(now)

    def _ask_newest(self, symbol: Symbol, now: float) -> None:
        request = self._core.rules.newest_request(symbol.name)
        self._query(symbol, lambda: request, lambda trades, now: self._found_newest(symbol, trades, now), now)

    def _found_newest(self, symbol: Symbol, trades: list[Found], now: float) -> None:
        self._recovery.learn(symbol, trades)
        wanted: dict[int, list[int]] = {}

        for place in symbol.lanes:
            start = self._core.lanes[place].lane.start

            if isinstance(start, FromId):
                wanted.setdefault(start.first_id, []).append(place)

        for first_id, places in wanted.items():
            if first_id > symbol.newest:
                newest = "no trade at all" if symbol.newest < 0 else f"no trade after {symbol.newest}"
                self._core.fail(
                    ValueError(f"{symbol.name} cannot start at trade {first_id}: the exchange has {newest}")
                )
                return

            self._begin(symbol, places, first_id - 1, now)

    # Times.

    def _ask_time(self, symbol: Symbol, time_us: int, now: float) -> None:
        request = self._core.rules.time_request(symbol.name, time_us)

        def found(trades: list[Found], now: float) -> None:
            if not self._found_time(symbol, time_us, trades, now):
                if trades:
                    self._scan(symbol, time_us, trades[-1].trade_id + 1, now)
                else:
                    self._ask_before_time(symbol, time_us, now)

        self._query(symbol, lambda: request, found, now)

    def _found_time(self, symbol: Symbol, time_us: int, trades: list[Found], now: float) -> bool:
        self._recovery.learn(symbol, trades)
        first = next((trade for trade in trades if trade.time_us >= time_us), None)

        if first is None:
            return False

        start = FromTime(time_us)
        places = [place for place in symbol.lanes if self._core.lanes[place].lane.start == start]
        self._begin(symbol, places, first.trade_id - 1, now)
        return True

    def _ask_before_time(self, symbol: Symbol, time_us: int, now: float) -> None:
        """No trade at or after the time is known: find the last one before it."""
        request = self._core.rules.newest_request(symbol.name)

        def found(trades: list[Found], now: float) -> None:
            self._recovery.learn(symbol, trades)

            if trades and trades[-1].time_us >= time_us:
                # One came in between.
                self._ask_time(symbol, time_us, now)
            else:
                self._scan(symbol, time_us, trades[-1].trade_id + 1 if trades else 0, now)

        self._query(symbol, lambda: request, found, now)

    def _scan(self, symbol: Symbol, time_us: int, from_id: int, now: float) -> None:
        """Ask by id until a trade at or after the time comes."""
        poll = Backoff(_FIRST_POLL_S, _LONGEST_POLL_S, self._core.jitter)
        at = from_id

        def build() -> Request:
            return self._core.rules.page_request(symbol.name, at)

        def found(trades: list[Found], now: float) -> None:
            nonlocal at

            if self._found_time(symbol, time_us, trades, now):
                return

            if trades:
                at = trades[-1].trade_id + 1
                poll.reset()

            key = ("scan", symbol.number, time_us)
            self._core.timers.set(key, now + poll.next_delay(), lambda now: self._query(symbol, build, found, now))

        self._query(symbol, build, found, now)


__all__ = ("Opening",)
