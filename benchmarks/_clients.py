"""The clients that the stream's benchmarks compare, each a process of its own: `_clients.py KIND BACKEND ... PORT`.

Each prints one line of JSON. Rates are counted from the first bar or message, when everything is connected and warm;
`cpu_rate` by the processor time that the client itself used, which other programs on a shared machine disturb less.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import anyio
from _frames import FIRST_ID
from _processes import pin

from rangebar_anyio import BinanceSpot, SqliteStore, open_stream
from rangebar_anyio._stores import Change

#: A bar at 250 dbps has some 12,000 trades, so the last one closes at most so far before the end.
_LAST_BAR = 12_500
_MESSAGES = 20_000
#: Bars, or trades, that are looked at together.
_WINDOW = 250
_WARM = 100

Result = dict[str, Any]


class Stopwatch:
    """Rates between the first and the last look."""

    def __init__(self) -> None:
        self._first: tuple[float, float, int] | None = None
        self._last = (0.0, 0.0, 0)

    def look(self, count: int) -> None:
        """Note how far it has come."""
        self._last = time.perf_counter(), time.process_time(), count
        self._first = self._first or self._last

    def rates(self) -> Result:
        """Give both rates."""
        assert self._first is not None
        wall, cpu, count = (last - first for last, first in zip(self._last, self._first, strict=True))
        return {"rate": count / wall, "cpu_rate": count / cpu}


def binance(port: str) -> BinanceSpot:
    """The byte server as a source."""
    return BinanceSpot(ws_url=f"ws://127.0.0.1:{port}", rest_url=f"http://127.0.0.1:{port}")


async def stream(trades: str, port: str) -> Result:
    """Receive bars."""
    watch = Stopwatch()
    async with open_stream("BTCUSDT", threshold_dbps=250, source=binance(port)) as bars:
        async for bar in bars:
            watch.look(bar.last_agg_trade_id)
            if bar.last_agg_trade_id >= FIRST_ID + int(trades) - _LAST_BAR:
                break

    return watch.rates()


async def httpx_ws(_trades: str, port: str) -> Result:
    """Receive messages and do nothing with them."""
    from httpx_ws import AsyncWebSocketSession, aconnect_ws

    watch = Stopwatch()
    socket: AsyncWebSocketSession
    async with aconnect_ws(f"http://127.0.0.1:{port}/ws/btcusdt@aggTrade?go=1") as socket:
        await socket.receive()
        watch.look(1)
        for _ in range(_MESSAGES):
            await socket.receive()

        watch.look(1 + _MESSAGES)

    return watch.rates()


async def picows(trades: str, port: str) -> Result:
    """Receive frames and do nothing with them."""
    from picows import WSFrame, WSListener, WSTransport, ws_connect

    messages, watch = int(trades) - 10, Stopwatch()
    done = asyncio.Event()

    class Counting(WSListener):
        def on_ws_connected(self, _transport: WSTransport) -> None:
            self.seen = 0

        def on_ws_frame(self, _transport: WSTransport, _frame: WSFrame) -> None:
            self.seen += 1
            if self.seen == 1:
                watch.look(1)
            elif self.seen == messages:
                watch.look(messages)
                done.set()

    await ws_connect(Counting, f"ws://127.0.0.1:{port}/ws/btcusdt@aggTrade?go=1")
    await done.wait()
    return watch.rates()


async def bare_read(trades: str, port: str) -> Result:
    """Take each frame off a blocking socket and look at its stamp: what server, kernel and wake-up cost alone."""
    import socket

    delays: list[float] = []
    with socket.create_connection(("127.0.0.1", int(port))) as connection:
        connection.sendall(
            b"GET /ws/btcusdt@aggTrade?go=1 HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n"
        )
        while b"\r\n\r\n" not in (data := connection.recv(65536)):
            pass

        while len(delays) < int(trades) - 100:
            data = connection.recv(65536)
            now = time.time_ns() / 1000
            delays += [now - int(stamp) for stamp in re.findall(rb'"T":(\d{16})', data)]

    return _quantiles(delays)


async def latency(trades: str, threshold: str, folder: str, port: str, *, beside: bool = False) -> Result:
    """Receive bars at a moderate pace; how old is the trade that closed each?

    With `beside` nothing is saved of the stream, and a thread of the benchmark's own commits to another database.
    """
    delays: list[float] = []
    source, store = binance(port), None if beside else _store(folder)
    wanted: SimpleQueue[bytes] = SimpleQueue()
    if beside:
        Thread(target=_commit_beside, args=(_store(folder), wanted), daemon=True).start()

    async with open_stream("BTCUSDT", threshold_dbps=int(threshold), source=source, store=store) as bars:
        async for bar in bars:
            delays.append(time.time_ns() / 1000 - bar.close_time_us)
            if beside:
                wanted.put(bar.position)

            if bar.last_agg_trade_id >= FIRST_ID + int(trades) - 500:
                break

    return _quantiles(delays)


def _commit_beside(path: str | None, wanted: SimpleQueue[bytes]) -> None:
    """Commit what comes, as durably as a store does, for ever."""
    assert path is not None
    with sqlite3.connect(path, isolation_level=None) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE beside (id INTEGER PRIMARY KEY, position BLOB)")
        while True:
            db.execute("INSERT OR REPLACE INTO beside VALUES (1, ?)", (wanted.get(),))


async def pairs(trades: str, folder: str, port: str) -> Result:
    """Receive two bars at a time, closed by the same trade: the second waits until the first is saved."""
    delays: dict[int, list[float]] = {50: [], 60: []}
    path = _store(folder)
    store = None if path is None else _TimedStore(path)
    source = binance(port)
    async with open_stream("BTCUSDT", threshold_dbps=[50, 60], source=source, store=store) as bars:
        async for bar in bars:
            delays[bar.threshold_dbps].append(time.time_ns() / 1000 - bar.close_time_us)
            if bar.last_agg_trade_id >= FIRST_ID + int(trades) - 500:
                break

    first, second = delays[50], delays[60]
    behind = [b - a for a, b in zip(first, second, strict=False)]
    commits = store.took_us if store is not None else [0.0]
    middles = {"first": first, "second": second, "behind": behind, "commit": commits}
    return {name: statistics.median(values) for name, values in middles.items()}


class _TimedStore(SqliteStore):
    """A store that knows how long its commits took, seen from the task that waits."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.took_us: list[float] = []

    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        begun = time.perf_counter()
        done = await super().commit(epoch, changes)
        self.took_us.append((time.perf_counter() - begun) * 1e6)
        return done


