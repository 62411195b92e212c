"""A port for clients: every TCP connection goes through it to the ASGI server, and every fault of the network is its.

The port stays ours while nothing listens on it: a second socket is bound to it that never listens, so a client
that connects in the meantime is refused, and no other program can take the port.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable

import anyio
from anyio.abc import ByteStream, SocketAttribute, TaskGroup, TaskStatus
from anyio.streams.tls import TLSStream

from ._wire import BROKEN, Wire

__all__ = ("Relay",)

_HOST = "127.0.0.1"
# A fatal alert, handshake_failure: what a server says that finds no common ground.
_TLS_ALERT = b"\x15\x03\x03\x00\x02\x02\x28"


class Relay:
    """One port, and the wires behind it.

    Args:
        upstream_port: where the ASGI server listens.
        wires: by the local port of the wire's upstream side, so that the ASGI application finds the wire it talks to.
        on_accept: called for each TCP connection; whether its TLS handshake is to fail.
        tls: speak TLS to the clients.
        port: the port; 0 for any that is free.
    """

    def __init__(
        self,
        upstream_port: int,
        wires: dict[int, Wire],
        on_accept: Callable[[], bool],
        *,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        self._upstream_port = upstream_port
        self._wires = wires
        self._on_accept = on_accept
        self._tls = tls
        self._own: set[Wire] = set()
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._reserved.bind((_HOST, port))
        except OSError as error:
            self._reserved.close()
            # The system does not say which one it was.
            raise OSError(error.errno, error.strerror, f"{_HOST}:{port}") from None

        self.port: int = self._reserved.getsockname()[1]
        self._open = anyio.Event()
        self._listening: anyio.CancelScope | None = None
        self._started = False

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; `open` and `refuse` say whether the port listens. Started when it listens."""
        self.open()

        try:
            async with anyio.create_task_group() as connections:
                while True:
                    await self._open.wait()
                    await self._listen(connections, task_status)
        finally:
            self._reserved.close()

    async def _listen(self, connections: TaskGroup, task_status: TaskStatus[None]) -> None:
        listener = await anyio.create_tcp_listener(local_host=_HOST, local_port=self.port, backlog=512)

        if not self._started:
            self._started = True
            task_status.started()

        async with listener:
            with anyio.CancelScope() as self._listening:
                if self._open.is_set():
                    await listener.serve(self._handle, connections)

        self._listening = None

    @property
    def listening(self) -> bool:
        """Whether the port is meant to listen."""
        return self._open.is_set()

    def open(self) -> None:
        """Let the port listen."""
        self._open.set()

    def refuse(self) -> None:
        """Stop listening; connections that exist go on."""
        if self._open.is_set():
            self._open = anyio.Event()

            if self._listening is not None:
                self._listening.cancel()

    def reset_all(self) -> None:
        """Reset every connection at once."""
        for wire in list(self._own):
            wire.reset()

    async def _handle(self, client: ByteStream) -> None:
        fail_tls = self._on_accept()

        try:
            await (self._fail_tls(client) if fail_tls else self._serve(client))
        except BROKEN:
            pass
        finally:
            await _close(client)

    async def _fail_tls(self, client: ByteStream) -> None:
        # Reads the greeting first: a close with unread bytes would be a reset and could overtake the alert.
        await client.receive()
        await client.send(_TLS_ALERT)

    async def _serve(self, client: ByteStream) -> None:
        stream: ByteStream = client

        if self._tls is not None:
            stream = await TLSStream.wrap(client, server_side=True, ssl_context=self._tls, standard_compatible=False)

        async with await anyio.connect_tcp(_HOST, self._upstream_port) as server:
            key = server.extra(SocketAttribute.local_port)
            wire = Wire(stream, server)
            self._wires[key] = wire
            self._own.add(wire)

            try:
                await wire.run()
            finally:
                del self._wires[key]
                self._own.discard(wire)


async def _close(stream: ByteStream) -> None:
    with anyio.CancelScope(shield=True), contextlib.suppress(*BROKEN):
        await stream.aclose()
