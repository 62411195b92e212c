"""HTTP and WebSocket over one httpx client: the only place that opens sockets."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeAlias

import anyio
import httpx
from httpx_ws import WebSocketUpgradeError, aconnect_ws

from ._body import ENCODING, Body, RequestLost
from ._handshakes import Handshake
from ._trouble import no_answer, not_reached
from ._trust import default_context
from ._websocket import RawWebSocket

__all__ = ("ConnectRefused", "HttpAnswer", "RequestLost", "Transport")

Pairs: TypeAlias = Sequence[tuple[str, str]]

_CONNECT_SECONDS = 10.0
#: A page of 1,000 trades has some 150 kB.
_BODY_LIMIT = 4 * 1024 * 1024
_SCHEMES = {"ws": "http", "wss": "https"}


class ConnectRefused(Exception):
    """A WebSocket handshake that did not end in a WebSocket: `status` is 0 unless a server answered."""

    def __init__(self, text: str, *, status: int = 0, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a server answered: the status, the headers (names in lower case) and the body as bytes."""

    status: int
    headers: dict[str, str]
    body: bytes


class Transport:
    """Opens WebSockets and sends requests through one httpx client.

    A client that the user handed in (proxies, TLS contexts, headers) is used and left open; one made here is closed.
    """

    def __init__(self, client: httpx.AsyncClient | None = None) -> None:
        self._owned = client is None
        # Each WebSocket keeps a connection of the pool for its life, so the pool must not be the limit.
        self._client = client or httpx.AsyncClient(verify=default_context(), limits=httpx.Limits(max_connections=None))

    async def aclose(self) -> None:
        """Close the client if it was made here."""
        if self._owned:
            await self._client.aclose()

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncGenerator[RawWebSocket, None]:
        """Open a WebSocket for the length of a block.

        Raises:
            ConnectRefused: the network, TLS, a proxy or the server said no.
        """
        handshake = Handshake()
        opening = aconnect_ws(
            _as_http(url),
            self._client,
            session_class=RawWebSocket,
            keepalive_ping_interval_seconds=None,
            timeout=httpx.Timeout(_CONNECT_SECONDS),
            extensions=handshake.extensions,
        )
        try:
            socket = await opening.__aenter__()
        except Exception as error:
            raise _refused(url, error) from error
        except BaseException:
            await handshake.abandon()
            raise

        try:
            yield socket
        except BaseException as error:
            # What goes wrong while a connection is given up must not take the place of why: of a cancellation least.
            with suppress(Exception):
                await opening.__aexit__(type(error), error, error.__traceback__)

            raise
        else:
            with suppress(Exception):
                await opening.__aexit__(None, None, None)

    async def get(self, url: str, params: Pairs, headers: Pairs, *, timeout_s: float) -> HttpAnswer:
        """Send one GET request and return the whole answer.

        Raises:
            RequestLost: no answer within `timeout_s` seconds, or the connection failed.
        """
        try:
            # httpx bounds each step; a server that drips a byte a second needs a bound on the whole.
            with anyio.fail_after(timeout_s):
                return await self._get(url, params, headers)
        except RequestLost:
            raise
        except Exception as error:
            raise RequestLost(no_answer(url, error)) from error

    async def _get(self, url: str, params: Pairs, headers: Pairs) -> HttpAnswer:
        wanted = [*headers, ("accept-encoding", ENCODING)]
        handshake = Handshake()
        asking = self._client.stream("GET", url, params=list(params), headers=wanted, extensions=handshake.extensions)
        try:
            async with asking as response:
                body = Body(response.headers.get("content-encoding"), _BODY_LIMIT)
                await _collect(response, body)
                return HttpAnswer(response.status_code, dict(response.headers), body.finish())
        except BaseException:
            await handshake.abandon()
            raise


async def _collect(response: httpx.Response, body: Body) -> None:
    """Read a body as it comes: httpx would unpack each chunk whole, whatever it grows to."""
    lost: RequestLost | None = None
    try:
        async for chunk in response.aiter_raw():
            if lost is not None:
                continue

            try:
                body.add(chunk)
            except RequestLost as error:
                # The loop ends from inside: httpx nests generators, and trio complains of any that is left half-way.
                lost = error
                await response.aclose()
    except Exception:
        if lost is None:
            raise

    if lost is not None:
        raise lost


def _as_http(url: str) -> str:
    # httpcore starts TLS behind a SOCKS proxy for "https" only, and sends "ws" through an HTTP proxy as a TLS tunnel.
    scheme, separator, rest = url.partition("://")
    return _SCHEMES.get(scheme, scheme) + separator + rest


def _refused(url: str, error: Exception) -> ConnectRefused:
    if isinstance(error, WebSocketUpgradeError):
        response = error.response
        return ConnectRefused(
            f"the server answered the handshake with HTTP {response.status_code}",
            status=response.status_code,
            retry_after_s=_seconds(response.headers.get("retry-after")),
        )

    return ConnectRefused(not_reached(url, error))


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
