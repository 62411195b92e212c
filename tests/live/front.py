"""A server in front of another: it mistreats its first connections and passes all later ones on.

So a test sees both what a client does about a peer that misbehaves, and that afterwards nothing is missing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketStream

Behaviour = Callable[[ByteStream], Awaitable[None]]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_GONE = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)


@dataclass
class Front:
    """Where it listens, and how many connections it has seen."""

    port: int = 0
    seen: int = 0
    heads: list[bytes] = field(default_factory=list)

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def listening(handle: Callable[[SocketStream], Awaitable[None]]) -> AsyncIterator[int]:
    """Serve any free port of this machine; a connection that breaks is the peer's affair."""

    async def one(stream: SocketStream) -> None:
        with suppress(*_GONE):
            async with stream:
                await handle(stream)

    failure: Exception | None = None
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, one)
        try:
            yield listener.extra(SocketAttribute.local_port)
        except Exception as error:  # noqa: BLE001 - raised below, outside the group that would wrap it
            failure = error

        tasks.cancel_scope.cancel()

    if failure is not None:
        raise failure


@asynccontextmanager
async def fronted(url: str, behaviours: Sequence[Behaviour] = ()) -> AsyncIterator[Front]:
    """Mistreat the first connections, one behaviour each, and pass the others on to where `url` points."""
    front = Front()
    behind = urlsplit(url).port
    assert behind is not None

    async def handle(stream: SocketStream) -> None:
        number, front.seen = front.seen, front.seen + 1
        if number < len(behaviours):
            await behaviours[number](stream)
        else:
            await pass_on(stream, behind)

    async with listening(handle) as front.port:
        yield front


async def pass_on(stream: ByteStream, port: int) -> None:
    """Carry bytes both ways until either side ends."""
    async with await anyio.connect_tcp("127.0.0.1", port) as other, anyio.create_task_group() as tasks:

        async def carry(source: ByteStream, target: ByteStream) -> None:
            with suppress(*_GONE):
                async for data in source:
                    await target.send(data)

            tasks.cancel_scope.cancel()

        tasks.start_soon(carry, stream, other)
        tasks.start_soon(carry, other, stream)


async def request_head(stream: ByteStream) -> bytes:
    """Read a request up to its empty line."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += await stream.receive()

    return head


async def shake_hands(stream: ByteStream) -> None:
    """Accept a WebSocket as the protocol wants it."""
    head = await request_head(stream)
    key = next(line.partition(b":")[2].strip() for line in head.split(b"\r\n") if b"sec-websocket-key" in line.lower())
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    await stream.send(
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        b"sec-websocket-accept: " + accept + b"\r\n\r\n"
    )


def frame(payload: bytes, *, opcode: int = 1, fin: bool = True, rsv: int = 0, mask: bool = False) -> bytes:
    """A frame as a server should send it, unless asked otherwise."""
    first = fin << 7 | rsv << 4 | opcode
    size = len(payload)
    if size < 126:
        head = bytes((first, mask << 7 | size))
    elif size < 1 << 16:
        head = bytes((first, mask << 7 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, mask << 7 | 127)) + size.to_bytes(8, "big")

    return head + (b"\0\0\0\0" if mask else b"") + payload


async def until_gone(stream: ByteStream) -> None:
    """Read and forget until the peer ends."""
    while True:
        await stream.receive()
