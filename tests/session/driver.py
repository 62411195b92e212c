"""Carries out what a session asks for against the modelled exchange, in virtual time: the shell without any I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from random import Random
from typing import Any

from rangebar_anyio._events import StreamEvent
from rangebar_anyio._feed import Feed
from rangebar_anyio._session import (
    Action,
    Budget,
    CancelFetch,
    Connect,
    ConnectFailure,
    Disconnect,
    Fail,
    Fetch,
    Lane,
    Notify,
    Resume,
    SaveOrigin,
    SaveSnapshots,
    SendPong,
    SendText,
    Session,
    SessionConfig,
)
from rangebar_anyio._sources._binance_rules import spot_rules
from tests.feed.wire import START_US
from tests.session.model_exchange import ModelExchange

LATENCY_S = 0.02


class Driver:
    """A session, its surroundings and a reader.

    ``bars`` are what the reader was given, lane by lane; ``stored`` the position of each lane as a store would have it.
    ``connections`` may be refused and requests be late; all that is the exchange's business.
    """

    def __init__(
        self,
        exchange: ModelExchange,
        lanes: Sequence[Lane],
        *,
        config: SessionConfig | None = None,
        seed: int = 0,
        bar_capacity: int = 100,
        trade_capacity: int = 5000,
        now: float = 0.0,
        make_feed: Callable[[int, int], Any] | None = None,
    ) -> None:
        self.exchange = exchange
        self.lanes = list(lanes)
        self.config = config or SessionConfig(snapshot_every_s=30.0)
        self.random = Random(seed)
        self.rules = spot_rules()
        self.budget = Budget(self.rules.limits)
        self.now = now
        self._make_feed = make_feed or (lambda bars, trades: Feed(bar_capacity=bars, trade_capacity=trades))
        self.capacities = bar_capacity, trade_capacity
        self.bars: list[list[bytes]] = [[] for _ in lanes]
        self.origins = {at: lane.start.position for at, lane in enumerate(lanes) if isinstance(lane.start, Resume)}
        self.snapshots: dict[int, bytes] = {}
        self.events: list[tuple[float, StreamEvent]] = []
        self.actions: list[tuple[float, Action]] = []
        self.error: Exception | None = None
        self.reader_away_until = 0.0
        self.banned_until = 0.0
        self.no_connect_until = 0.0
        self.most_requests = 0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._delivering: set[int] = set()
        self._open()
        self._publish()
        self._ping()

    def _open(self) -> None:
        self.feed = self._make_feed(*self.capacities)
        self.generation = getattr(self, "generation", 0) + 1
        self._requests: set[int] = set()
        self.session = Session(self.config, self.rules, self.feed, self.lanes, self.budget, self.random)
        self.session.start(self.now, START_US + int(self.now * 1e6) + 1)
        self._carry_out()

    def kill(self, *, with_snapshots: bool = True, unfinished: bool = False) -> None:
        """The program dies and is started again with what the store has.

        ``unfinished``: the last bar of each lane was given and not acknowledged, so it has to come again.
        """
        self.exchange.sockets.clear()
        self._delivering.clear()
        self.feed.close()

        for place, lane in enumerate(self.lanes):
            if place in self.origins:
                bars = self.bars[place]

                if unfinished and bars:
                    bars.pop()
                    self.snapshots.pop(place, None)

                position = int.from_bytes(bars[-1][160:168], "little") if bars else self.origins[place]
                snapshot = self.snapshots.get(place) if with_snapshots else None
                self.lanes[place] = replace(lane, start=Resume(position, "us", None, snapshot))

        self._open()

    # Time.

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call later."""
        self._order += 1
        heappush(self._heap, (when, self._order, call))

    def _own(self, delay: float, call: Callable[[], None]) -> None:
        """Call later unless the program has died meanwhile."""
        generation = self.generation
        self.at(self.now + delay, lambda: call() if generation == self.generation else None)

    def run(self, until: float, stop: Callable[[], bool] | None = None) -> None:
        """Let time pass up to ``until``, or until ``stop()``."""
        while self.error is None and not (stop is not None and stop()):
            deadline = self.session.next_deadline()
            first = self._heap[0][0] if self._heap else until
            self.now = max(self.now, min(until, first, until if deadline is None else deadline))

            if self.now >= until and min(first, until if deadline is None else deadline) >= until:
                return

            if self._heap and self._heap[0][0] <= self.now:
                heappop(self._heap)[2]()
            else:
                self.session.advance(self.now)

            self._carry_out()
            self._read()

    def leave(self, seconds: float) -> None:
        """The reader takes no bars for so long."""
        self.reader_away_until = self.now + seconds
        self.at(self.reader_away_until, lambda: None)

    def suspend(self, seconds: float) -> None:
        """The machine sleeps: time passes and nothing happens."""
        self.now += seconds

    # The reader.

    def _read(self) -> None:
        while self.now >= self.reader_away_until and (head := self.session.head()) is not None:
            self.bars[head[0]].append(head[1])
            self.snapshots.pop(head[0], None)
            self.session.pop(self.now)
            self._carry_out()

        if self.session.is_paused is False:
            self._deliver_all()

    # Actions.

    def _carry_out(self) -> None:
        while self.session.has_actions:
            for action in self.session.take_actions():
                self.actions.append((self.now, action))
                self._do(action)

        self.most_requests = max(self.most_requests, len(self._requests))

    def _do(self, action: Action) -> None:
        match action:
            case Connect():
                if self.now < self.no_connect_until:
                    told = f"told to wait until {self.no_connect_until}"
                    self.exchange.broken.append(f"an attempt to connect at {self.now}, {told}")

                self._own(self._latency(), lambda: self._handshake(action.conn))
            case SendText():
                self._own(self._latency(), lambda: self._sent(action))
            case SendPong():
                self.exchange.ponged(action.conn, action.payload, self.now)
            case Disconnect():
                self.exchange.sockets.pop(action.conn, None)
            case Fetch():
                if self.now < self.banned_until:
                    self.exchange.broken.append(f"a request at {self.now}, told to wait until {self.banned_until}")

                self._requests.add(action.request)
                self._own(self._latency(), lambda: self._ask(action))
            case CancelFetch():
                self._requests.discard(action.request)
            case SaveOrigin():
                self._own(self._latency(), lambda: self._save_origin(action))
            case SaveSnapshots():
                self._save_snapshots(action)
            case Notify():
                self.events.append((self.now, action.event))
            case Fail():
                self.error = action.error

    def _latency(self) -> float:
        return self.random.uniform(0.2, 2.0) * LATENCY_S

    def _handshake(self, conn: int) -> None:
        refusal = self.exchange.connect(conn, self.now)

        if refusal is None:
            self.session.connected(conn, self.now)
            return

        status, wait_s = refusal
        self.no_connect_until = max(self.no_connect_until, self.now + (wait_s or 0.0))
        text = f"HTTP {status}" if status else "network unreachable"
        self.session.connect_failed(conn, ConnectFailure(text, status or None, wait_s), self.now)

    def _sent(self, action: SendText) -> None:
        self.exchange.sent(action.conn, action.text, self.now)
        self._deliver_soon(action.conn)

    def _ask(self, action: Fetch) -> None:
        if action.request not in self._requests:
            return

        answer = self.exchange.answer(dict(action.params), self.now)

        if answer is None:
            self._own(10.0, lambda: self._failed(action.request))
        else:
            self._own(self._latency(), lambda: self._answered(action.request, *answer))

    def _answered(self, request: int, status: int, headers: dict[str, str], body: bytes) -> None:
        if request in self._requests:
            self._requests.remove(request)

            if status in (418, 429):
                self.banned_until = max(self.banned_until, self.now + int(headers["retry-after"]))

            self.session.answered(request, status, headers, body, self.now)

    def _failed(self, request: int) -> None:
        if request in self._requests:
            self._requests.remove(request)
            self.session.request_failed(request, "timed out", self.now)

    def _save_origin(self, action: SaveOrigin) -> None:
        for place in action.lanes:
            assert not self.bars[place]
            self.origins[place] = action.origin

        self.session.origin_saved(action.lanes)

    def _save_snapshots(self, action: SaveSnapshots) -> None:
        """Keep a forming bar that follows the stored position."""
        for place in action.lanes:
            forming = self.session.forming(place)
            bars = self.bars[place]

            if forming is None or place not in self.origins:
                continue

            position = int.from_bytes(bars[-1][160:168], "little") if bars else self.origins[place]

            if int.from_bytes(forming[152:160], "little") == position + 1:
                snapshot = self.session.snapshot(place)
                assert snapshot is not None
                self.snapshots[place] = snapshot

    # The exchange's side of sockets.

    def _publish(self) -> None:
        self.exchange.publish(self.now)
        self._deliver_all()
        times = [
            tape.times[self.exchange.told[name]]
            for name, tape in self.exchange.tapes.items()
            if self.exchange.told[name] < len(tape.times)
        ]

        if times:
            self.at(min(times), self._publish)

    def _ping(self) -> None:
        self.exchange.ping(self.now)
        self._deliver_all()
        self.at(self.now + self.exchange.pings_every_s, self._ping)

    def _deliver_all(self) -> None:
        for conn, socket in self.exchange.sockets.items():
            if socket.pending or socket.is_ended:
                self._deliver_soon(conn)

    def _deliver_soon(self, conn: int) -> None:
        if conn not in self._delivering:
            self._delivering.add(conn)
            self._own(self._latency(), lambda: self._deliver(conn))

    def _deliver(self, conn: int) -> None:
        self._delivering.discard(conn)
        socket = self.exchange.sockets.get(conn)

        if socket is None or self.session.is_paused:
            return

        if socket.pending:
            whole = len(socket.pending)
            size = whole if self.random.random() < 0.7 else self.random.randrange(1, whole + 1)
            socket.is_cut = size < whole
            data = bytes(socket.pending[:size])
            del socket.pending[:size]
            self.session.received(conn, data, self.now)
        elif socket.is_ended:
            del self.exchange.sockets[conn]
            self.session.disconnected(conn, "end of stream", self.now)
            return

        if socket.pending or socket.is_ended:
            self._deliver_soon(conn)


__all__ = "Driver"
