"""A server that only writes prepared bytes, as fast as the socket takes them: the client is what is measured.

It speaks just enough HTTP and WebSocket for the clients of the benchmarks; the simulated exchange is the honest one,
and too slow to measure against. A process of its own, by `_processes.run`:

    burst TRADES         everything at once
    endless TRADES       the same, made while it is sent
    single TRADES        one frame a write
    paced TRADES RATE    one frame a write, at its time, stamped with the moment it leaves
    steps TRADES RATE    the same, with a price that jumps by a percent every 20 trades
    many TRADES SYMBOLS  so many symbols in turns
    history TRADES       no live trades; REST has them
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import parse_qs, urlsplit

from _frames import BASE_US, FIRST_ID, blocks, event, frame, row

__all__ = ("JUMP_EVERY", "symbol_name")

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CHUNK = 1 << 20
JUMP_EVERY = 20
_MARK = "1111111111111111"
#: Sleeping is never exact; what is left of the wait is spun away.
_SPIN_S = 150e-6

Writer = Callable[[socket.socket], None]


def symbol_name(number: int) -> str:
    """The name of one of many symbols."""
    return "BTCUSDT" if number == 0 else f"SYM{number}USDT"


def bursts(trades: int) -> Writer:
    """Write everything at once."""
    made = list(blocks(trades))
    return lambda connection: _write_all(connection, made)


def endless(trades: int) -> Writer:
    """Write everything at once, and keep none of it."""
    return lambda connection: _write_all(connection, blocks(trades))


def many(trades: int, symbols: int) -> Writer:
    """Write trades of many symbols in turns."""
    frames = (
        frame(event(number, BASE_US + number * 100, symbol=symbol_name(symbol)).encode())
        for number in range(trades // symbols)
        for symbol in range(symbols)
    )
    return lambda connection: _write_all(connection, frames)


def _write_all(connection: socket.socket, data: Iterable[bytes]) -> None:
    for part in data:
        view = memoryview(part)
        for at in range(0, len(view), _CHUNK):
            connection.sendall(view[at : at + _CHUNK])


def single(trades: int) -> Writer:
    """Write one frame at a time."""
    joined = b"".join(blocks(trades))
    length = len(joined) // trades
    frames = [joined[at : at + length] for at in range(0, len(joined), length)]

    def write(connection: socket.socket) -> None:
        for one in frames:
            connection.send(one)

    return write


def paced(trades: int, rate: float, *, jumps: bool = False) -> Writer:
    """Write one frame at its time; only the stamp is put in then, so that making the frame is not measured."""
    prices = ("60000.00000000", "60600.00000000")
    parts = [
        frame(event(at, _MARK, price=prices[at // JUMP_EVERY % 2] if jumps else None).encode()).split(_MARK.encode())
        for at in range(trades)
    ]

    def write(connection: socket.socket) -> None:
        started = time.perf_counter()
        for at, (head, tail) in enumerate(parts):
            _wait_until(started + at / rate)
            connection.send(b"%b%d%b" % (head, time.time_ns() // 1000, tail))

    return write


def _wait_until(when: float) -> None:
    left = when - time.perf_counter()
    if left > _SPIN_S:
        time.sleep(left - _SPIN_S)

    while time.perf_counter() < when:
        pass


class Server:
    """Answers handshakes, SUBSCRIBE and REST, and writes to each connection that has subscribed."""

    def __init__(self, write: Writer, *, subscribes: int = 1, history: int = 0) -> None:
        self.write = write
        self.subscribes = subscribes
        self.history = history
        starts = range(0, history, 1000)
        self.pages = {at: self._rows(at).encode() for at in starts}

    def _rows(self, first: int) -> str:
        return "[" + ",".join(map(row, range(first, min(first + 1000, self.history)))) + "]"

    def serve(self) -> None:
        """Announce the port, then answer for ever."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            for head in _requests(connection):
                if b"upgrade: websocket" in head.lower():
                    self._play(connection, head)
                    return

                connection.sendall(self._rest(head))
        except OSError:
            pass

    def _rest(self, head: bytes) -> bytes:
        query = parse_qs(urlsplit(head.split(b" ", 2)[1].decode()).query)
        first = int(query.get("fromId", ["0"])[0]) - FIRST_ID
        if "fromId" not in query:
            body = f"[{row(max(0, self.history - 1))}]".encode()
        else:
            body = self.pages.get(first) or self._rows(first).encode()

        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    def _play(self, connection: socket.socket, head: bytes) -> None:
        lines = head.split(b"\r\n")
        key = next(line.split(b":", 1)[1].strip() for line in lines if line.lower().startswith(b"sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        if b"go=1" not in head:
            for _ in range(self.subscribes):
                _confirm(connection)

        self.write(connection)
        time.sleep(3600)


def _requests(connection: socket.socket) -> Iterator[bytes]:
    waiting = b""
    while True:
        while b"\r\n\r\n" not in waiting:
            more = connection.recv(65536)
            if not more:
                return

            waiting += more

        head, waiting = waiting.split(b"\r\n\r\n", 1)
        yield head


def _confirm(connection: socket.socket) -> None:
    """Read the client's SUBSCRIBE and answer it."""
    head = _exactly(connection, 2)
    length = head[1] & 0x7F
    if length == 126:
        length = int.from_bytes(_exactly(connection, 2), "big")

    mask, body = _exactly(connection, 4), _exactly(connection, length)
    message = json.loads(bytes(byte ^ mask[at % 4] for at, byte in enumerate(body)))
    reply = json.dumps({"result": None, "id": message["id"]}).encode()
    connection.sendall(bytes((0x81, len(reply))) + reply)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionResetError

        data += more

    return data


def main(mode: str, trades: int, number: float = 0.0) -> None:
    """Serve one of the modes."""
    writers: dict[str, Callable[[], Writer]] = {
        "burst": lambda: bursts(trades),
        "endless": lambda: endless(trades),
        "single": lambda: single(trades),
        "paced": lambda: paced(trades, number),
        "steps": lambda: paced(trades, number, jumps=True),
        "many": lambda: many(trades, int(number)),
        "history": lambda: lambda _connection: None,
    }
    # A SUBSCRIBE names 200 symbols at most.
    subscribes = -(-int(number) // 200) if mode == "many" else 1
    Server(writers[mode](), subscribes=subscribes, history=trades if mode == "history" else 0).serve()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *map(float, sys.argv[3:4]))
