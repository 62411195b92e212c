"""Where lanes begin: known positions at once, dates and ids after REST was asked.

A symbol with new lanes is asked for its newest trade, which also says whether it exists and how far REST reaches. A
time is looked up, and what was found is settled by id, because one answer may leave trades out. As long as no trade at
or after the time is known, REST is asked on by id from the newest that is, so that the first one is not missed however
late REST is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from .._errors import InvalidStartError, SnapshotError
from .._events import SnapshotIgnored
from .._reconnect import Backoff
from ._core import Core, LaneState, Symbol
from ._first_trade import FirstTrade
from ._house import House
from ._query import Query
from ._recovery import Recovery
from ._rules import Found, Request
from ._values import FromId, FromTime, Live, Resume

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
        if not any(isinstance(self._core.lanes[other].lane.start, Live) for other in state.symbol.lanes):
            # REST knew it once, so live ids far above are not believed until REST is heard. A lane that begins live
            # has nothing to be far above of, however long ago another one stopped.
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

    def _query(self, symbol: Symbol, request: Request, found: TakeFound, now: float) -> None:
        query = Query(self._core, self._house, symbol, lambda: request, found, is_probe=False)
        query.want(now)

    def _ask_newest(self, symbol: Symbol, now: float, *, is_again: bool = False) -> None:
        def found(trades: list[Found], now: float) -> None:
            self._recovery.learn(symbol, trades)
            self._begin_ids(symbol, now, is_again=is_again)

        self._query(symbol, self._core.rules.newest_request(symbol.name), found, now)

    def _begin_ids(self, symbol: Symbol, now: float, *, is_again: bool) -> None:
        """Begin at the ids that REST reaches; the others are refused once it was asked twice, for it may lag."""
        wanted: dict[int, list[int]] = {}

        for place in symbol.lanes:
            state = self._core.lanes[place]

            if isinstance(state.lane.start, FromId) and state.number is None:
                wanted.setdefault(state.lane.start.first_id, []).append(place)

        for first_id in [first_id for first_id in wanted if first_id <= symbol.newest]:
            self._begin(symbol, wanted.pop(first_id), first_id - 1, now)

        if not wanted:
            return

        if is_again:
            newest = "no trade at all" if symbol.newest < 0 else f"no trade after {symbol.newest}"
            problem = f"is a trade of {symbol.name} that nobody has yet: the exchange has {newest}"
            self._core.fail(InvalidStartError(min(wanted), problem, 'write "live" to begin with the next trade'))
        else:
            when = now + self._core.config.evidence_apart_s
            self._core.timers.set(("newest", symbol.number), when, partial(self._ask_newest, symbol, is_again=True))

    # Times.

    def _ask_time(self, symbol: Symbol, time_us: int, now: float) -> None:
        rules = self._core.rules
        first = FirstTrade(time_us, rules.page_rows, self._core.config.evidence_apart_s)

        def found(trades: list[Found], now: float) -> None:
            self._recovery.learn(symbol, trades)
            first.learn(trades)

            if trades:
                self._settle(symbol, first, now)
            else:
                # No trade at or after the time is known: find the last one before it.
                self._query(symbol, rules.newest_request(symbol.name), found_newest, now)

        def found_newest(trades: list[Found], now: float) -> None:
            self._recovery.learn(symbol, trades)
            first.learn(trades)
            self._settle(symbol, first, now)

        self._query(symbol, rules.time_request(symbol.name, time_us), found, now)

    def _settle(self, symbol: Symbol, first: FirstTrade, now: float) -> None:
        """Begin at the first trade if it is certain; ask by id until it is."""
        if first.settled is None:
            self._ask_id(symbol, first, Backoff(_FIRST_POLL_S, _LONGEST_POLL_S, self._core.jitter), now)
        else:
            self._begin_time(symbol, first, first.settled, now)

    def _begin_time(self, symbol: Symbol, first: FirstTrade, first_id: int, now: float) -> None:
        start = FromTime(first.time_us)
        places = [place for place in symbol.lanes if self._core.lanes[place].lane.start == start]
        self._begin(symbol, places, first_id - 1, now)

    def _ask_id(self, symbol: Symbol, first: FirstTrade, poll: Backoff, now: float) -> None:
        asked_id, sent_at = first.from_id(), now

        def found(trades: list[Found], now: float) -> None:
            self._recovery.learn(symbol, trades)
            is_news = first.take(trades, asked_id=asked_id, sent_at=sent_at, now=now)

            if is_news:
                poll.reset()

            if first.settled is not None:
                self._begin_time(symbol, first, first.settled, now)
                return

            # The next answer says more at once, unless what it has to say has yet to happen or to reach REST.
            when = max(now if is_news and first.is_found else now + poll.next_delay(), first.due or now)

            if when > now:
                key = ("first", symbol.number, first.time_us)
                self._core.timers.set(key, when, partial(self._ask_id, symbol, first, poll))
            else:
                self._ask_id(symbol, first, poll, now)

        self._query(symbol, self._core.rules.page_request(symbol.name, asked_id), found, now)


__all__ = ("Opening",)
