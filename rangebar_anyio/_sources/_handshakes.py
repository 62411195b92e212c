"""Sockets of handshakes that are given up: httpcore closes them after an error, but not when it is cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import anyio
import httpcore

__all__ = ("Handshake",)

_CLOSE_SECONDS = 1.0
_OPENED = (".connect_tcp.complete", ".start_tls.complete")
_WRAPPING = ".start_tls.started"
#: From here on a connection of httpcore's owns the socket, and closes it.
_OWNED = ("http11.", "http2.")


class Handshake:
    """The socket of one request while it belongs to nobody: during handshakes of TLS and of proxies.

    Attributes:
        extensions: what the request has to carry, so that httpcore tells of its sockets (its "trace" extension).
    """

    def __init__(self) -> None:
        self.extensions: dict[str, Any] = {"trace": self._hear}
        self._socket: httpcore.AsyncNetworkStream | None = None
        self._is_owned = True

    async def _hear(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(_OPENED):
            self._socket, self._is_owned = info["return_value"], False
        elif event.endswith(_WRAPPING):
            # The tunnel of a proxy ends its own connection here.
            self._is_owned = False
        elif event.startswith(_OWNED):
            self._is_owned = True

    async def abandon(self) -> None:
        """Close the socket if nobody else will, also while being cancelled."""
        if self._socket is not None and not self._is_owned:
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True), suppress(Exception):
                await self._socket.aclose()
