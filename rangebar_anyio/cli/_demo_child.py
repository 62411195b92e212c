"""The demo's exchange as its client sees it: a process that is started, listened to and ended."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import IO, Any, Self

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from .._errors import RangeBarError

__all__ = ("DemoExchange", "DemoFailed")

_LINE = 65_536


class DemoFailed(RangeBarError):
    """The demo's exchange did not start, or did not live to the end."""


class DemoExchange:
    """A running exchange: where it is, and what it says that it does."""

    def __init__(self, process: Process, trouble: IO[bytes]) -> None:
        assert process.stdout is not None
        self._process = process
        self._trouble = trouble
        self._lines = BufferedByteReceiveStream(process.stdout)
        self.ws_url = ""
        self.rest_url = ""

    @classmethod
    @asynccontextmanager
    async def run(cls) -> AsyncGenerator[Self, None]:
        """Run the exchange's process for the length of a block.

        Raises:
            DemoFailed: it did not start.
        """
        with tempfile.TemporaryFile() as trouble:
            process = await anyio.open_process(
                [sys.executable, "-m", "rangebar_anyio.cli._demo_exchange"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=trouble,
                # Ctrl-C is for us; the exchange ends with its standard input.
                start_new_session=True,
            )
            try:
                exchange = cls(process, trouble)
                urls = await exchange._next("did not start")
                exchange.ws_url, exchange.rest_url = urls["ws_url"], urls["rest_url"]
                yield exchange
            finally:
                with anyio.CancelScope(shield=True):
                    if process.returncode is None:
                        process.kill()

                    await process.aclose()

    async def next_fault(self) -> str:
        """Wait for the next thing that it does to its clients, in words.

        Raises:
            DemoFailed: it ended.
        """
        fault: str = (await self._next("ended before its time"))["fault"]
        return fault

    async def _next(self, otherwise: str) -> dict[str, Any]:
        try:
            said: dict[str, Any] = json.loads(await self._lines.receive_until(b"\n", _LINE))
        except (anyio.EndOfStream, anyio.IncompleteRead):
            code = await self._process.wait()
            self._trouble.seek(0)
            text = _last_line(self._trouble.read())
            raise DemoFailed(f"the exchange {otherwise}: code {code}, {text}") from None

        return said


def _last_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "and it said nothing")
