"""Virtual time, and a look around after every test for what a stream might have left behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import selectors
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import trio.testing

STORE_THREADS = ("rangebar", "store")


class _JumpingSelector(selectors.DefaultSelector):
    """Where another selector would sleep, this one moves the clock."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)

        events = super().select(0)
        if not events:
            self.loop.ahead += timeout

        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still while there is work, and jumps to the next timer when there is none."""

    def __init__(self) -> None:
        self.ahead = 0.0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return 1000.0 + self.ahead


@pytest.fixture(
    params=[
        pytest.param(lambda: ("asyncio", {"loop_factory": VirtualLoop}), id="asyncio-virtual"),
        pytest.param(lambda: ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}), id="trio-virtual"),
    ]
)
def virtual_backend(request: pytest.FixtureRequest) -> Any:
    """A clock that jumps; uvloop's cannot. Tests on it override `anyio_backend` with it."""
    return request.param()


@pytest.fixture(autouse=True)
def nothing_left(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Every test ends without a word from the event loop, and without sockets that somebody forgot to close."""
    threads = set(threading.enumerate())
    with caplog.at_level(logging.WARNING):
        yield

    # Whatever is found now is an error, since warnings are.
    gc.collect()
    asyncio_says = [record.getMessage() for record in caplog.records if record.name in ("asyncio", "trio")]
    assert not [text for text in asyncio_says if not text.startswith("Executing ")]
    for thread in set(threading.enumerate()) - threads:
        thread.join(5 if any(word in thread.name for word in STORE_THREADS) else 0)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Only asyncio cancels tasks natively."""
    impossible = [item for item in items if "native" in item.name and "[trio" in item.name]
    if impossible:
        config.hook.pytest_deselected(items=impossible)
        items[:] = [item for item in items if item not in impossible]
