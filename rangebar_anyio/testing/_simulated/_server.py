"""The simulated exchange on real sockets: hypercorn behind two relays, and a task that tells it the time."""

from __future__ import annotations

import logging
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from math import inf
from types import TracebackType
from typing import Any, Literal, Self

import anyio
from anyio.abc import TaskGroup
from hypercorn.config import Config

from .._tape import Tape
from ._asgi import ExchangeApp
from ._counters import Counters
from ._exchange import Exchange, Side
from ._faults import Fault
from ._playback import Pace
from ._relay import Relay
from ._venue import VENUES, Limits
from ._wire import Wire

__all__ = ("SimulatedExchange", "Tapes")

Tapes = Tape | Sequence[Tape] | Mapping[str, Tape]

_LOG = logging.getLogger("rangebar_anyio.testing.simulated")
_GRACE_S = 1.0


class SimulatedExchange:
    """A Binance beside you: a real server on 127.0.0.1 that plays tapes and makes every mistake you ask for.

    Works on trio and asyncio. Entering the block returns when both ports listen; leaving it resets every
    connection and ends every task; an exception of the body leaves it as itself.

    Args:
        tapes: one tape, or one for each symbol.
        venue: ``"spot"``, ``"usd-m"`` or ``"coin-m"``.
        pace: how fast the tape is played; by default as fast as the clients read.
        history: trades (over all symbols) that are in the past when it starts, known to REST only.
        starts: when playing starts: when the first client has subscribed, at once, or with `start`.
        faults: what goes wrong, and when.
        limits: in place of the venue's own; `Limits.none` for no limits.
        rest_lags_s: how far the databases behind REST lag, in seconds; requests go to each in turn, so that two
            unlike numbers make one of them a stale replica.
        rest_keeps: REST serves the newest so many trades of each symbol, and the older ones no more; by default all.
        listed: symbols that exist and have no trade.
        tls: speak TLS with this server-side context; `ws_url` and `rest_url` are ``wss`` and ``https`` then.
        ports: of WebSocket and REST; 0 for any that is free.
        clock: seconds; by default the event loop's clock.

    Raises:
        ValueError: ``rest_keeps`` is below 1.
        OSError: a port is taken.
        ImportError: hypercorn is missing (install ``rangebar-anyio[simulate]``).

    Example::

        async with SimulatedExchange(generate_tape(10_000), history=1_000) as exchange:
            source = BinanceSpot(ws_url=exchange.ws_url, rest_url=exchange.rest_url)
    """

    def __init__(
        self,
        tapes: Tapes,
        *,
        venue: Literal["spot", "usd-m", "coin-m"] = "spot",
        pace: Pace = Pace(),  # noqa: B008  # a frozen value
        history: int = 0,
        starts: Literal["subscribed", "at-once", "by-hand"] = "subscribed",
        faults: Iterable[Fault] = (),
        limits: Limits | None = None,
        rest_lags_s: Sequence[float] = (0.0,),
        rest_keeps: int | None = None,
        listed: Iterable[str] = (),
        tls: ssl.SSLContext | None = None,
        ports: tuple[int, int] = (0, 0),
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._exchange = Exchange(
            _as_list(tapes),
            venue=VENUES[venue],
            limits=limits,
            pace=pace,
            history=history,
            faults=faults,
            rest_lags_s=tuple(rest_lags_s) or (0.0,),
            rest_keeps=rest_keeps,
            listed=listed,
        )
        self._starts = starts
        self._tls = tls
        self._ports: dict[Side, int] = {"ws": ports[0], "rest": ports[1]}
        self._clock = clock or anyio.current_time
        self._wires: dict[int, Wire] = {}
        self._app = ExchangeApp(self._exchange, self._wires, self._clock, self._changed)
        self._relays: dict[Side, Relay] = {}
        self._tasks: TaskGroup | None = None
        self._change = anyio.Event()
        self._step = anyio.Event()
        self._finished = anyio.Event()
        self._stopping = anyio.Event()
        self._stopped = anyio.Event()
        self._serving = anyio.CancelScope(shield=True)

    # What a test wants to know.

    @property
    def ws_url(self) -> str:
        """Base of the WebSocket URLs, without a path."""
        return f"{'ws' if self._tls is None else 'wss'}://127.0.0.1:{self._relays['ws'].port}"

    @property
    def rest_url(self) -> str:
        """Base of the REST URLs, without a path."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self._relays['rest'].port}"

    @property
    def counters(self) -> Counters:
        """Running totals of what happened."""
        return self._exchange.counters

    @property
    def position(self) -> int:
        """How many trades of the merged tape are public, history included."""
        return self._exchange.playback.position

    async def wait_finished(self) -> None:
        """Wait until the last trade of the tape has been published."""
        await self._finished.wait()

    async def wait_until(self, holds: Callable[[Counters], bool]) -> None:
        """Wait until this holds for the counters.

        Example::

            await exchange.wait_until(lambda counters: counters.pongs_matched >= 2)
        """
        while not holds(self.counters):
            await self._step.wait()

    # What a test wants to do.

    def start(self) -> None:
        """Begin, or go on, to play."""
        self._exchange.start(self._clock())
        self._changed()

    def pause(self) -> None:
        """Hold the tape where it is; pings, limits and REST go on."""
        self._exchange.pause()
        self._changed()

    def publish(self, trades: int) -> None:
        """Publish the next trades now, whatever the pace."""
        if self._exchange.faults.began_at is None:
            self._exchange.faults.began_at = self._clock()

        self._exchange.publish(trades, self._clock())
        self._changed()

    def inject(self, *faults: Fault) -> None:
        """Put faults on the schedule; one whose place or time has passed comes into force now."""
        for fault in faults:
            self._exchange.faults.add(fault)

        now = self._clock()
        self._exchange.meet_faults(now)
        self._show_network_faults(now)
        self._changed()

    # The shell.

    async def __aenter__(self) -> Self:
        tasks = anyio.create_task_group()
        await tasks.__aenter__()
        self._tasks = tasks

        try:
            server = _listening_socket()
            port = server.getsockname()[1]
            tasks.start_soon(self._serve, server)

            for side, own in self._ports.items():
                self._relays[side] = Relay(port, self._wires, partial(self._accept, side), tls=self._tls, port=own)
                await tasks.start(self._relays[side].run)

            tasks.start_soon(self._play)
        except BaseException:
            await self._leave(tasks)
            raise

        if self._starts == "at-once":
            self.start()

        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._tasks is not None
        await self._leave(self._tasks)

    async def _leave(self, tasks: TaskGroup) -> None:
        try:
            with anyio.move_on_after(_GRACE_S, shield=True):
                await self._stop()
        finally:
            self._serving.cancel()
            tasks.cancel_scope.cancel()
            # The body's exception is not shown to the group, which would wrap it.
            await tasks.__aexit__(None, None, None)

    async def _stop(self) -> None:
        """Let the server end by itself: its connections are gone, and its tasks close what they hold."""
        for relay in self._relays.values():
            relay.refuse()
            relay.reset_all()

        self._stopping.set()
        await self._stopped.wait()

    async def _serve(self, listening: socket.socket) -> None:
        # Hypercorn does not like to be cancelled: it is asked to stop, and cancelled only if that does not help.
        try:
            with self._serving:
                await _hypercorn()(self._app, _config(listening), shutdown_trigger=self._stopping.wait)
        finally:
            self._stopped.set()

    def _accept(self, side: Side) -> bool:
        self._exchange.counters.tcp_connections += 1
        return self._exchange.take_tls_failure(side, self._clock())

    def _changed(self) -> None:
        self._change.set()

    async def _play(self) -> None:
        while True:
            self._change = anyio.Event()
            self._start_if_wanted()
            now = self._clock()
            deadline = self._exchange.advance(now)
            self._show_network_faults(now)
            self._app.wake()

            self._step.set()
            self._step = anyio.Event()

            if self._exchange.playback.finished:
                self._finished.set()

            # Also a deadline in the past lets the other tasks run once.
            with anyio.move_on_after(deadline - now if deadline < inf else inf):
                await self._change.wait()

    def _start_if_wanted(self) -> None:
        subscribed = any(connection.streams for connection in self._exchange.connections.values())

        if self._starts == "subscribed" and subscribed and self._exchange.faults.began_at is None:
            self._exchange.start(self._clock())

    def _show_network_faults(self, now: float) -> None:
        while self._exchange.cut_all:
            self._relays[self._exchange.cut_all.pop()].reset_all()

        for side, relay in self._relays.items():
            refusing = self._exchange.refusing(side, now)

            if refusing and relay.listening:
                relay.refuse()
            elif not refusing and not relay.listening:
                relay.open()


def _as_list(tapes: Tapes) -> list[Tape]:
    if isinstance(tapes, Tape):
        return [tapes]

    return list(tapes.values() if isinstance(tapes, Mapping) else tapes)


def _listening_socket() -> socket.socket:
    """A socket for the server; it listens at once, so that no relay comes too early."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(512)
    return server


def _config(listening: socket.socket) -> Config:
    config = Config()
    config.bind = [f"fd://{listening.detach()}"]
    config.errorlog = _LOG
    config.backlog = 512
    config.graceful_timeout = _GRACE_S / 2
    config.keep_alive_timeout = 90.0
    config.keep_alive_max_requests = 1_000_000_000
    config.include_server_header = False
    # 1024 streams in one URL.
    config.h11_max_incomplete_size = 262_144
    return config


def _hypercorn() -> Callable[..., Awaitable[Any]]:
    """The server for the event loop we run on."""
    trio = sys.modules.get("trio")

    if trio is not None and trio.lowlevel.in_trio_run():
        from hypercorn.trio import serve as serve_trio

        return serve_trio

    from hypercorn.asyncio import serve as serve_asyncio

    return serve_asyncio
