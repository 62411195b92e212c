"""A session on a bench: every input given by hand, every action looked at, time passed by the second."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

from rangebar_anyio._events import StreamEvent
from rangebar_anyio._feed import Feed
from rangebar_anyio._reconnect import ReconnectPolicy
from rangebar_anyio._session import (
    Action,
    Budget,
    Connect,
    Disconnect,
    Fail,
    Fetch,
    Lane,
    Notify,
    Resume,
    SaveOrigin,
    SendText,
    Session,
    SessionConfig,
)
from rangebar_anyio._sources._binance_rules import BinanceRules, spot_rules
from tests.feed.wire import START_US, Row, events, frame, page, row

A = TypeVar("A", bound=Action)
E = TypeVar("E", bound=StreamEvent)

CALM = ReconnectPolicy(jitter=False)


def lane(symbol: str = "X", threshold_dbps: int = 50, position: int = 99) -> Lane:
    """A lane that goes on after a position."""
    return Lane(symbol, threshold_dbps, Resume(position, "us"))


class Bench:
    """A session and everything that it asked for, with the time.

    Requests are answered and sockets speak only when a test says so.
    """

    def __init__(
        self,
        lanes: Sequence[Lane] | None = None,
        *,
        policy: ReconnectPolicy = CALM,
        rules: BinanceRules | None = None,
        budget: Budget | None = None,
        bar_capacity: int = 1_000_000,
        trade_capacity: int = 5000,
        **config: Any,
    ) -> None:
        self.now = 0.0
        self.rules = rules or spot_rules()
        self.budget = budget or Budget(self.rules.limits)
        self.feed = Feed(bar_capacity=bar_capacity, trade_capacity=trade_capacity)
        settings = replace(SessionConfig(policy=policy), **config)
        self.session = Session(settings, self.rules, self.feed, lanes or [lane()], self.budget, Random(1))
        self.log: list[tuple[float, Action]] = []
        self._seen: set[int] = set()
        self.session.start(0.0, START_US)
        self.collect()

    # Looking.

    def collect(self) -> None:
        self.log += [(self.now, action) for action in self.session.take_actions()]

    def all(self, kind: type[A]) -> list[A]:
        """Every action of a kind so far."""
        return [action for _, action in self.log if isinstance(action, kind)]

    def times(self, kind: type[A]) -> list[float]:
        return [at for at, action in self.log if isinstance(action, kind)]

    def new(self, kind: type[A]) -> list[A]:
        """Actions of a kind that were not given by this method before."""
        found = [action for action in self.all(kind) if id(action) not in self._seen]
        self._seen.update(id(action) for action in found)
        return found

    def one(self, kind: type[A]) -> A:
        (found,) = self.new(kind)
        return found

    def told(self, kind: type[E]) -> list[E]:
        """Every event of a kind so far."""
        return [action.event for action in self.all(Notify) if isinstance(action.event, kind)]

    @property
    def failure(self) -> Exception:
        (fail,) = self.all(Fail)
        assert self.log[-1][1] is fail
        return fail.error

    # Time.

    def wait(self, seconds: float) -> None:
        """Let time pass, deadline by deadline."""
        end = self.now + seconds

        while (deadline := self.session.next_deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.session.advance(self.now)
            self.collect()

        self.now = end

    def jump(self, seconds: float) -> None:
        """Let time pass at once, as after a suspend."""
        self.now += seconds
        self.session.advance(self.now)
        self.collect()

    # Sockets.

    def connect(self) -> int:
        """Carry the newest Connect out, up to the confirmed subscription; return the connection."""
        conn = self.one(Connect).conn
        self.session.connected(conn, self.now)
        self.collect()

        while sent := self.new(SendText):
            for text in sent:
                self.read(conn, frame(json.dumps({"result": None, "id": json.loads(text.text)["id"]}).encode()))

            if self.session.next_deadline() is not None and self.session._core.timers.is_set(("subscribe", conn)):
                self.wait(1 / 3 + 1e-6)

        return conn

    def read(self, conn: int, data: bytes) -> None:
        self.session.received(conn, data, self.now)
        self.collect()

    def live(self, conn: int, ids: Iterable[int], symbol: str = "X") -> None:
        """The socket brings trades."""
        self.read(conn, events([row(number) for number in ids], symbol))

    def ping(self, conn: int) -> None:
        """The server pings."""
        self.read(conn, frame(b"are you there", 9))

    def end(self, conn: int, reason: str = "end of stream") -> None:
        self.session.disconnected(conn, reason, self.now)
        self.collect()

    # Requests.

    def answer(self, fetch: Fetch, rows: Iterable[Row] | bytes = (), **headers: str) -> None:
        body = rows if isinstance(rows, bytes) else page(rows)
        names = {name.replace("_", "-"): text for name, text in headers.items()}
        self.session.answered(fetch.request, 200, names, body, self.now)
        self.collect()

    def refuse(self, fetch: Fetch, status: int, body: bytes = b"", **headers: str) -> None:
        names = {name.replace("_", "-"): text for name, text in headers.items()}
        self.session.answered(fetch.request, status, names, body, self.now)
        self.collect()

    def serve(self, last: int, *, first: int = 0, without: Sequence[int] = (), quiet: bool = True) -> list[Fetch]:
        """Answer all requests that wait as a REST that knows ``first`` to ``last``; return them."""
        fetches = self.new(Fetch)

        for fetch in fetches:
            params = dict(fetch.params)

            if "fromId" in params:
                begin = max(first, int(params["fromId"]))
                known = [number for number in range(begin, last + 1) if number not in without]
                self.answer(fetch, [row(number) for number in known[: int(params["limit"])]])
            else:
                self.answer(fetch, [row(last)] if last >= 0 else [])

        return fetches

    # The reader.

    def bars(self) -> list[tuple[int, bytes]]:
        """Take all bars there are."""
        taken = []

        while (head := self.session.head()) is not None:
            taken.append(head)
            self.session.pop(self.now)
            self.collect()

        return taken

    def origins_saved(self) -> None:
        for action in self.new(SaveOrigin):
            self.session.origin_saved(action.lanes)

    def expected(self, symbol: int = 0) -> int | None:
        """The id that the first sequence of a symbol waits for."""
        catchups = self.session._core.symbols[symbol].catchups
        return self.feed.sequence(min(catchups)).expected


def from_ids(fetches: Iterable[Fetch]) -> list[int]:
    """The ids that requests asked for."""
    return [int(dict(fetch.params)["fromId"]) for fetch in fetches if "fromId" in dict(fetch.params)]


def symbols_of(fetches: Iterable[Fetch]) -> list[str]:
    return [dict(fetch.params)["symbol"] for fetch in fetches]


__all__ = ("CALM", "Bench", "Disconnect", "from_ids", "lane", "symbols_of")
