"""A store of one's own, written with public names only, against the shipped check and under a stream."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from pathlib import Path

import pytest

from rangebar_anyio import CheckpointStore, SqliteStore, open_stream, record
from rangebar_anyio.stores import (
    CLOSE_DEADLINE_S,
    BeginSegment,
    Change,
    Checkpoint,
    LaneFormat,
    LaneKey,
    LaneStatus,
    RecordBars,
    Segment,
    StoredBar,
)
from rangebar_anyio.testing import check_checkpoint_store
from tests.stream.fake_source import QUICK, FakeExchange, bars_of, make_tape

pytestmark = pytest.mark.anyio


class Journal(CheckpointStore):
    """Writes down what goes through it, and has another store keep it."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.lines: list[str] = []

    async def open(self, lanes: Collection[LaneKey]) -> int:
        return await self.store.open(lanes)

    async def load(self, epoch: int, wanted: LaneFormat) -> Mapping[LaneKey, Checkpoint]:
        return await self.store.load(epoch, wanted)

    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        done = await self.store.commit(epoch, changes)
        self.lines += [_line(change) for change in changes]
        return done

    def release(self, epoch: int) -> None:
        self.store.release(epoch)

    async def lanes(self) -> Sequence[LaneStatus]:
        return await self.store.lanes()

    async def segments(self, lane: LaneKey) -> Sequence[Segment]:
        return await self.store.segments(lane)

    async def bars(self, lane: LaneKey, *, after_id: int = -1, limit: int = 1000) -> Sequence[StoredBar]:
        return await self.store.bars(lane, after_id=after_id, limit=limit)

    async def aclose(self, *, deadline_s: float = CLOSE_DEADLINE_S) -> None:
        await self.store.aclose(deadline_s=deadline_s)


def _line(change: Change) -> str:
    match change:
        case BeginSegment(lane, _, origin):
            return f"{lane.symbol} begins after {origin.order}"
        case RecordBars(lane, bars):
            return f"{lane.symbol} has {len(bars)} more bars"
        case _:
            return f"{change.lane.symbol}: {type(change).__name__}"


async def test_it_keeps_the_contract(tmp_path: Path) -> None:
    paths = (tmp_path / f"{number}.db" for number in count())

    def again(closed: CheckpointStore) -> CheckpointStore:
        assert isinstance(closed, Journal)
        return Journal(SqliteStore(closed.store.path))

    await check_checkpoint_store(lambda: Journal(SqliteStore(next(paths))), reopen=again)


async def test_a_stream_records_into_it(tmp_path: Path) -> None:
    tape = make_tape(60)
    wanted = bars_of(tape, 250)
    async with Journal(SqliteStore(tmp_path / "bars.db")) as store:
        opening = open_stream(
            "BTCUSDT", source=FakeExchange([tape], history=30), start=1000, store=store, ack="manual", config=QUICK
        )
        async with opening as bars:
            await record(bars, store, max_bars=len(wanted))

        (status,) = await store.lanes()
        assert [bar.packed for bar in await store.bars(status.lane)] == [bar._raw for bar in wanted]

    assert store.lines[0] == "BTCUSDT begins after 999"
    more = [re.fullmatch(r"BTCUSDT has (\d+) more bars", line) for line in store.lines]
    assert sum(int(match[1]) for match in more if match) == len(wanted)
