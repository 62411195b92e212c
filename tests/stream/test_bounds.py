"""docs/back-pressure.md: what waits for a reader that is away is bounded, events too, and so is one read."""

from __future__ import annotations

import logging
import re

import anyio
import pytest

from rangebar_anyio import ReconnectPolicy, SessionConfig, open_stream
from rangebar_anyio.events import StreamEvent
from tests.stream.fake_source import FakeExchange, FakeSocket, bars_of, make_tape

pytestmark = pytest.mark.anyio

TAPE = make_tape(150)
WANTED = bars_of(TAPE, 250)


@pytest.fixture
def anyio_backend(virtual_backend: object) -> object:
    return virtual_backend


async def test_only_the_newest_events_are_kept_and_the_log_counts_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A day without a network and without a reader: thousands of events."""
    exchange = FakeExchange([TAPE], is_offline=True)
    told: list[StreamEvent] = []
    config = SessionConfig(policy=ReconnectPolicy(jitter=False))
    async with open_stream("BTCUSDT", source=exchange, config=config, on_event=told.append) as bars:
        await anyio.sleep(86_400)
        assert told == []
        exchange.is_offline = False
        with caplog.at_level(logging.WARNING, "rangebar_anyio"), anyio.fail_after(600):
            await bars.receive()

        # An attempt to connect that fails is told of with the wait that follows, a request with its wait alone.
        most = 2 * bars.stats.connect_failures + bars.stats.request_failures

    (lost,) = re.findall(r"(\d+) events came while nobody was receiving", caplog.text)
    assert int(lost) > 500
    # What the bar itself brought comes after the thousand that had waited.
    assert 1000 <= len(told) < 1020
    assert most - 10 < int(lost) + len(told) < most + 40


async def test_one_read_takes_a_quarter_of_a_mebibyte_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: set[int] = set()
    honest = FakeSocket.read

    async def read(self: FakeSocket, max_bytes: int) -> bytes:
        sizes.add(max_bytes)
        return await honest(self, max_bytes)

    monkeypatch.setattr(FakeSocket, "read", read)
    async with open_stream("BTCUSDT", source=FakeExchange([TAPE]), config=SessionConfig()) as bars:
        with anyio.fail_after(60):
            assert [await bars.receive() for _ in WANTED] == WANTED

    assert sizes == {256 * 1024}
