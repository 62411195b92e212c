"""A server that does to each connection what it is told, and knows how many are still there."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

import anyio
from anyio.abc import SocketAttribute, SocketStream

__all__ = ("Handler", "Server", "accept", "answering", "frame", "head_of", "serving", "until_gone")

Handler: TypeAlias = Callable[[SocketStream], Awaitable[None]]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_GONE = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)
#: Everybody who goes is gone long before, on a slow machine too.
_LEAVING_S = 15.0


class Server:
    """Where it listens, and who is connected."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._change = anyio.Event()
        self.host = ""
        self.open = 0

    async def handle(self, stream: SocketStream) -> None:
        """Serve one connection; one that breaks is the peer's affair."""
        self._count(1)
        try:
            with suppress(*_GONE):
                async with stream:
                    await self._handler(stream)
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        self.open += more
        self._change.set()
        self._change = anyio.Event()

    async def come(self, count: int) -> None:
        """Wait until so many are connected."""
        while self.open < count:
            await self._change.wait()

    async def is_left(self) -> bool:
        """Wait until everybody has gone; False if somebody stays."""
        with anyio.move_on_after(_LEAVING_S):
            while self.open:
                await self._change.wait()

        return not self.open


@asynccontextmanager
async def serving(handler: Handler) -> AsyncGenerator[Server, None]:
    """Serve a free port of this machine for the length of a block, whose exceptions leave it as themselves."""
    server = Server(handler)
    failure: Exception | None = None
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        server.host = f"127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        tasks.start_soon(listener.serve, server.handle)
        try:
            yield server
        except Exception as error:  # noqa: BLE001 - raised below, outside the group that would wrap it
            failure = error

        tasks.cancel_scope.cancel()

    if failure is not None:
        raise failure


async def head_of(stream: SocketStream) -> bytes:
    """Read a request up to its empty line."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += await stream.receive()

    return head


def answering(answer: bytes, *, ends: bool = False) -> Handler:
    """Answer a request with these bytes, and end, or leave it to the peer to end."""

    async def handle(stream: SocketStream) -> None:
        await head_of(stream)
        await stream.send(answer)
        if not ends:
            await until_gone(stream)

    return handle


async def accept(stream: SocketStream, first: bytes = b"") -> None:
    """Accept a WebSocket; `first` comes in the same segment as the answer."""
    lines = (await head_of(stream)).split(b"\r\n")
    key = next(line.partition(b":")[2].strip() for line in lines if line.lower().startswith(b"sec-websocket-key"))
    proof = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    await stream.send(
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        b"sec-websocket-accept: " + proof + b"\r\n\r\n" + first
    )


def frame(payload: bytes) -> bytes:
    """Pack a short text message as a server sends it."""
    return bytes((0x81, len(payload))) + payload


async def until_gone(stream: SocketStream) -> None:
    """Read and forget until the peer ends."""
    while True:
        await stream.receive()
