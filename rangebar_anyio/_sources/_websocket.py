"""A WebSocket whose receiving half hands over raw bytes, for a decoder that is not Python."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import anyio
import httpcore
import wsproto.events
import wsproto.utilities
from httpx_ws import AsyncWebSocketSession, WebSocketNetworkError

__all__ = ("RawWebSocket",)

#: What a connection that breaks raises, through TLS and proxies too.
_BROKEN = (httpcore.NetworkError, httpcore.TimeoutException, OSError)
#: A peer that does not read cannot hold up the end of a program by longer than this.
_CLOSE_SECONDS = 1.0


class RawWebSocket(AsyncWebSocketSession):
    """An httpx-ws session that keeps its handshake, TLS, proxies, sends and close, and leaves frames undecoded.

    httpx-ws reads in a background task and passes each message through a queue; here the reader takes what the socket
    has, so there is no task, no task group, and an exception in the body leaves as itself.
    """

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[RawWebSocket, None]:
        try:
            yield self
        finally:
            await self._close_soon()

    async def _close_soon(self) -> None:
        # The shield only buys a polite close frame; after a second, or a second cancellation, the socket is dropped.
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True), suppress(Exception):
            await self.close()
            return

        with suppress(Exception):
            await self.stream.aclose()

    async def read(self, max_bytes: int) -> bytes:
        """Return what the socket has, at most `max_bytes`; empty at its end, however it ended."""
        try:
            return await self.stream.read(max_bytes)
        except _BROKEN:
            return b""

    async def send_pong(self, payload: bytes) -> None:
        """Answer a ping with its own payload."""
        await self._send(wsproto.events.Pong(payload))

    async def send_message(self, text: str) -> None:
        """Send one text message."""
        await self._send(wsproto.events.TextMessage(data=text))

    async def _send(self, event: wsproto.events.Event) -> None:
        # A connection that is closing takes nothing more; its reader learns of the end and says so, once.
        with suppress(wsproto.utilities.LocalProtocolError, WebSocketNetworkError, *_BROKEN):
            await self.send(event)
