"""WebSockets: opened, read, written and closed, and what is raised when none comes about."""

from __future__ import annotations

import socket as sockets
import struct
import sys
from contextlib import suppress

import anyio
from anyio.abc import SocketAttribute, SocketStream
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Event, Pong, Request, TextMessage

from rangebar_anyio._sources._transport import ConnectRefused, Transport

from ._server import Server, accept, answering, frame, serving, until_gone
from ._subject import NOWHERE, Clause, Subject, broken, require

__all__ = ("CLAUSES",)

_PATH = "/ws/btcusdt@aggTrade"
_HELLO = frame(b"hello")
_RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
_SOON_S = 0.2
#: One more than httpx keeps side by side unless it is told otherwise.
_SIDE_BY_SIDE = 101
_SIDE_BY_SIDE_S = 45.0


class _OwnError(Exception):
    """What the body of a block raises."""


async def _until(transport: Transport, server: Server, wanted: bytes) -> None:
    """Read a connection to its end, and compare what it brought."""
    async with transport.connect(f"ws://{server.host}{_PATH}") as socket:
        await socket.send_message("go on")
        found = b""
        while data := await socket.read(4):
            require(len(data) <= 4, "read(max_bytes) returns at most max_bytes bytes")
            found += data

        require(await socket.read(4) == b"", "a socket at its end stays there")

    require(found == wanted, f"read() gives what the server sent, from the first byte on: {wanted!r}, not {found!r}")


async def _reads(subject: Subject) -> None:
    """A socket gives the raw bytes of its frames, and nothing at its end, however it ends."""

    async def ends(stream: SocketStream) -> None:
        # The first frame may come with the handshake's answer.
        await accept(stream, _HELLO)
        await stream.receive()
        await stream.send(_HELLO)

    async def resets(stream: SocketStream) -> None:
        await accept(stream)
        await stream.receive()
        raw = stream.extra(SocketAttribute.raw_socket)
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, _RESET)

    async with subject.transport() as transport:
        for handler, wanted in ((ends, _HELLO * 2), (resets, b"")):
            async with serving(handler) as server:
                await _until(transport, server, wanted)


async def _writes(subject: Subject) -> None:
    """Texts and pongs arrive as a server must have them, and leaving the block ends the connection."""
    seen: list[Event] = []

    async def listens(stream: SocketStream) -> None:
        peer = WSConnection(ConnectionType.SERVER)
        while True:
            peer.receive_data(await stream.receive())
            for event in peer.events():
                seen.append(event)
                if isinstance(event, Request):
                    await stream.send(peer.send(AcceptConnection()))
                elif isinstance(event, Pong):
                    await stream.send(_HELLO)

    async with subject.transport() as transport, serving(listens) as server:
        async with transport.connect(f"ws://{server.host}{_PATH}?a=b") as socket:
            await socket.send_message('{"id":1}')
            await socket.send_pong(b"payload")
            await socket.read(100)

        require(await server.is_left(), "leaving the block of connect() closes the connection")

    targets = [event.target for event in seen if isinstance(event, Request)]
    require(targets == [f"{_PATH}?a=b"], f"connect(url) asks for the path and query of its URL, not for {targets}")
    texts = [event.data for event in seen if isinstance(event, TextMessage)]
    require(texts == ['{"id":1}'], f"send_message() sends one text message, not {texts}")
    pongs = [bytes(event.payload) for event in seen if isinstance(event, Pong)]
    require(pongs == [b"payload"], f"send_pong() sends the payload back, not {pongs}")


_LENGTH = b"content-length: 0\r\nconnection: close\r\n\r\n"
_NO_WEBSOCKETS = {
    "an end": (answering(b"", ends=True), 0),
    "garbage": (answering(b"\x00\xffnonsense\r\n\r\n"), 0),
    "HTTP 200": (answering(b"HTTP/1.1 200 OK\r\n" + _LENGTH), 200),
    "HTTP 403": (answering(b"HTTP/1.1 403 Forbidden\r\n" + _LENGTH), 403),
    "HTTP 429": (answering(b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\n" + _LENGTH), 429),
    "HTTP 503": (answering(b"HTTP/1.1 503 Service Unavailable\r\n" + _LENGTH), 503),
}


async def _refused(subject: Subject) -> None:
    """A handshake that does not end in a WebSocket is ConnectRefused, with the status that was answered."""
    async with subject.transport() as transport:
        await _is_refused(transport, NOWHERE, "a closed port", 0)
        for name, (handler, status) in _NO_WEBSOCKETS.items():
            async with serving(handler) as server:
                await _is_refused(transport, server.host, name, status)
                require(await server.is_left(), f"after a handshake answered with {name} no connection is left")


async def _is_refused(transport: Transport, host: str, name: str, status: int) -> None:
    clause = f"a handshake answered with {name} raises ConnectRefused"
    try:
        async with transport.connect(f"ws://{host}{_PATH}"):
            pass
    except ConnectRefused as refusal:
        require(refusal.status == status, f"{clause} with the status {status}, not {refusal.status}")
        require(refusal.text != "", f"{clause} with a text for people")
    except Exception as error:  # noqa: BLE001 - a source may raise what it likes, and must not
        broken(clause, error)
    else:
        broken(clause)


async def _accepts(stream: SocketStream) -> None:
    await accept(stream)
    await until_gone(stream)


async def _left_by_cancellation(subject: Subject) -> None:
    """A connection that is given up is gone, during its handshake and afterwards."""
    async with subject.transport() as transport:
        for name, handler in (("its handshake", until_gone), ("a read", _accepts)):
            async with serving(handler) as server:
                with anyio.move_on_after(_SOON_S) as scope:
                    try:
                        async with transport.connect(f"ws://{server.host}{_PATH}") as socket:
                            await socket.read(100)
                    except Exception as error:  # noqa: BLE001 - a source may raise what it likes, and must not
                        broken(f"connect() can be cancelled during {name}, and raises nothing of its own then", error)

                require(scope.cancelled_caught, f"connect() can be cancelled during {name}")
                require(await server.is_left(), f"a connection that was cancelled during {name} is closed")


async def _left_by_exception(subject: Subject) -> None:
    """What the body of a block raises leaves it as itself."""
    async with subject.transport() as transport, serving(_accepts) as server:
        try:
            async with transport.connect(f"ws://{server.host}{_PATH}"):
                raise _OwnError
        except _OwnError:
            pass
        except BaseExceptionGroup as group:
            broken("an exception of the body leaves the block of connect() as itself", group)

        require(await server.is_left(), "a connection whose block raised is closed")


async def _many(subject: Subject) -> None:
    """Connections are open side by side: nothing waits for one of them to end."""
    async with subject.transport() as transport, serving(_accepts) as server:
        with anyio.move_on_after(_SIDE_BY_SIDE_S) as scope:
            async with anyio.create_task_group() as tasks:
                for _ in range(_SIDE_BY_SIDE):
                    tasks.start_soon(_hold, transport, f"ws://{server.host}{_PATH}")

                await server.come(_SIDE_BY_SIDE)
                tasks.cancel_scope.cancel()

    require(
        not scope.cancelled_caught, f"{_SIDE_BY_SIDE} connections can be open side by side, as many as a stream needs"
    )


async def _hold(transport: Transport, url: str) -> None:
    with suppress(ConnectRefused):
        async with transport.connect(url) as socket:
            await socket.read(1)


CLAUSES: tuple[Clause, ...] = (_reads, _writes, _refused, _left_by_cancellation, _left_by_exception, _many)
