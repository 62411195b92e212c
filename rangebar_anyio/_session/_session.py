"""The session: what to do next, decided without doing it.

Whoever drives it tells it what happened and when, carries out ``take_actions()``, and calls ``advance`` at
``next_deadline()``. It opens no socket, reads no clock and draws chance from the generator it was given, so the same
inputs give the same actions.

What it is made of:

- ``Links``: connections, subscriptions, rotation, back-off;
- ``Recovery`` with one ``Catchup`` per sequence: what is missing and how it is fetched, what does not exist;
- ``House``: which request may be sent now; ``Budget``: what the exchange's limits leave for it;
- ``Watch`` and ``Heartbeats``: silence; ``Reader``: a reader that takes no bars; ``Opening``: where lanes begin.

Each input ends with the same three steps: handle the feed's events, send what may be sent, handle what came of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random

from .._feed_values import SymbolInfo
from ._actions import Action
from ._arrange import arrange
from ._budget import Budget
from ._core import Core, Symbol
from ._events_in import EventsIn
from ._feedlike import FeedLike
from ._heartbeat import Heartbeats
from ._house import House
from ._link import Group, Link
from ._links import Links
from ._opening import Opening
from ._reader import Reader
from ._recovery import Recovery
from ._rules import VenueRules
from ._snapshots import Snapshots
from ._stats import StreamStats, stats_of
from ._values import ConnectFailure, FromTime, Lane, SessionConfig
from ._watch import Watch


class Session:
    """Decide what a stream does next.

    Guaranteed: the bars that ``head`` gives are, lane by lane, those of the uninterrupted tape, in order and each once,
    whatever is reported in whatever order. All times are seconds on one monotonic clock and do not go back.

    Args:
        config: the numbers of the policy.
        rules: the facts of the venue.
        feed: a fresh feed, which is the session's alone from now on.
        lanes: what is wanted; actions and ``head`` name lanes by their place in it.
        budget: the process's share of the venue's limits, the same object for all sessions of the venue.
        random: where jitter and spreading come from.

    Raises:
        ValueError: no lane, or two lanes of the same symbol and threshold.

    Example::

        session.start(now, wall_us)
        while True:
            for action in session.take_actions():
                carry_out(action)
            ...
    """

    def __init__(
        self,
        config: SessionConfig,
        rules: VenueRules,
        feed: FeedLike,
        lanes: Sequence[Lane],
        budget: Budget,
        random: Random,
    ) -> None:
        if not lanes or len({(lane.symbol, lane.threshold_dbps) for lane in lanes}) < len(lanes):
            raise ValueError("lanes must be at least one, each symbol with each threshold once")

        self._core = core = Core(config, rules, feed, budget, random)
        self._feed = feed
        self._receive = feed.receive_data
        self._house = House(core)
        self._links = Links(core, self._confirmed, self._lost)
        self._recovery = Recovery(core, self._house, self._drain, self._brought)
        self._watch = Watch(core, self._links, self._recovery)
        self._heartbeats = Heartbeats(core, self._links)
        self._opening = Opening(core, self._house, self._recovery)
        self._snapshots = Snapshots(core)
        self._reader = Reader(core, self._recovery, self._links.resume)
        self._events = EventsIn(core, self._links, self._recovery, self._opening)
        self.bars_waiting = 0
        arrange(core, self._links, lanes)

    # What happened.

    def start(self, now: float, wall_us: int) -> None:
        """Begin.

        Args:
            now: the monotonic clock, seconds.
            wall_us: the time of day, microseconds since 1970-01-01 UTC.

        Raises:
            ValueError: a lane is to start in the future.
        """
        for state in self._core.lanes:
            if isinstance(state.lane.start, FromTime) and state.lane.start.time_us > wall_us:
                raise ValueError(f"{state.lane.symbol} cannot start in the future")

        self._links.start(now)

        for symbol in self._core.symbols:
            self._opening.start(symbol, now)

        self._watch.start(now)
        self._snapshots.start(now)
        self._finish(now)

    def connected(self, conn: int, now: float) -> None:
        """A websocket's handshake is done."""
        self._links.connected(conn, now)
        self._finish(now)

    def connect_failed(self, conn: int, failure: ConnectFailure, now: float) -> None:
        """A websocket could not be opened."""
        self._links.connect_failed(conn, failure, now)
        self._finish(now)

    def received(self, conn: int, data: bytes, now: float) -> bool:
        """A socket brought bytes: the hot path. While ``is_paused`` no read should begin; one under way is fine.

        Returns whether more came of it than bars: actions, deadlines or a pause may be new only then.
        """
        try:
            summary = self._receive(conn, data)
        except LookupError:
            # It was given up meanwhile.
            return False

        self.bars_waiting = summary[0]

        if summary[1] or summary[3]:
            self._finish(now)
            return True

        return False

    def disconnected(self, conn: int, reason: str, now: float) -> None:
        """A socket has ended, with or without a close."""
        self._links.ended(conn, reason, now)
        self._finish(now)

    def answered(self, request: int, status: int, headers: Mapping[str, str], body: bytes, now: float) -> None:
        """A request has an answer; names of headers are in lower case."""
        self._house.answered(request, status, headers, body, now)
        self._finish(now)

    def request_failed(self, request: int, text: str, now: float) -> None:
        """A request has none: the network failed, or it took too long."""
        self._house.failed(request, text, now)
        self._finish(now)

    def origin_saved(self, lanes: Iterable[int]) -> None:
        """Origins are durable: bars of these lanes may be given."""
        for place in lanes:
            self._core.lanes[place].is_durable = True
            self._core.lanes[place].symbol.listing.is_known = True

    def advance(self, now: float) -> None:
        """Time has passed."""
        if not self._core.is_ended:
            self._core.timers.run(now)

        self._finish(now)

    def stop(self) -> None:
        """The stream is being closed: save what is worth it and end everything. There are no actions after these."""
        self._snapshots.save_all()
        self._house.stop()
        self._links.stop()
        self._core.end()

    def _finish(self, now: float) -> None:
        if self._core.is_ended:
            return

        self._events.drain(now)
        self._house.pump(now)
        self._events.drain(now)
        summary = self._feed.summary()
        self.bars_waiting = summary.bars_queued
        self._reader.look(summary, now)

    # What to do.

    @property
    def has_actions(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._core.actions)

    def take_actions(self) -> list[Action]:
        """Take what is to be done, in order."""
        actions, self._core.actions = self._core.actions, []
        return actions

    def next_deadline(self) -> float | None:
        """Say when ``advance`` is to be called next; ``None`` for not at all."""
        return self._core.timers.next()

    @property
    def is_paused(self) -> bool:
        """Whether no socket should be read: nobody takes the bars."""
        return self._core.is_paused

    @property
    def failure(self) -> Exception | None:
        """What ended the stream."""
        return self._core.failure

    # The reader.

    def head(self) -> tuple[int, bytes] | None:
        """Look at the next bar: its lane's place and the engine's 176 bytes; ``None`` when none can be given yet."""
        first = self._feed.peek_bar()

        if first is None:
            return None

        place = self._opening.place_of(first.lane)
        return (place, first.bar) if self._core.lanes[place].is_durable else None

    def pop(self, now: float) -> bool:
        """Take that bar away, and go on with what waited for room; return whether anything did."""
        self._feed.pop_bar()
        self.bars_waiting -= 1

        if self._core.is_paused and not self._core.is_ended:
            # What waits for room is read from its beginning: not for every bar, but when half of the queue is free.
            if self.bars_waiting > self._feed.bar_capacity // 2:
                return False

            self._feed.resume()
            self._recovery.unblock(now)
        elif not self._house.is_waiting:
            return False

        self._finish(now)
        return True

    # Looking.

    def forming(self, lane: int) -> bytes | None:
        """Look at a lane's forming bar, the engine's 176 bytes; ``None`` before its first trade and after a close."""
        number = self._core.lanes[lane].number
        return None if number is None else self._feed.lane(number).forming

    def snapshot(self, lane: int) -> bytes | None:
        """Write a lane's state down for ``Resume``; ``None`` before it is known where the lane begins."""
        number = self._core.lanes[lane].number
        return None if number is None else self._feed.snapshot(number)

    def symbol(self, name: str) -> SymbolInfo:
        """Look at a symbol: its last trade and its counters; ``KeyError`` for one that the session does not have."""
        for symbol in self._core.symbols:
            if symbol.name == name:
                return self._feed.symbol(symbol.number)

        raise KeyError(name)

    def stats(self, now: float) -> StreamStats:
        """Sum up everything counted."""
        return stats_of(self._core, self._links, self._reader, now)

    # What the parts want of each other.

    def _drain(self, now: float) -> None:
        self._events.drain(now)

    def _brought(self, symbol: Symbol, now: float) -> None:
        self._watch.on_brought(symbol, now)

    def _confirmed(self, link: Link, now: float) -> None:
        self._watch.on_confirmed(link, now)
        self._heartbeats.on_confirmed(link, now)

        for symbol in link.group.symbols:
            self._recovery.probe(symbol, now)

    def _lost(self, group: Group) -> None:
        self._snapshots.save(group.symbols)


__all__ = ("Session",)
