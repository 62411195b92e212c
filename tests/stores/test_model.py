"""One random program, three stores: in memory, in SQLite, and a model made of nothing but dictionaries."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import anyio
import hypothesis.strategies as st
from anyio.from_thread import start_blocking_portal
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rangebar_anyio._errors import CheckpointMismatchError, RangeBarError, StoreError
from rangebar_anyio._stores import (
    BeginSegment,
    Change,
    CheckpointStore,
    LaneFormat,
    LaneKey,
    MemoryStore,
    Position,
    RecordBars,
    SavePosition,
    SaveSnapshot,
    Snapshot,
    SqliteStore,
    StoredBar,
)
from rangebar_anyio.testing._store_conformance import bar, position

LANES = [LaneKey("default", "binance-spot", symbol, threshold) for symbol in ("A", "B") for threshold in (1, 2)]
FORMATS = [LaneFormat("us", True, 1), LaneFormat("ms", True, 1)]

lanes = st.sampled_from(LANES)
positions = st.integers(-1, 40).map(position) | st.builds(Position, st.just(b"another"), st.integers(-1, 40))
bars = st.tuples(st.integers(0, 40), st.integers(0, 6), st.sampled_from([100, 101])).map(
    lambda t: bar(t[0], t[0] + t[1], t[2])
)
snapshots = st.builds(Snapshot, positions, st.integers(0, 50), st.just(0), st.just(1), st.binary(max_size=3))
changes: st.SearchStrategy[Change] = st.one_of(
    st.builds(BeginSegment, lanes, st.sampled_from(FORMATS), positions, st.booleans(), st.booleans()),
    st.builds(SavePosition, lanes, positions),
    st.builds(SaveSnapshot, lanes, snapshots),
    st.builds(RecordBars, lanes, st.lists(bars, max_size=4).map(tuple)),
)


@dataclass
class Lane:
    epoch: int = 0
    segments: list[tuple[LaneFormat, Position, Position | None, int, int | None]] = field(default_factory=list)
    position: Position | None = None
    snapshot: Snapshot | None = None
    bars: dict[int, StoredBar] = field(default_factory=dict)


class Refused(Exception):
    pass


class Model:
    """The contract once more, written for being obviously right."""

    def __init__(self) -> None:
        self.lanes = {lane: Lane() for lane in LANES}
        self.epoch = 0

    def open(self, wanted: set[LaneKey]) -> int:
        self.epoch += 1
        for lane in wanted:
            self.lanes[lane].epoch = self.epoch

        return self.epoch

    def commit(self, epoch: int, wanted: list[Change]) -> bool:
        if any(self.lanes[change.lane].epoch != epoch for change in wanted):
            return False

        before = deepcopy(self.lanes)
        try:
            for change in wanted:
                self.apply(self.lanes[change.lane], change)
        except Refused:
            self.lanes = before
            raise

        return True

    def apply(self, lane: Lane, change: Change) -> None:
        if isinstance(change, BeginSegment):
            self.begin(lane, change)
        elif lane.position is None:
            raise Refused
        elif isinstance(change, SavePosition):
            self.finish(lane, change.position)
        elif isinstance(change, SaveSnapshot):
            lane.snapshot = change.snapshot if change.snapshot.follows == lane.position else lane.snapshot
        else:
            for new in change.bars:
                self.record(lane, new)

    def begin(self, lane: Lane, change: BeginSegment) -> None:
        if lane.segments:
            lane_format, origin, *_ = lane.segments[-1]
            if (lane_format, origin, lane.position) == (change.format, change.origin, change.origin):
                return

            if not change.restart:
                raise Refused

        above = [first for first, old in lane.bars.items() if old.last_agg_trade_id > change.origin.order]
        if above and not change.replace:
            raise Refused

        for first in above:
            del lane.bars[first]

        lane.segments.append((change.format, change.origin, lane.position, len(above), min(above, default=None)))
        lane.position, lane.snapshot = change.origin, None

    def finish(self, lane: Lane, new: Position) -> None:
        assert lane.position is not None
        if new.order > lane.position.order:
            lane.position = new

    def record(self, lane: Lane, new: StoredBar) -> None:
        first = new.first_agg_trade_id
        if lane.bars.get(first) != new:
            ids = set(range(first, new.last_agg_trade_id + 1))
            taken = {i for old in lane.bars.values() for i in range(old.first_agg_trade_id, old.last_agg_trade_id + 1)}
            if ids & taken or first <= lane.segments[-1][1].order:
                raise Refused

            lane.bars[first] = new

        self.finish(lane, new.position)

    def view(self) -> dict[LaneKey, Any]:
        return {
            lane: (
                state.position,
                state.snapshot if state.snapshot and state.snapshot.follows == state.position else None,
                state.segments,
                [state.bars[first] for first in sorted(state.bars)],
            )
            for lane, state in self.lanes.items()
            if state.segments
        }


async def view(store: CheckpointStore) -> dict[LaneKey, Any]:
    result = {}
    for status in await store.lanes():
        known = status.checkpoint
        assert known is not None
        segments = await store.segments(status.lane)
        recorded = list(await store.bars(status.lane))
        assert (known.segment, known.origin, known.format) == (
            segments[-1].number,
            segments[-1].origin,
            segments[-1].format,
        )
        assert status.bars == len(recorded)
        assert known.last_bar == (recorded[-1] if recorded else None)
        rows = [(s.format, s.origin, s.previous, s.replaced_bars, s.replaced_from) for s in segments]
        result[status.lane] = (known.position, known.snapshot, rows, recorded)

    return result


class Stores(RuleBasedStateMachine):
    backend = "asyncio"

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp())
        self.context = start_blocking_portal(self.backend)
        self.portal = self.context.__enter__()
        self.model = Model()
        self.memory = MemoryStore()
        self.sqlite = SqliteStore(self.folder / "s.db")
        self.held: dict[int, set[LaneKey]] = {}
        self.epochs: list[int] = []

    def both(self, call: Callable[[CheckpointStore], Any]) -> Any:
        """Ask both stores for the same; they give the same answer or the same kind of refusal, in the same words."""
        first, second = (self.portal.call(_outcome, call, store) for store in (self.memory, self.sqlite))
        assert first == second
        return first

    @initialize()
    def begin(self) -> None:
        self.open(set(LANES))

    @rule(wanted=st.sets(lanes, min_size=1))
    def open(self, wanted: set[LaneKey]) -> None:
        kind, value = self.both(lambda store: store.open(wanted))
        if any(wanted & held for held in self.held.values()):
            assert kind is StoreError
        else:
            assert (kind, value) == (None, self.model.open(wanted))
            self.held[value] = wanted
            self.epochs.append(value)

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        epoch = data.draw(st.sampled_from(self.epochs))
        self.held.pop(epoch, None)
        for store in (self.memory, self.sqlite):
            self.portal.call(store.release, epoch)

    @rule(data=st.data(), wanted=st.lists(changes, max_size=4))
    def commit(self, data: st.DataObject, wanted: list[Change]) -> None:
        self.attempt(data.draw(st.sampled_from(self.epochs)), wanted)

    @rule(change=changes)
    def commit_one_as_its_owner(self, change: Change) -> None:
        self.attempt(self.model.lanes[change.lane].epoch, [change])

    @rule(lane=lanes, lengths=st.lists(st.integers(1, 4), min_size=1, max_size=3))
    def record_the_next(self, lane: LaneKey, lengths: list[int]) -> None:
        start = self.model.lanes[lane].position
        at = start.order if start else -1
        tape = []
        for length in lengths:
            tape.append(bar(at + 1, at + length))
            at += length

        self.attempt(self.model.lanes[lane].epoch, [RecordBars(lane, tuple(tape))])

    @rule(lane=lanes, step=st.integers(-1, 1))
    def finish_about_where_it_stands(self, lane: LaneKey, step: int) -> None:
        now = self.model.lanes[lane].position
        if now is not None and now.order + step >= -1:
            self.attempt(self.model.lanes[lane].epoch, [SavePosition(lane, Position(b"again", now.order + step))])

    @rule(lane=lanes, data=st.binary(max_size=3))
    def snapshot_that_follows(self, lane: LaneKey, data: bytes) -> None:
        follows = self.model.lanes[lane].position
        if follows is not None:
            change = SaveSnapshot(lane, Snapshot(follows, follows.order + 1, 0, 1, data))
            self.attempt(self.model.lanes[lane].epoch, [change])

    def attempt(self, epoch: int, wanted: list[Change]) -> None:
        kind, value = self.both(lambda store: store.commit(epoch, wanted))
        try:
            assert (kind, value) == (None, self.model.commit(epoch, wanted))
        except Refused:
            assert kind in (StoreError, CheckpointMismatchError)

    @rule(data=st.data(), wanted=st.sampled_from(FORMATS))
    def load(self, data: st.DataObject, wanted: LaneFormat) -> None:
        epoch = data.draw(st.sampled_from(self.epochs))
        kind, _ = self.both(lambda store: store.load(epoch, wanted))
        if epoch not in self.held:
            assert kind is StoreError
        else:
            stored = {
                self.model.lanes[lane].segments[-1][0] for lane in self.held[epoch] if self.model.lanes[lane].segments
            }
            assert kind is (None if stored <= {wanted} else CheckpointMismatchError)

    @rule()
    def close_and_open_again(self) -> None:
        self.portal.call(self.sqlite.aclose)
        self.portal.call(self.memory.aclose)
        self.memory = MemoryStore(continues=self.memory)
        self.sqlite = SqliteStore(self.folder / "s.db")
        self.held.clear()

    @invariant()
    def all_three_hold_the_same(self) -> None:
        expected = self.model.view()
        assert self.portal.call(view, self.memory) == expected
        assert self.portal.call(view, self.sqlite) == expected

    def teardown(self) -> None:
        self.portal.call(self.sqlite.aclose)
        self.context.__exit__(None, None, None)
        shutil.rmtree(self.folder)


async def _outcome(call: Callable[[CheckpointStore], Any], store: CheckpointStore) -> tuple[Any, Any]:
    try:
        with anyio.fail_after(100):
            return None, await call(store)
    except RangeBarError as error:
        return type(error), getattr(replace_store(error), "args", ())


def replace_store(error: RangeBarError) -> RangeBarError:
    """Take the name of the store out of an error: the two differ in nothing else."""
    return StoreError(error.problem, remedy=error.remedy) if isinstance(error, StoreError) else error


class StoresOnTrio(Stores):
    backend = "trio"


TestStores = Stores.TestCase
TestStores.settings = settings(settings(), stateful_step_count=25)
TestStoresOnTrio = StoresOnTrio.TestCase
TestStoresOnTrio.settings = settings(settings(), stateful_step_count=15, max_examples=15)


def test_the_model_is_not_the_stores() -> None:
    """Changing the model's rule is noticed: the machine really compares."""
    model = Model()
    epoch = model.open(set(LANES))
    model.commit(epoch, [BeginSegment(LANES[0], FORMATS[0], position(3)), RecordBars(LANES[0], (bar(4, 6),))])
    changed = deepcopy(model)
    changed.lanes[LANES[0]].position = replace(position(6), data=b"x")
    assert model.view() != changed.view()
