"""A plain client for the tests of the simulated exchange: bytes on a socket, frames by wsproto."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit

import anyio
import pytest
from anyio.abc import ByteStream
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Ping, RejectConnection, Request, TextMessage

WAIT_S = 60.0


class PlainClient:
    """Says nothing by itself: no pongs, no answer to a close."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []

    async def shake_hands(self, target: str) -> Event:
        """Ask for a WebSocket; what the server says."""
        await self.send(Request(host="127.0.0.1", target=target))
        return await self.next()

    async def send(self, event: Event) -> None:
        await self.stream.send(self._connection.send(event))

    async def next(self) -> Event:
        """Next event; raises what the stream raises."""
        with anyio.fail_after(WAIT_S):
            while not self._events:
                self._connection.receive_data(await self.stream.receive())
                self._events += self._connection.events()

        return self._events.pop(0)

    async def texts(self, count: int) -> list[str]:
        """So many whole text messages; passes over pings."""
        found: list[str] = []
        text = ""

        while len(found) < count:
            event = await self.next()
            assert isinstance(event, TextMessage | Ping), event

            if isinstance(event, TextMessage):
                text += event.data

                if event.message_finished:
                    found.append(text)
                    text = ""

        return found

    async def until_close(self) -> int:
        """Read on until the server closes properly; its code."""
        while True:
            event = await self.next()

            if isinstance(event, CloseConnection):
                return int(event.code)

    async def until_end(self) -> int:
        """Read on until the stream ends or breaks, which raises; never returns."""
        while True:
            await self.next()


Dial = Callable[[str], AbstractAsyncContextManager[PlainClient]]


@asynccontextmanager
async def _dial(url: str) -> AsyncIterator[PlainClient]:
    parts = urlsplit(url)
    assert parts.port is not None

    async with await anyio.connect_tcp("127.0.0.1", parts.port) as stream:
        client = PlainClient(stream)
        accepted = await client.shake_hands(f"{parts.path}?{parts.query}")
        assert isinstance(accepted, AcceptConnection | RejectConnection), accepted
        assert isinstance(accepted, AcceptConnection), accepted.status_code
        yield client


@pytest.fixture
def dial() -> Dial:
    """Open a WebSocket: ``async with dial(url) as client``."""
    return _dial
