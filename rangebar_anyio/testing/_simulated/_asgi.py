"""The exchange as an ASGI application: HTTP and WebSocket messages on one side, the state machine on the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from ._connection import Connection
from ._door import Refusal
from ._exchange import Exchange
from ._rest import RestAnswer
from ._wire import Wire
from ._wire_orders import CloseOrder, WireOrder

__all__ = ("ExchangeApp",)

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ExchangeApp:
    """Carries messages between an ASGI server and an `Exchange`.

    Args:
        exchange: decides everything.
        wires: the relay's wires by the port their connection to this server comes from.
        clock: seconds.
        on_change: called when something happened that may let the exchange go on.
    """

    def __init__(
        self,
        exchange: Exchange,
        wires: dict[int, Wire],
        clock: Callable[[], float],
        on_change: Callable[[], None],
    ) -> None:
        self._exchange = exchange
        self._wires = wires
        self._clock = clock
        self._on_change = on_change
        self._sessions: dict[int, _Session] = {}

    def wake(self) -> None:
        """Send what has come into the outboxes."""
        for session in self._sessions.values():
            session.wake()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._http(scope, send)

    # REST.

    async def _http(self, scope: Message, send: Send) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        answer = self._exchange.request(scope["path"], scope["query_string"].decode("latin-1"), headers, self._clock())
        self._on_change()
        await anyio.sleep(answer.delay_s)
        wire = self._wires.get(scope["client"][1])

        if answer.status == 0:
            _reset(wire)
            return

        await send({"type": "http.response.start", "status": answer.status, "headers": _headers(answer)})

        if answer.cut:
            await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
            _reset(wire)
        else:
            await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    # WebSocket.

    async def _websocket(self, scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        opened = self._exchange.open(scope["path"], scope["query_string"].decode("latin-1"), self._clock())
        wire = self._wires.get(scope["client"][1])

        if wire is None:
            return

        if isinstance(opened, Refusal):
            await _refuse(opened, send)
            return

        session = self._sessions[opened.number] = _Session(opened, wire, send)
        wire.upgrade(lambda opcode, payload: self._frame(opened, opcode, payload))

        try:
            await send({"type": "websocket.accept"})
            self._on_change()
            await self._talk(session, receive)
        finally:
            del self._sessions[opened.number]
            self._exchange.close(opened)
            self._on_change()

    async def _talk(self, session: _Session, receive: Receive) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.send_pings)
            tasks.start_soon(self._send_messages, session, tasks.cancel_scope)

            while (message := await receive())["type"] != "websocket.disconnect":
                if message.get("text") is not None:
                    session.connection.receive_text(message["text"])
                    self._on_change()
                    session.wake()

            tasks.cancel_scope.cancel()

    async def _send_messages(self, session: _Session, scope: anyio.CancelScope) -> None:
        while await session.send_next():
            if not session.connection.outbox:
                self._on_change()
                await session.wait_for_more()

        scope.cancel()

    def _frame(self, connection: Connection, opcode: int, payload: bytes) -> None:
        self._exchange.receive_frame(connection, opcode, payload, self._clock())
        self._on_change()


class _Session:
    """Sends what is in the outbox of one connection."""

    def __init__(self, connection: Connection, wire: Wire, send: Send) -> None:
        self.connection = connection
        self._wire = wire
        self._send = send
        self._sent = 0
        self._more = anyio.Event()
        self._ping = anyio.Event()

    def wake(self) -> None:
        if self.connection.outbox:
            self._more.set()

        if self.connection.pings:
            self._ping.set()

    async def wait_for_more(self) -> None:
        await self._more.wait()
        self._more = anyio.Event()

    async def send_next(self) -> bool:
        """Send the oldest thing in the outbox; False if that was the end."""
        if not self.connection.outbox:
            return True

        item = self.connection.outbox.popleft()

        match item:
            case str():
                self._sent += 1
                await self._send({"type": "websocket.send", "text": item})
            case WireOrder():
                await self._wire.order(self._sent, item)
            case CloseOrder():
                await self._send({"type": "websocket.close", "code": item.code, "reason": item.reason})
                return False

        return True

    async def send_pings(self) -> None:
        """Send pings past the messages that wait."""
        while True:
            await self._ping.wait()
            self._ping = anyio.Event()

            while self.connection.pings:
                await self._wire.ping(self.connection.pings.popleft())


async def _live(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})

    await send({"type": "lifespan.shutdown.complete"})


async def _refuse(refusal: Refusal, send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in refusal.headers.items()]
    headers.append((b"content-length", b"0"))
    await send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b""})


def _headers(answer: RestAnswer) -> list[tuple[bytes, bytes]]:
    fixed = {"content-type": "application/json;charset=UTF-8", "content-length": str(len(answer.body))}
    return [(name.lower().encode(), value.encode()) for name, value in (fixed | answer.headers).items()]


def _reset(wire: Wire | None) -> None:
    if wire is not None:
        wire.reset()
