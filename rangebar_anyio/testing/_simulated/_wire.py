"""One TCP connection of a client: passes bytes between it and the server, and carries out the orders for it."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any, Final

import anyio
from anyio.abc import ByteStream, SocketAttribute

from ._frames import Frame, FrameReader, fragments, pieces
from ._wire_orders import Action, WireOrder, ping_frame

__all__ = ("BROKEN", "Wire")

BROKEN: Final = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)

_CHUNK = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_AT_ONCE = frozenset({Action.DROP, Action.RESET, Action.SILENCE, Action.WRITE})


class Wire:
    """Passes bytes both ways; after the WebSocket handshake it knows the frames.

    Toward the client only whole frames are passed on, so that a ping can be put in at any time, and data frames
    are counted: an order holds for the frame with its number, or comes just before it.

    Args:
        client: the client's side.
        server: the side of the ASGI server.
    """

    def __init__(self, client: ByteStream, server: ByteStream) -> None:
        self._client = client
        self._server = server
        # Asked for while the connection is new: the stream of a broken one does not tell any more.
        self._socket = _raw_socket(client)
        self._scope: anyio.CancelScope | None = None
        self._lock = anyio.Lock()
        self._reader: FrameReader | None = None
        self._head = b""
        self._passed = 0
        self._orders: list[tuple[int, WireOrder]] = []
        self._fragmenting = 0
        self._dribbling = 0
        self._silent = False
        self._over = False
        self.on_frame: Callable[[int, bytes], None] | None = None

    async def run(self) -> None:
        """Pass bytes until either side ends, or an order ends it."""
        async with anyio.create_task_group() as tasks:
            self._scope = tasks.cancel_scope
            tasks.start_soon(self._toward_client)
            tasks.start_soon(self._toward_server)

        self._scope = None

    def upgrade(self, on_frame: Callable[[int, bytes], None]) -> None:
        """From the next answer's head on, the bytes are frames; ``on_frame`` sees those of the client."""
        self._head = b""
        self._reader = FrameReader()
        self.on_frame = on_frame

    async def order(self, number: int, order: WireOrder) -> None:
        """Give an order for the data frame with this number (0 is the first)."""
        async with self._lock:
            if order.action in _AT_ONCE and self._passed >= number:
                await self._carry_out(order)
            else:
                self._orders.append((number, order))

    async def ping(self, payload: bytes) -> None:
        """Send a ping between two frames; before the handshake's answer is out there is nobody to ping."""
        async with self._lock:
            if self._reader is None or self._head.endswith(b"\r\n\r\n"):
                await self._write(ping_frame(payload))

    def reset(self) -> None:
        """Reset the client's connection."""
        if self._over:
            return

        # A socket that is closed already needs no reset; uvloop reports one as a ValueError.
        with contextlib.suppress(OSError, ValueError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)

        self._end()

    def _end(self) -> None:
        self._over = True

        if self._scope is not None:
            self._scope.cancel()

    # Toward the client.

    async def _toward_client(self) -> None:
        try:
            while True:
                data = await self._server.receive(_CHUNK)

                async with self._lock:
                    await self._pass_on(data)
        except BROKEN:
            # Toward a client that hears nothing any more, not even the end may be heard.
            if not self._silent:
                self._end()

    async def _pass_on(self, data: bytes) -> None:
        if self._reader is None:
            await self._write(data)
            return

        if not self._head.endswith(b"\r\n\r\n"):
            data = await self._pass_head(data)

        frames = self._reader.feed(data)

        if self._orders or self._fragmenting or self._dribbling:
            for frame in frames:
                await self._pass_frame(frame)

            await self._orders_at_once()
        else:
            self._passed += sum(frame.is_data for frame in frames)
            await self._write(b"".join(frame.raw for frame in frames))

    async def _pass_head(self, data: bytes) -> bytes:
        """Pass the head of the handshake's answer; what follows it."""
        before = len(self._head)
        head, mark, _ = (self._head + data).partition(b"\r\n\r\n")
        self._head = head + mark
        used = len(self._head) - before
        await self._write(data[:used])
        return data[used:]

    async def _pass_frame(self, frame: Frame) -> None:
        if not frame.is_data:
            await self._write(frame.raw)
            return

        await self._orders_at_once()

        for order in self._take_orders():
            match order.action:
                case Action.CUT:
                    cut = len(frame.raw) // 2 if order.amount < 0 else min(order.amount, len(frame.raw) - 1)
                    await self._write(frame.raw[:cut])
                    await self._carry_out(WireOrder(Action.RESET))
                case Action.FRAGMENT:
                    self._fragmenting = order.amount
                case Action.DRIBBLE:
                    self._dribbling = order.amount
                case _:
                    await self._carry_out(order)

        raw = self._in_fragments(frame)
        self._passed += 1

        if self._dribbling > 0:
            self._dribbling -= 1
            await self._dribble(raw)
        else:
            await self._write(raw)

    def _in_fragments(self, frame: Frame) -> bytes:
        if self._fragmenting <= 0:
            return frame.raw

        self._fragmenting -= 1
        return fragments(frame, 2 + self._passed % 4)

    async def _dribble(self, raw: bytes) -> None:
        for piece in pieces(raw, self._passed):
            await self._write(piece)

    async def _orders_at_once(self) -> None:
        due = [order for number, order in self._orders if number <= self._passed and order.action in _AT_ONCE]
        self._orders = [
            (number, order) for number, order in self._orders if number > self._passed or order.action not in _AT_ONCE
        ]

        for order in due:
            await self._carry_out(order)

    def _take_orders(self) -> list[WireOrder]:
        due = [order for number, order in self._orders if number <= self._passed]
        self._orders = [(number, order) for number, order in self._orders if number > self._passed]
        return due

    async def _carry_out(self, order: WireOrder) -> None:
        match order.action:
            case Action.RESET:
                self.reset()
            case Action.DROP:
                self._end()
            case Action.SILENCE:
                self._silent = True
            case _:
                await self._write(order.data)

    async def _write(self, data: bytes) -> None:
        if self._silent or self._over or not data:
            return

        try:
            await self._client.send(data)
        except BROKEN:
            self._end()

    # Toward the server.

    async def _toward_server(self) -> None:
        reader: FrameReader | None = None

        try:
            while True:
                data = await self._client.receive(_CHUNK)

                if self._silent:
                    continue

                if self.on_frame is not None:
                    reader = reader or FrameReader()
                    self._show(reader.feed(data))

                await self._server.send(data)
        except BROKEN:
            self._end()

    def _show(self, frames: list[Frame]) -> None:
        for frame in frames:
            if self.on_frame is not None:
                self.on_frame(frame.opcode, frame.payload)


def _raw_socket(stream: ByteStream) -> Any:
    try:
        return stream.extra(SocketAttribute.raw_socket)
    except AttributeError as error:
        # uvloop has closed it already.
        raise anyio.BrokenResourceError from error
