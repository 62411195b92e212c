"""An exchange in memory behind `TradeSource`: no sockets, no time of its own, so that every run is the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from typing import cast
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel

from rangebar_anyio import Bar, ReconnectPolicy, SessionConfig
from rangebar_anyio._session import Limits
from rangebar_anyio._sources._binance_rules import BinanceRules, spot_rules
from rangebar_anyio._sources._transport import ConnectRefused, HttpAnswer, Pairs, RequestLost, Transport
from rangebar_anyio._sources._websocket import RawWebSocket
from rangebar_anyio.testing import AggTrade, Tape
from rangebar_anyio.testing._simulated._texts import event_text, reply_text, rows_text

START_US = 1_700_000_000_000_000

#: Waits so short that tests on a real clock do not notice them.
QUICK = SessionConfig(policy=ReconnectPolicy(first_delay_s=0.001, max_delay_s=0.004, jitter=False))

_PING = b"\x89\x02hi"
_GARBAGE = b"\xc1\x05hello"
_venues = count()


def make_tape(trades: int = 120, *, symbol: str = "BTCUSDT", seed: int = 0, first_id: int = 1000) -> Tape:
    """A wild market: at 250 dbps a bar has a handful of trades; now and then two trades share a time."""
    random = Random(f"{seed}:{symbol}")
    price, time_us, tape = 100.0, START_US, Tape(symbol)
    for number in range(trades):
        price *= 1 + random.choice((-1, 1)) * random.uniform(0.0004, 0.0024)
        time_us += random.choice((0, 700, 1300))
        price_e8 = round(price * 10**4) * 10**4
        ids = (first_id + number) * 3
        tape.append(
            AggTrade(first_id + number, price_e8, random.randrange(1, 10**9), ids, ids + 2, time_us, number % 3 == 0)
        )

    return tape


def bars_of(tape: Tape, threshold_dbps: int, *, from_id: int = 0) -> list[Bar]:
    """The bars of a tape, offline."""
    return tape.bars(threshold_dbps, from_id=from_id)


@dataclass(eq=False)
class FakeExchange:
    """Plays tapes to whoever reads, and serves by REST what is public. It is the `TradeSource`, too.

    Reading an empty socket publishes the next `batch` trades of its symbols, so the reader sets the pace.

    Attributes:
        tapes: one for each symbol.
        history: trades of each tape that are public from the beginning, to REST only.
        batch: trades that one read brings.
        page_rows: trades of one REST page.
        faults: by number of connection and of its read: ``drop``, ``lose``, ``repeat``, ``garbage``, ``ping``.
        is_offline: neither sockets nor requests come through.
        lost_requests: so many requests get no answer.
        unlisted: symbols that REST has never heard of.
        is_playing: whether reads publish trades.
    """

    tapes: Sequence[Tape]
    history: int = 0
    batch: int = 7
    page_rows: int = 1000
    faults: dict[tuple[int, int], str] = field(default_factory=dict)
    is_offline: bool = False
    lost_requests: int = 0
    unlisted: frozenset[str] = frozenset()
    is_playing: bool = True

    connects: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    served: int = 0
    sockets: set[FakeSocket] = field(default_factory=set)
    open_transports: int = 0
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.venue = f"fake-{next(_venues)}"
        self.by_symbol = {tape.symbol: tape for tape in self.tapes}
        self.public = dict.fromkeys(self.by_symbol, self.history)
        self.news = anyio.Event()

    def rules(self) -> BinanceRules:
        rules = spot_rules("ws://fake", "http://fake", self.venue)
        return replace(
            rules,
            page_rows=self.page_rows,
            limits=Limits(weight=6_000_000, heaviest=4, connects=300_000, connect_window_s=300.0),
            message_interval_s=0.001,
        )

    def transport(self) -> Transport:
        self.open_transports += 1
        return cast("Transport", FakeTransport(self))

    def wake(self) -> None:
        self.news.set()
        self.news = anyio.Event()

    def publish(self, symbol: str, trades: int, *, is_lost: bool = False) -> None:
        """Make the next trades public."""
        tape, first = self.by_symbol[symbol], self.public[symbol]
        last = self.public[symbol] = min(first + trades, len(tape))
        if is_lost:
            return

        for place in range(first, last):
            text = event_text(symbol, tape[place], microseconds=True, futures=False)
            for socket in self.sockets:
                if symbol in socket.symbols:
                    socket.put(text)

        self.wake()

    def play(self, socket: FakeSocket, *, is_lost: bool = False) -> None:
        for symbol in sorted(socket.symbols) if self.is_playing else ():
            self.publish(symbol, self.batch, is_lost=is_lost)

    @property
    def is_played_out(self) -> bool:
        return all(self.public[symbol] == len(tape) for symbol, tape in self.by_symbol.items())

    def answer(self, params: dict[str, str]) -> HttpAnswer:
        symbol = params["symbol"]
        if symbol in self.unlisted or symbol not in self.by_symbol:
            return HttpAnswer(400, {}, b'{"code":-1121,"msg":"Invalid symbol."}')

        tape, public, limit = self.by_symbol[symbol], self.public[symbol], int(params["limit"])
        if "fromId" in params:
            first = tape.index_of_id(int(params["fromId"]))
        elif "startTime" in params:
            first = tape.index_of_time(int(params["startTime"]) * 1000)
        else:
            first = max(0, public - limit)

        rows = [tape[place] for place in range(first, min(first + limit, public))]
        self.served += len(rows)
        return HttpAnswer(200, {}, rows_text(rows, microseconds=True, futures=False).encode())


class FakeTransport:
    """Sockets and requests of one stream."""

    def __init__(self, exchange: FakeExchange) -> None:
        self._exchange = exchange
        self._is_closed = False

    async def aclose(self) -> None:
        assert not self._is_closed, "a transport is closed once"
        self._is_closed = True
        self._exchange.open_transports -= 1
        await anyio.lowlevel.checkpoint()

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncGenerator[RawWebSocket, None]:
        await anyio.lowlevel.checkpoint()
        if self._exchange.is_offline:
            raise ConnectRefused("OSError: the network is down")

        socket = FakeSocket(self._exchange, self._exchange.connects, url)
        self._exchange.connects += 1
        self._exchange.sockets.add(socket)
        try:
            yield cast("RawWebSocket", socket)
        finally:
            self._exchange.sockets.discard(socket)
            with anyio.move_on_after(1, shield=True):
                await anyio.lowlevel.checkpoint()

    async def get(self, url: str, params: Pairs, headers: Pairs, *, timeout_s: float) -> HttpAnswer:
        exchange, asked = self._exchange, dict(params)
        kind = next((name for name in ("fromId", "startTime") if name in asked), "newest")
        exchange.requests[kind] += 1
        await anyio.lowlevel.checkpoint()
        if exchange.is_offline or exchange.lost_requests > 0:
            exchange.lost_requests -= not exchange.is_offline
            raise RequestLost("OSError: the network is down")

        answer = exchange.answer(asked)
        await anyio.lowlevel.checkpoint()
        return answer


class FakeSocket:
    """One connection."""

    def __init__(self, exchange: FakeExchange, number: int, url: str) -> None:
        self.symbols = {urlsplit(url).path.rpartition("/")[2].partition("@")[0].upper()}
        self._exchange = exchange
        self._number = number
        self._reads = 0
        self._buffer = bytearray()
        self._last = b""

    def put(self, text: str) -> None:
        self._last = _frame(text.encode())
        self._buffer += self._last

    async def read(self, max_bytes: int) -> bytes:
        await anyio.lowlevel.checkpoint()
        exchange = self._exchange
        fault = exchange.faults.get((self._number, self._reads))
        self._reads += 1
        if exchange.is_offline or fault == "drop":
            return b""

        if fault == "lose":
            exchange.play(self, is_lost=True)
        elif fault is not None:
            self._buffer += {"repeat": self._last, "garbage": _GARBAGE, "ping": _PING}[fault]

        while not self._buffer:
            exchange.play(self)
            if not self._buffer:
                await exchange.news.wait()

            if exchange.is_offline:
                return b""

        data = bytes(self._buffer[:max_bytes])
        del self._buffer[:max_bytes]
        return data

    async def send_message(self, text: str) -> None:
        message = json.loads(text)
        self._exchange.texts.append(text)
        self.symbols |= {name.partition("@")[0].upper() for name in message["params"]}
        self._buffer += _frame(reply_text(None, message["id"]).encode())
        self._exchange.wake()
        await anyio.lowlevel.checkpoint()

    async def send_pong(self, payload: bytes) -> None:
        self._exchange.texts.append(f"pong {payload!r}")
        await anyio.lowlevel.checkpoint()


def _frame(payload: bytes) -> bytes:
    if len(payload) < 126:
        return bytes((0x81, len(payload))) + payload

    return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload
