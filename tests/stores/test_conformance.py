"""Both stores keep the contract, and the check that says so finds stores that do not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from anyio.lowlevel import checkpoint

from rangebar_anyio._errors import StoreError
from rangebar_anyio._stores import (
    BeginSegment,
    Change,
    Checkpoint,
    CheckpointStore,
    LaneFormat,
    LaneKey,
    MemoryStore,
    RecordBars,
    SavePosition,
    SaveSnapshot,
    Segment,
    SqliteStore,
    StoredBar,
)
from rangebar_anyio._stores import _memory as memory
from rangebar_anyio.testing._store_conformance import FORMAT, check_checkpoint_store

pytestmark = pytest.mark.anyio


async def test_memory_store_keeps_the_contract() -> None:
    def reopen(old: CheckpointStore) -> CheckpointStore:
        assert isinstance(old, MemoryStore)
        return MemoryStore(continues=old)

    await check_checkpoint_store(MemoryStore, reopen=reopen)


async def test_sqlite_store_keeps_the_contract(tmp_path: Path) -> None:
    numbers = count()

    def reopen(old: CheckpointStore) -> CheckpointStore:
        assert isinstance(old, SqliteStore)
        return SqliteStore(old.path)

    await check_checkpoint_store(lambda: SqliteStore(tmp_path / f"{next(numbers)}.db"), reopen=reopen)


class LowersPositions(MemoryStore):
    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        written = await super().commit(epoch, changes)
        for change in changes:
            if written and isinstance(change, SavePosition):
                self._lanes[change.lane].position = change.position

        return written


class IgnoresEpochs(MemoryStore):
    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        newest = max((self._lanes[c.lane].epoch for c in changes if c.lane in self._lanes), default=epoch)
        return await super().commit(newest, changes)


class OwnsWhatNobodyOpened(MemoryStore):
    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        for change in changes:
            self._lanes.setdefault(change.lane, memory._Lane(epoch=epoch))

        return await super().commit(epoch, changes)


class SharesLanes(MemoryStore):
    async def open(self, lanes: Collection[LaneKey]) -> int:
        self._openings.clear()
        return await super().open(lanes)


class KeepsLanes(MemoryStore):
    def release(self, epoch: int) -> None:
        pass


class KeepsStaleSnapshots(MemoryStore):
    async def load(self, epoch: int, wanted: LaneFormat) -> Mapping[LaneKey, Checkpoint]:
        found = await super().load(epoch, wanted)
        return {lane: replace(known, snapshot=self._lanes[lane].snapshot) for lane, known in found.items()}


class SavesAnySnapshot(MemoryStore):
    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        written = await super().commit(epoch, changes)
        for change in changes:
            if written and isinstance(change, SaveSnapshot):
                self._lanes[change.lane].snapshot = change.snapshot

        return written


class WritesHalf(MemoryStore):
    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        return all([await super(WritesHalf, self).commit(epoch, [change]) for change in changes])


class LeavesOutTheRest(MemoryStore):
    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        for number, change in enumerate(changes):
            known = self._lanes[change.lane].position if change.lane in self._lanes else None
            if known is not None and isinstance(change, SavePosition) and change.position.order < known.order:
                return await super().commit(epoch, changes[:number])

        return await super().commit(epoch, changes)


class CountsEveryWrite(MemoryStore):
    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        written = await super().commit(epoch, changes)
        for change in changes:
            state = self._lanes.get(change.lane)
            if written and state is not None and isinstance(change, SaveSnapshot):
                state.segments.append(replace(state.segments[-1], number=len(state.segments) + 1))

        return written


class OverwritesBars(MemoryStore):
    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        for change in changes:
            if isinstance(change, RecordBars) and change.lane in self._lanes:
                keys = {bar.first_agg_trade_id for bar in change.bars}
                state = self._lanes[change.lane]
                state.bars = [bar for bar in state.bars if bar.first_agg_trade_id not in keys]

        return await super().commit(epoch, changes)


class OverlapsBars(MemoryStore):
    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        for change in changes:
            if isinstance(change, BeginSegment) and change.restart:
                self._lanes[change.lane].bars.clear()

        return await super().commit(epoch, changes)


class RecordsWithoutPosition(MemoryStore):
    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        positions = {lane: state.position for lane, state in self._lanes.items()}
        written = await super().commit(epoch, changes)
        for change in changes:
            if written and isinstance(change, RecordBars) and positions.get(change.lane):
                self._lanes[change.lane].position = positions[change.lane]

        return written


class IgnoresFormats(MemoryStore):
    async def load(self, epoch: int, wanted: LaneFormat) -> Mapping[LaneKey, Checkpoint]:
        lanes = self._openings[epoch]
        found = {lane: memory._checkpoint(lane, self._lanes[lane]) for lane in lanes}
        return {lane: known for lane, known in found.items() if known is not None}


class MixesReaders(MemoryStore):
    async def open(self, lanes: Collection[LaneKey]) -> int:
        epoch = await super().open(lanes)
        for lane in lanes:
            twin = self._lanes[replace(lane, reader="default")] if lane.reader != "default" else self._lanes[lane]
            self._lanes[lane] = twin

        return epoch


class SwallowsErrors(MemoryStore):
    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        try:
            return await super().commit(epoch, changes)
        except StoreError:
            return True


class RestartsAlways(MemoryStore):
    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        forced = [replace(c, restart=True) if isinstance(c, BeginSegment) else c for c in changes]
        return await super().commit(epoch, forced)


class ChangesFormats(MemoryStore):
    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        forced = [replace(c, format=FORMAT) if isinstance(c, BeginSegment) and not c.restart else c for c in changes]
        return await super().commit(epoch, forced)


class LosesHeads(MemoryStore):
    async def segments(self, lane: LaneKey) -> Sequence[Segment]:
        return [replace(segment, replaced_from=None) for segment in await super().segments(lane)]


class PagesWrongly(MemoryStore):
    async def bars(self, lane: LaneKey, *, after_id: int = -1, limit: int = 1000) -> Sequence[StoredBar]:
        return await super().bars(lane, after_id=after_id)


class NeverYields(MemoryStore):
    async def _enter(self) -> None:
        if self._closed:
            await super()._enter()


class ReadsWhenClosed(MemoryStore):
    async def bars(self, lane: LaneKey, *, after_id: int = -1, limit: int = 1000) -> Sequence[StoredBar]:
        await checkpoint()
        return [] if self._closed else await super().bars(lane, after_id=after_id, limit=limit)


class StaysOpen(MemoryStore):
    async def aclose(self, *, deadline_s: float = 5) -> None:
        self._openings.clear()


@pytest.mark.parametrize(
    ("bad_store", "clause"),
    [
        (LowersPositions, "never lowers"),
        (IgnoresEpochs, "old epoch returns False"),
        (OwnsWhatNobodyOpened, "never opened"),
        (SharesLanes, "one opening at a time"),
        (KeepsStaleSnapshots, "only while it follows"),
        (SavesAnySnapshot, "does not follow is dropped"),
        (WritesHalf, "refused commit|one old lane"),
        (LeavesOutTheRest, "none of its other changes"),
        (CountsEveryWrite, "equal changes again"),
        (OverwritesBars, "unlike bar"),
        (OverlapsBars, "needs replace"),
        (RecordsWithoutPosition, "moves the position"),
        (IgnoresFormats, "does not fit"),
        (MixesReaders, "share nothing"),
        (SwallowsErrors, "without an origin"),
        (RestartsAlways, "needs restart"),
        (ChangesFormats, "does not fit"),
        (LosesHeads, "skips that bar's head"),
        (PagesWrongly, "limit"),
        (NeverYields, "checkpoint"),
        (ReadsWhenClosed, "ClosedResourceError"),
        (StaysOpen, "ClosedResourceError"),
    ],
)
async def test_the_check_finds_a_planted_fault(bad_store: Callable[[], Any], clause: str) -> None:
    with pytest.raises(AssertionError, match=clause):
        await check_checkpoint_store(bad_store)


async def test_the_check_finds_a_store_that_keeps_lanes() -> None:
    with pytest.raises(StoreError, match="open in another stream"):
        await check_checkpoint_store(KeepsLanes)


async def test_the_check_finds_a_store_that_forgets() -> None:
    with pytest.raises(AssertionError, match="survives closing"):
        await check_checkpoint_store(MemoryStore, reopen=lambda _: MemoryStore())
