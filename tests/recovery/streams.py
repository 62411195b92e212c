"""Streams over an exchange in memory, a store that shows what it is asked for, and one program after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anyio

from rangebar_anyio import Bar, CheckpointStore, MemoryStore, StoreError, open_stream
from rangebar_anyio.stores import Change, Checkpoint, LaneKey
from tests.stream.fake_source import QUICK, FakeExchange, bars_of, make_tape
from tests.stream.reading import take

__all__ = (
    "QUICK",
    "TAPE",
    "WANTED",
    "FakeExchange",
    "Watched",
    "bars_of",
    "known",
    "lane_of",
    "make_tape",
    "stream",
    "take",
)

TAPE = make_tape(150)
WANTED = bars_of(TAPE, 250)


def stream(exchange: FakeExchange, store: Any, **options: Any) -> Any:
    """Open a stream of the first tape's symbol from its first id, unless told otherwise."""
    options = {"symbols": "BTCUSDT", "start": 1000, "config": QUICK, **options}
    return open_stream(options.pop("symbols"), source=exchange, store=store, **options)


def lane_of(bars: Sequence[Bar], symbol: str, threshold_dbps: int) -> list[Bar]:
    """Choose the bars of one lane."""
    return [bar for bar in bars if (bar.symbol, bar.threshold_dbps) == (symbol, threshold_dbps)]


async def known(store: CheckpointStore, key: LaneKey) -> Checkpoint:
    """What a store knows of a lane."""
    (found,) = [status.checkpoint for status in await store.lanes() if status.lane == key]
    assert found is not None
    return found


class Watched(MemoryStore):
    """A store in memory that keeps its commits, and fails or hangs when told so.

    Attributes:
        commits: what was committed.
        refuses: whether a commit fails.
        hangs: whether a commit never returns.
    """

    def __init__(self, *, continues: MemoryStore | None = None) -> None:
        super().__init__(continues=continues)
        self.commits: list[tuple[Change, ...]] = []
        self.refuses: Callable[[Sequence[Change]], bool] = lambda changes: False
        self.hangs = False

    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        if self.hangs:
            await anyio.sleep_forever()

        if self.refuses(changes):
            raise StoreError("the disk is full", remedy="free some space")

        done = await super().commit(epoch, changes)
        self.commits.append(tuple(changes))
        return done

    def of_kind(self, kind: type[Change]) -> list[Any]:
        """Give the changes of one kind, in order."""
        return [change for changes in self.commits for change in changes if isinstance(change, kind)]
