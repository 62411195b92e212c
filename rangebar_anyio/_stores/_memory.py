"""A store in memory: for tests, for programs that keep positions elsewhere, and the shortest example of the
contract."""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from time import time_ns
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from rangebar_anyio._errors import StoreError

from . import _forks, _rules
from ._base import CLOSE_DEADLINE_S, CheckpointStore, check_format
from ._changes import BeginSegment, Change, RecordBars, SavePosition, SaveSnapshot
from ._values import Checkpoint, LaneFormat, LaneKey, LaneStatus, Position, Segment, Snapshot, StoredBar, StoreNote


@dataclass(slots=True)
class _Lane:
    epoch: int = 0
    segments: list[Segment] = field(default_factory=list)
    position: Position | None = None
    updated_us: int | None = None
    snapshot: Snapshot | None = None
    bars: list[StoredBar] = field(default_factory=list)

    def mark(self) -> Callable[[], None]:
        """Remember this state and return what goes back to it; lists only grow at the end or are replaced."""
        segments, bars, counts = self.segments, self.bars, (len(self.segments), len(self.bars))
        rest = (self.position, self.updated_us, self.snapshot)

        def undo() -> None:
            del segments[counts[0] :], bars[counts[1] :]
            self.segments, self.bars = segments, bars
            self.position, self.updated_us, self.snapshot = rest

        return undo


class MemoryStore(CheckpointStore):
    """Keep everything in this process's memory: nothing survives the process.

    ``continues`` is a closed :class:`MemoryStore` whose content this one takes over, which is how a test restarts.
    Recorded bars stay in memory too; for a long recording use :class:`SqliteStore`.

    Example::

        async with MemoryStore() as store, open_stream("BTCUSDT", store=store) as bars: ...
    """

    def __init__(self, *, continues: MemoryStore | None = None) -> None:
        self._lanes: dict[LaneKey, _Lane] = {} if continues is None else continues._lanes
        self._openings: dict[int, frozenset[LaneKey]] = {}
        self._closed = False
        self._pid = os.getpid()

    async def open(self, lanes: Collection[LaneKey]) -> int:
        await self._enter()
        wanted = frozenset(lanes)
        held: frozenset[LaneKey] = frozenset().union(*self._openings.values())
        for lane in sorted(wanted & held):
            raise _rules.lane_taken(lane)

        epoch = 1 + max((state.epoch for state in self._lanes.values()), default=0)
        for lane in wanted:
            self._lanes.setdefault(lane, _Lane()).epoch = epoch

        self._openings[epoch] = wanted
        return epoch

    async def load(self, epoch: int, wanted: LaneFormat) -> Mapping[LaneKey, Checkpoint]:
        await self._enter()
        if epoch not in self._openings:
            raise StoreError(f"epoch {epoch} is not open in this store")

        found = {}
        for lane in sorted(self._openings[epoch]):
            known = _checkpoint(lane, self._lanes[lane])
            if known is not None:
                check_format(lane, known.format, wanted)
                found[lane] = known

        return found

    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        await self._enter()
        lanes = {change.lane for change in changes}
        if not all(lane in self._lanes and self._lanes[lane].epoch == epoch for lane in lanes):
            return False

        undos = [self._lanes[lane].mark() for lane in lanes]
        try:
            for change in changes:
                _APPLY[type(change)](self._lanes[change.lane], change)
        except BaseException:
            for undo in undos:
                undo()

            raise

        return True

    def release(self, epoch: int) -> None:
        self._openings.pop(epoch, None)

    async def lanes(self) -> Sequence[LaneStatus]:
        await self._enter()
        return [_status(lane, state) for lane, state in sorted(self._lanes.items()) if state.segments]

    async def segments(self, lane: LaneKey) -> Sequence[Segment]:
        await self._enter()
        return list(self._lanes[lane].segments) if lane in self._lanes else []

    async def bars(self, lane: LaneKey, *, after_id: int = -1, limit: int = 1000) -> Sequence[StoredBar]:
        await self._enter()
        bars = self._lanes[lane].bars if lane in self._lanes else []
        start = bisect_right(bars, after_id, key=_first_id)
        return bars[start : start + limit]

    async def aclose(self, *, deadline_s: float = CLOSE_DEADLINE_S) -> None:  # noqa: ARG002 - nothing to wait for
        _forks.check_process(self._pid)
        self._closed = True
        self._openings.clear()
        await checkpoint()

    async def _enter(self) -> None:
        await checkpoint()
        _forks.check_process(self._pid)
        if self._closed:
            raise anyio.ClosedResourceError


