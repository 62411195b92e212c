"""The tasks that carry out what a session asks for: sockets, requests and the clock. They decide nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

import anyio

from .._session import (
    CancelFetch,
    Connect,
    ConnectFailure,
    Disconnect,
    Fail,
    Fetch,
    Notify,
    SaveOrigin,
    SaveSnapshots,
    SendPong,
    SendText,
    Session,
)
from .._sources._transport import ConnectRefused, RequestLost, Transport
from .._sources._websocket import RawWebSocket

__all__ = ("Links", "Listener")

#: What one read takes from a socket at most: enough for a burst, little enough to stay fair.
_READ_BYTES = 1 << 18


class Listener(Protocol):
    """What the reader's side wants to hear of."""

    def _on_notify(self, action: Notify) -> None: ...
    def _on_origin(self, action: SaveOrigin) -> None: ...
    def _on_snapshots(self, action: SaveSnapshots) -> None: ...
    def _on_fail(self, error: Exception) -> None: ...
    def _on_bars(self) -> None: ...


class _Outbox:
    """What waits to be sent on one connection; of pings only the newest is answered."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.texts: deque[str] = deque()
        self.pong: bytes | None = None
        self.wake = anyio.Event()
        self.close: tuple[int, str] | None = None

    def post(self) -> None:
        self.wake.set()

    async def drain(self, socket: RawWebSocket) -> None:
        while True:
            await self.wake.wait()
            self.wake = anyio.Event()
            while self.pong is not None or self.texts:
                if self.pong is not None:
                    payload, self.pong = self.pong, None
                    await socket.send_pong(payload)
                else:
                    await socket.send_message(self.texts.popleft())


class Links:
    """Runs a session's connections, requests and timers; `start_soon` puts a task into the stream's group."""

    def __init__(
        self, session: Session, transport: Transport, start_soon: Callable[..., None], listener: Listener
    ) -> None:
        self._session = session
        self._transport = transport
        self._start_soon = start_soon
        self._listener = listener
        self._outboxes: dict[int, _Outbox] = {}
        self._requests: dict[int, anyio.CancelScope] = {}
        self._timer = anyio.Event()
        self._sleeps_until: float | None = None
        self._unpaused = anyio.Event()
        self._actions: dict[type, Callable[..., None]] = {
            Connect: self._connect,
            SendText: self._send_text,
            SendPong: self._send_pong,
            Disconnect: self._disconnect,
            Fetch: self._fetch,
            CancelFetch: self._cancel_fetch,
            SaveOrigin: listener._on_origin,
            SaveSnapshots: listener._on_snapshots,
            Notify: listener._on_notify,
            Fail: lambda action: listener._on_fail(action.error),
        }

    def settle(self) -> None:
        """Carry out whatever the session asks for now; to be called after everything that it was told."""
        session = self._session
        while session.has_actions:
            for action in session.take_actions():
                self._actions[type(action)](action)

        deadline = session.next_deadline()
        if deadline is not None and (self._sleeps_until is None or deadline < self._sleeps_until):
            self._timer.set()

        if session.bars_waiting:
            self._listener._on_bars()

        if not session.is_paused:
            self._unpaused.set()

    async def run_clock(self) -> None:
        """Call the session whenever one of its deadlines has passed."""
        while True:
            self._sleeps_until = self._session.next_deadline()
            until = float("inf") if self._sleeps_until is None else self._sleeps_until
            with anyio.CancelScope(deadline=until):
                await self._timer.wait()

            self._timer = anyio.Event()
            self._session.advance(anyio.current_time())
            self.settle()

    def _connect(self, action: Connect) -> None:
        outbox = self._outboxes[action.conn] = _Outbox()
        self._start_soon(self._run_connection, action, outbox)

    async def _run_connection(self, action: Connect, outbox: _Outbox) -> None:
        try:
            with outbox.scope:
                await self._hold(action, outbox)
        finally:
            del self._outboxes[action.conn]

    async def _hold(self, action: Connect, outbox: _Outbox) -> None:
        session, conn = self._session, action.conn
        try:
            async with self._transport.connect(action.url) as socket:
                session.connected(conn, anyio.current_time())
                sender = anyio.CancelScope()
                self._start_soon(self._send, outbox, socket, sender)
                try:
                    self.settle()
                    await self._read(conn, socket)
                finally:
                    sender.cancel()
        except ConnectRefused as refusal:
            failure = ConnectFailure(refusal.text, refusal.status or None, refusal.retry_after_s)
            session.connect_failed(conn, failure, anyio.current_time())
            self.settle()

    async def _send(self, outbox: _Outbox, socket: RawWebSocket, scope: anyio.CancelScope) -> None:
        with scope:
            await outbox.drain(socket)

    async def _read(self, conn: int, socket: RawWebSocket) -> None:
        session = self._session
        while True:
            while session.is_paused:
                await self._wait_for_room()

            data = await socket.read(_READ_BYTES)
            now = anyio.current_time()
            if not data:
                session.disconnected(conn, "the server ended the connection", now)
                self.settle()
                return

            if session.received(conn, data, now):
                self.settle()
            elif session.bars_waiting:
                self._listener._on_bars()

            await self._let_reader_go_first()

    async def _let_reader_go_first(self) -> None:
        """Give a reader that waits its bar before the next read begins, which costs as much again."""
        # Trio runs the tasks of one round in any order, so this one may come first once more; never twice.
        for _ in range(2):
            if self._session.bars_waiting:
                await anyio.lowlevel.checkpoint()

    async def _wait_for_room(self) -> None:
        if self._unpaused.is_set():
            self._unpaused = anyio.Event()

        await self._unpaused.wait()

    def _send_text(self, action: SendText) -> None:
        if (outbox := self._outboxes.get(action.conn)) is not None:
            outbox.texts.append(action.text)
            outbox.post()

    def _send_pong(self, action: SendPong) -> None:
        if (outbox := self._outboxes.get(action.conn)) is not None:
            outbox.pong = action.payload
            outbox.post()

    def _disconnect(self, action: Disconnect) -> None:
        if (outbox := self._outboxes.get(action.conn)) is not None:
            outbox.scope.cancel()

    def _fetch(self, action: Fetch) -> None:
        scope = self._requests[action.request] = anyio.CancelScope()
        self._start_soon(self._run_fetch, action, scope)

    async def _run_fetch(self, action: Fetch, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                await self._ask(action)
        finally:
            del self._requests[action.request]

    async def _ask(self, action: Fetch) -> None:
        session = self._session
        try:
            answer = await self._transport.get(action.url, action.params, action.headers, timeout_s=_REQUEST_SECONDS)
        except RequestLost as loss:
            session.request_failed(action.request, str(loss), anyio.current_time())
        else:
            session.answered(action.request, answer.status, answer.headers, answer.body, anyio.current_time())

        self.settle()

    def _cancel_fetch(self, action: CancelFetch) -> None:
        if (scope := self._requests.get(action.request)) is not None:
            scope.cancel()


#: The session gives a request up earlier; this bounds one that it forgot.
_REQUEST_SECONDS = 60.0
