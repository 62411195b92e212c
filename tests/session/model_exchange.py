"""An exchange in virtual time: tapes, sockets that are lists of bytes, REST with every weakness it is known for.

It knows nothing of the session. A driver asks it what a socket has to say and what a request is answered with, and
tells it what a client sends. Its limits bite: what breaks one of them is noted in ``broken``.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from tests.feed.wire import START_US, Row, event, frame, page

PAGE_ROWS = 1000
FOREVER = float("inf")


@dataclass
class Tape:
    """The trades of one symbol, each with the second in which it is published."""

    symbol: str
    rows: list[Row]
    times: list[float]

    def published(self, now: float) -> int:
        return bisect_right(self.times, now)

    def from_id(self, trade_id: int) -> int:
        return bisect_left(self.rows, trade_id, key=lambda row: row.id)


def make_tape(
    random: Random,
    symbol: str,
    *,
    first_id: int,
    count: int,
    seconds: float,
    holes: int = 0,
    begins: float = 0.0,
) -> Tape:
    """Make a tape of bursts and pauses; ``holes`` ranges of ids were never given to any trade."""
    times = sorted(random.uniform(begins, seconds) for _ in range(max(1, count // 3)))
    jumps = set(random.sample(range(1, count), holes)) if count > holes + 1 else set()
    rows, published, trade_id, price = [], [], first_id, 10**10

    for number in range(count):
        if number in jumps:
            trade_id += random.randrange(1, 30)

        at = times[number * len(times) // count]
        price = max(10**6, price + random.randrange(-(10**7), 10**7 + 1))
        rows.append(Row(trade_id, price, random.randrange(10**9), START_US + int(at * 1e6), random.random() < 0.5))
        published.append(at)
        trade_id += 1

    return Tape(symbol, rows, published)


@dataclass
class Socket:
    """One connection as the exchange sees it; ``pending`` are bytes on their way to the client."""

    conn: int
    opened: float
    streams: set[str] = field(default_factory=set)
    pending: bytearray = field(default_factory=bytearray)
    is_ended: bool = False
    """Nothing comes after what is pending."""
    is_half_open: bool = False
    """Nothing comes any more, and nobody says so."""
    had_garbage: bool = False
    is_cut: bool = False
    """What is pending begins in the middle of a frame."""
    messages: deque[float] = field(default_factory=deque)
    pings: set[bytes] = field(default_factory=set)


@dataclass
class Fault:
    """Something that is wrong from ``begins`` to ``ends``; ``strength`` means what the kind says."""

    kind: str
    begins: float
    ends: float
    symbol: str = ""
    strength: float = 0.0


class ModelExchange:
    """Tapes, sockets, REST.

    Args:
        tapes: by symbol.
        random: where chance comes from.
        faults: what goes wrong, and when.
        pings_every_s: between two pings of a socket.
    """

    def __init__(
        self, tapes: Mapping[str, Tape], random: Random, faults: list[Fault] | None = None, *, pings_every_s: float = 20
    ) -> None:
        self.tapes = dict(tapes)
        self.random = random
        self.faults = faults or []
        self.pings_every_s = pings_every_s
        self.sockets: dict[int, Socket] = {}
        self.told = {name: tape.published(0.0) for name, tape in tapes.items()}
        self.connects: deque[float] = deque()
        self.weights: deque[tuple[float, int]] = deque()
        self.asked = 0
        self.requests: list[tuple[float, str, dict[str, str]]] = []
        self.broken: list[str] = []

    def active(self, kind: str, now: float, symbol: str = "") -> Fault | None:
        for fault in self.faults:
            if fault.kind == kind and fault.begins <= now < fault.ends and fault.symbol in ("", symbol):
                return fault

        return None

    # Sockets.

    def connect(self, conn: int, now: float) -> tuple[int, float | None] | None:
        """Answer a handshake: ``None`` opens the socket, else it is refused.

        The status of a refusal is 0 for a network that fails; beside it stands how long it says to wait, if it does.
        """
        self.connects.append(now)

        while self.connects[0] <= now - 300:
            self.connects.popleft()

        if len(self.connects) > 150:
            self.broken.append(f"{len(self.connects)} connection attempts in 5 minutes at {now}")

        refused = self.active("refuse", now)

        if refused is not None:
            status = int(refused.strength)
            return status, float(int(refused.ends - now) + 1) if status in (418, 429) else None

        self.sockets[conn] = Socket(conn, now)
        return None

    def sent(self, conn: int, text: str, now: float) -> None:
        """A client's text message."""
        socket = self.sockets.get(conn)

        if socket is None or socket.is_half_open:
            return

        self._count(socket, now)
        message = json.loads(text)
        assert len(message["params"]) <= 200

        if self.active("mute", now):
            return

        socket.streams.update(stream.removesuffix("@aggTrade").upper() for stream in message["params"])
        socket.pending += frame(json.dumps({"result": None, "id": message["id"]}).encode())

    def ponged(self, conn: int, payload: bytes, now: float) -> None:
        """A client's pong."""
        socket = self.sockets.get(conn)

        if socket is not None:
            self._count(socket, now)

            if payload not in socket.pings and not socket.had_garbage:
                self.broken.append(f"pong {payload!r} without a ping at {now}")

    def _count(self, socket: Socket, now: float) -> None:
        socket.messages.append(now)

        while socket.messages[0] <= now - 1:
            socket.messages.popleft()

        if len(socket.messages) > 5:
            self.broken.append(f"{len(socket.messages)} messages within a second at {now}")

    def ping(self, now: float) -> None:
        """Ping every client."""
        for socket in self.sockets.values():
            if not self.active("dead", now) and not socket.is_half_open:
                payload = str(now).encode()
                socket.pings.add(payload)
                socket.pending += frame(payload, 9)

    def publish(self, now: float) -> None:
        """Send every client what has happened since the last time."""
        for name, tape in self.tapes.items():
            end = tape.published(now)

            for row in tape.rows[self.told[name] : end]:
                for socket in self.sockets.values():
                    if name in socket.streams and not (socket.is_ended or socket.is_half_open):
                        self._send(socket, name, row, now)

            self.told[name] = end

    def _send(self, socket: Socket, symbol: str, row: Row, now: float) -> None:
        if self.active("dead", now) or self.active("silent", now, symbol):
            return

        lossy = self.active("lossy", now, symbol)

        if lossy is not None and self.random.random() < lossy.strength:
            return

        again = self.active("again", now, symbol)
        copies = 1 + (again is not None and self.random.random() < again.strength)
        data = event(row, symbol) * copies

        if self.active("swap", now, symbol) and self.random.random() < 0.3:
            # Before what is pending, if that begins with a frame.
            socket.pending = socket.pending + data if socket.is_cut else bytearray(data) + socket.pending
        else:
            socket.pending += data

    def cut(self, now: float, how: str, conns: list[int] | None = None) -> None:
        """End connections: ``eof``, ``close``, ``garbage``, ``half-open``, or ``shutdown``, which only announces it."""
        for conn in list(self.sockets) if conns is None else conns:
            socket = self.sockets.get(conn)

            if socket is None or socket.is_ended:
                continue

            if how == "shutdown":
                socket.pending += frame(b'{"e":"serverShutdown","E":1770123456789}')
                continue

            if how == "half-open":
                socket.is_half_open = True
                continue

            if how == "close":
                socket.pending += frame((1001).to_bytes(2, "big") + b"bye", 8)
            elif how == "garbage":
                # By chance it may read as the head of a ping that swallows what follows.
                socket.had_garbage = True
                socket.pending += bytes(self.random.randrange(256) for _ in range(20))

            if how != "garbage" or self.random.random() < 0.5:
                socket.is_ended = True

    # REST.

    def answer(self, params: Mapping[str, str], now: float) -> tuple[int, dict[str, str], bytes] | None:
        """Answer a request, or not at all."""
        self.requests.append((now, params["symbol"], dict(params)))
        self.asked += 1
        weight = 4

        self.weights.append((now, weight))

        while self.weights[0][0] <= now - 60:
            self.weights.popleft()

        used = sum(weight for _, weight in self.weights)

        if used > 3000:
            self.broken.append(f"weight {used} in a minute at {now}")

        headers = {"x-mbx-used-weight-1m": str(used)}
        limited = self.active("limited", now)

        if limited is not None:
            wait = int(limited.ends - now) + 1
            return (
                (418 if limited.strength else 429),
                {**headers, "retry-after": str(wait)},
                b'{"code":-1003,"msg":"no"}',
            )

        broken = self.active("rest", now)

        if broken is not None and self.random.random() < broken.strength:
            bad = (None, (503, headers, b"oops"), (200, headers, b"<html>"), (200, headers, b'[{"a":1'))
            return self.random.choice(bad)

        if params["symbol"] not in self.tapes:
            return 400, headers, b'{"code":-1121,"msg":"Invalid symbol."}'

        return 200, headers, page(self._rows(params, now))

    def _rows(self, params: Mapping[str, str], now: float) -> list[Row]:
        tape = self.tapes[params["symbol"]]
        lag = self.active("lag", now, tape.symbol)
        stale = self.active("stale", now, tape.symbol)
        known_at = now - (lag.strength if lag else 0.0)

        if stale is not None and self.asked % 2:
            known_at -= stale.strength

        known = tape.published(known_at)
        limit = int(params["limit"])

        if "fromId" in params:
            first = tape.from_id(int(params["fromId"]))
        elif "startTime" in params:
            start_us = int(params["startTime"]) * 1000
            first = bisect_left(tape.rows, start_us, key=lambda row: row.time_us)
        else:
            first = max(0, known - limit)

        rows = tape.rows[first : min(known, first + limit)]
        holey = self.active("holey", now, tape.symbol)
        return rows if holey is None else [row for row in rows if self.random.random() > holey.strength / 5]