def _store(folder: str) -> str | None:
    """A database of this run alone, or none: a known one would go on behind the tape."""
    return None if folder == "none" else str(Path(folder) / f"{os.getpid()}.db")


def _quantiles(delays: list[float]) -> Result:
    """Median and 99th percentile of the best window, since other programs keep this one waiting in most of them."""
    windows = [delays[at : at + _WINDOW] for at in range(_WARM, len(delays) - _WINDOW + 1, _WINDOW)]
    best = min((statistics.quantiles(window, n=100) for window in windows), key=lambda cuts: cuts[98])
    return {"p50": best[49], "p99": best[98], "all": statistics.median(delays)}


async def history(trades: str, port: str) -> Result:
    """Fetch a gap from a server without limits."""
    from _unlimited import Unlimited

    watch = Stopwatch()
    source = Unlimited(binance(port))
    watch.look(FIRST_ID - 1)
    async with open_stream("BTCUSDT", threshold_dbps=250, source=source, start=FIRST_ID) as bars:
        async for bar in bars:
            if bar.last_agg_trade_id >= FIRST_ID + int(trades) - _LAST_BAR:
                watch.look(bar.last_agg_trade_id)
                return watch.rates()

    raise AssertionError("the stream has no end")


async def limited(seconds: str, port: str) -> Result:
    """Fetch a gap within the exchange's limits; how many trades came in the time?"""
    with_share = 0.5
    source = binance(port)
    limits, page = source.rules().limits, 1000
    allowed = limits.weight * with_share * float(seconds) / 60 / limits.heaviest * page
    async with open_stream("BTCUSDT", threshold_dbps=250, source=source, start=FIRST_ID) as bars:
        with anyio.move_on_after(float(seconds)):
            async for _ in bars:
                pass

        return {"fetched": bars.stats.fetched_trades, "allowed": allowed}


CLIENTS: dict[str, Callable[..., Awaitable[Result]]] = {
    "stream": stream,
    "httpx-ws": httpx_ws,
    "picows": picows,
    "bare": bare_read,
    "latency": latency,
    "beside": partial(latency, beside=True),
    "pairs": pairs,
    "history": history,
    "limited": limited,
}


def main(kind: str, backend: str, *arguments: str) -> None:
    """Run one client on one event loop."""
    pin(1)
    options = {"use_uvloop": True} if backend == "uvloop" else {}
    loop = "trio" if backend == "trio" else "asyncio"
    print(json.dumps(anyio.run(CLIENTS[kind], *arguments, backend=loop, backend_options=options)))


if __name__ == "__main__":
    main(*sys.argv[1:])
