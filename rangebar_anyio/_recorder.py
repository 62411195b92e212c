"""`record`: bars into a store, each exactly once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

import anyio

from ._bar import Bar
from ._stores import CheckpointStore
from ._stream import BarStream

__all__ = ("record",)

#: Bars of one transaction: while the past is being fetched more come than one should hold back.
_MOST = 1000


async def record(
    stream: BarStream,
    store: CheckpointStore,
    *,
    on_bars: Callable[[Sequence[Bar]], object] | None = None,
    max_bars: int | None = None,
) -> None:
    """Write every bar of a stream to its store, each exactly once, until the stream is closed.

    Guaranteed: a bar and the position after it are written in one transaction, which is the acknowledgement, so a kill
    at any instruction leaves the store with the bars up to some position and that position, and the next run goes on
    there. All bars that wait go into one transaction. Cancelling it loses nothing: leaving the stream's block writes
    what was taken, or the next run takes it again.

    Args:
        stream: opened on the same store with `ack="manual"`, and best with a reader name of its own.
        store: where bars and positions go.
        on_bars: called with the bars of each transaction once they are durable.
        max_bars: return after so many bars; `None` for no end.

    Raises:
        ValueError: the stream was opened on another store, or acknowledges by itself.
        StoreError: a transaction failed; recording again tries it again. Or a stream of the same reader that does not
            record has moved the position since, so that bars would be missing.
        RangeBarError: the stream failed, after its last bar was written.

    Example:
        ```python
        async with SqliteStore("bars.db") as store:
            async with open_stream("BTCUSDT", store=store, ack="manual", reader="record") as bars:
                await record(bars, store)
        ```
    """
    stream._check_records_to(store)
    left = inf if max_bars is None else max_bars
    bars: list[Bar] = []
    while True:
        # First of all what an earlier call took and could not write.
        recorded = await stream._record_bars(bars)
        left -= len(recorded)
        if recorded and on_bars is not None:
            on_bars(recorded)

        if left <= 0:
            return

        try:
            bars = [await stream.receive()]
        except anyio.EndOfStream:
            return

        _take_waiting(stream, bars, min(_MOST, left))


def _take_waiting(stream: BarStream, bars: list[Bar], most: float) -> None:
    while len(bars) < most:
        try:
            bars.append(stream.receive_nowait())
        except anyio.WouldBlock:
            return