def _first_id(bar: StoredBar) -> int:
    return bar.first_agg_trade_id


def _checkpoint(lane: LaneKey, state: _Lane) -> Checkpoint | None:
    if not state.segments or state.position is None:
        return None

    notes: tuple[StoreNote, ...] = ()
    snapshot = state.snapshot
    if snapshot is not None and snapshot.follows != state.position:
        text = f"it follows {_rules.name(snapshot.follows)}, the position is {_rules.name(state.position)}"
        notes, snapshot = (StoreNote("snapshot-stale", lane, text),), None

    now = state.segments[-1]
    last_bar = state.bars[-1] if state.bars else None
    return Checkpoint(lane, now.format, now.number, now.origin, state.position, snapshot, last_bar, notes)


def _status(lane: LaneKey, state: _Lane) -> LaneStatus:
    close_us = state.bars[-1].close_time_us if state.bars else None
    return LaneStatus(lane, _checkpoint(lane, state), len(state.bars), close_us, state.updated_us)


def _begin(state: _Lane, change: BeginSegment) -> None:
    if state.segments and state.position is not None:
        now = state.segments[-1]
        if not _rules.begins_again(change, now.format, now.origin, state.position):
            return

    keep = bisect_right(state.bars, change.origin.order, key=lambda bar: bar.last_agg_trade_id)
    replaced = len(state.bars) - keep
    if replaced and not change.replace:
        _rules.refuse_overlap(change, state.bars[-1].last_agg_trade_id)

    number, now_us = len(state.segments) + 1, time_ns() // 1000
    first_id = state.bars[keep].first_agg_trade_id if replaced else None
    state.bars = state.bars[:keep] if replaced else state.bars
    state.segments.append(
        Segment(change.lane, number, change.format, change.origin, state.position, replaced, now_us, first_id)
    )
    state.position, state.snapshot, state.updated_us = change.origin, None, now_us


def _save_position(state: _Lane, change: SavePosition) -> None:
    _raise_position(change.lane, state, change.position)


def _raise_position(lane: LaneKey, state: _Lane, position: Position) -> None:
    if state.position is None:
        raise _rules.no_origin(lane)

    if position.order > state.position.order:
        state.position, state.updated_us = position, time_ns() // 1000


def _save_snapshot(state: _Lane, change: SaveSnapshot) -> None:
    if state.position is None:
        raise _rules.no_origin(change.lane)

    if change.snapshot.follows == state.position:
        state.snapshot = change.snapshot


def _record(state: _Lane, change: RecordBars) -> None:
    if state.position is None:
        raise _rules.no_origin(change.lane)

    for bar in change.bars:
        at = bisect_left(state.bars, bar.first_agg_trade_id + 1, key=_first_id)
        before = state.bars[at - 1] if at else None
        after = state.bars[at] if at < len(state.bars) else None
        if _rules.check_bar(change.lane, bar, state.segments[-1].origin, before, after):
            if after is not None:
                state.bars = [*state.bars[:at], bar, *state.bars[at:]]
            else:
                state.bars.append(bar)

        _raise_position(change.lane, state, bar.position)


_APPLY: dict[type[Change], Callable[[_Lane, Any], None]] = {
    BeginSegment: _begin,
    SavePosition: _save_position,
    SaveSnapshot: _save_snapshot,
    RecordBars: _record,
}

__all__ = ("MemoryStore",)
