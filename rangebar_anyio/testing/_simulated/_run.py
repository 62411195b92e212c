"""The simulated exchange in a process of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from threading import current_thread, main_thread
from typing import Any, Literal

import anyio
from anyio.abc import TaskStatus

from ._counters import Counters
from ._server import SimulatedExchange, Tapes

__all__ = ("run_simulated_exchange",)


def run_simulated_exchange(
    tapes: Tapes,
    *,
    announce: Callable[[str, str], object],
    backend: Literal["asyncio", "trio"] = "asyncio",
    stay: bool = True,
    **options: Any,
) -> Counters:
    """Run a simulated exchange until it is interrupted, and return what it counted.

    SIGINT, SIGTERM and, unless it is ignored, SIGHUP end it cleanly: every connection is reset, both ports are free,
    nothing is printed.

    Args:
        tapes: see `SimulatedExchange`.
        announce: called once with the base URLs of WebSocket and REST, when both can be used.
        backend: event loop to run on.
        stay: go on after the last trade, so that clients can ask REST for what they lack.
        options: everything else that `SimulatedExchange` takes.

    Raises:
        OSError: a port is taken; the address is its file name.
        Exception: whatever `announce` raises, after the exchange has ended.

    Example::

        run_simulated_exchange(tape, announce=print, pace=Pace(trades_per_s=500))
    """
    seen: list[Counters] = []
    failed: list[BaseException] = []

    try:
        anyio.run(_run, tapes, partial(_tried, announce, failed), stay, options, seen, backend=backend)
    except KeyboardInterrupt:
        # Where signals cannot be received (Windows, other threads) the interrupt comes this way.
        pass

    if failed:
        raise failed[0]

    return seen[0] if seen else Counters()


def _tried(announce: Callable[[str, str], object], failed: list[BaseException], ws_url: str, rest_url: str) -> bool:
    """Announce; what fails ends the exchange in order, and leaves as itself afterwards."""
    try:
        announce(ws_url, rest_url)
    except BaseException as error:  # noqa: BLE001 - raised again where no task group wraps it
        failed.append(error)

    return not failed


async def _run(
    tapes: Tapes,
    announce: Callable[[str, str], bool],
    stay: bool,
    options: dict[str, Any],
    seen: list[Counters],
) -> None:
    async with SimulatedExchange(tapes, **options) as exchange, anyio.create_task_group() as tasks:
        seen.append(exchange.counters)

        if os.name != "nt" and current_thread() is main_thread():
            await tasks.start(_cancel_on_signal, tasks.cancel_scope)

        if not announce(exchange.ws_url, exchange.rest_url):
            tasks.cancel_scope.cancel()

        await exchange.wait_finished()

        if stay:
            await anyio.sleep_forever()

        tasks.cancel_scope.cancel()


async def _cancel_on_signal(
    scope: anyio.CancelScope, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    hang_up = () if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else (signal.SIGHUP,)
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, *hang_up) as signals:
        task_status.started()

        async for _ in signals:
            scope.cancel()
