"""A check that any :class:`CheckpointStore` can be held against: one small function per clause of its contract."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

import anyio

from rangebar_anyio._errors import CheckpointMismatchError, StoreError
from rangebar_anyio._stores import (
    BeginSegment,
    Change,
    CheckpointStore,
    LaneFormat,
    LaneKey,
    Position,
    RecordBars,
    SavePosition,
    SaveSnapshot,
    Snapshot,
    StoredBar,
    pack_bar,
)

Maker: TypeAlias = Callable[[], CheckpointStore]
Reopener: TypeAlias = Callable[[CheckpointStore], CheckpointStore]
_Clause: TypeAlias = Callable[[Maker], Awaitable[None]]

LANE = LaneKey("default", "binance-spot", "BTCUSDT", 250)
OTHER = LaneKey("default", "binance-spot", "BTCUSDT", 25)
FORMAT = LaneFormat("us", same_timestamp_gate=True, rule_version=1)
ORIGIN = Position(b"origin", 99, "id 99")
BEGIN = BeginSegment(LANE, FORMAT, ORIGIN)


async def check_checkpoint_store(maker: Maker, *, reopen: Reopener | None = None) -> None:
    """Hold a store against the contract of :class:`CheckpointStore`.

    ``maker()`` gives a new, empty store each time it is called. ``reopen(store)`` gives another store on what a
    closed one left behind; with it, what survives a restart is checked too. Raises :exc:`AssertionError` naming the
    clause that does not hold. Run it on every event loop that the store is for.

    Example::

        @pytest.mark.anyio
        async def test_contract(tmp_path):
            paths = (tmp_path / f"{n}.db" for n in itertools.count())
            await check_checkpoint_store(lambda: SqliteStore(next(paths)), reopen=lambda old: SqliteStore(old.path))
    """
    for clause in _CLAUSES:
        await clause(maker)

    if reopen is not None:
        await _survives_closing(maker, reopen)
        await _epoch_survives_closing(maker, reopen)


def position(order: int) -> Position:
    """Give some position."""
    return Position(b"p%d" % order, order, f"id {order}")


def bar(first_id: int, last_id: int, close_e8: int = 100) -> StoredBar:
    """Give a bar over a range of ids."""
    fields = dict.fromkeys(("open_e8", "high_e8", "low_e8"), 100) | {"close_e8": close_e8, "volume_e8": 2**65 + 1}
    fields |= {"open_time_us": first_id, "close_time_us": last_id, "turnover_e16": 1, "missing_trades": 0}
    fields |= dict.fromkeys(("buy_volume_e8", "buy_turnover_e16", "buy_trade_count"), 0)
    fields |= dict.fromkeys(("individual_trade_count", "agg_record_count"), last_id - first_id + 1)
    fields |= {"first_trade_id": first_id, "last_trade_id": last_id}
    fields |= {"first_agg_trade_id": first_id, "last_agg_trade_id": last_id}
    return StoredBar(pack_bar(fields), position(last_id))


def _require(holds: bool, clause: str) -> None:
    if not holds:
        raise AssertionError(f"the store breaks its contract: {clause}")


async def _refused(store: CheckpointStore, epoch: int, changes: list[Change], clause: str) -> None:
    try:
        await store.commit(epoch, changes)
    except StoreError:
        return

    raise AssertionError(f"the store breaks its contract: {clause}")


async def _stored(store: CheckpointStore, lane: LaneKey = LANE) -> Position | None:
    for status in await store.lanes():
        if status.lane == lane and status.checkpoint is not None:
            return status.checkpoint.position

    return None


async def _unknown_lane(maker: Maker) -> None:
    async with maker() as store:
        epoch = await store.open([LANE])
        _require(dict(await store.load(epoch, FORMAT)) == {}, "load leaves an unknown lane out")
        clause = "a position of a lane without an origin is refused"
        await _refused(store, epoch, [SavePosition(LANE, position(100))], clause)
        await _refused(store, epoch, [RecordBars(LANE, (bar(100, 101),))], "so are its bars")
        await _refused(store, epoch, [SaveSnapshot(LANE, Snapshot(ORIGIN, 105, 0, 1, b""))], "so are its snapshots")


async def _unopened_lane(maker: Maker) -> None:
    async with maker() as store:
        clause = "a commit for a lane that was never opened under this epoch returns False"
        begins: list[Change] = [BEGIN, replace(BEGIN, lane=OTHER)]
        for epoch in (0, 1):
            _require(await store.commit(epoch, [BEGIN]) is False, clause)

        epoch = await store.open([LANE])
        _require(await store.commit(epoch, begins) is False, clause)
        _require(await store.commit(epoch + 1, [BEGIN]) is False, clause)
        _require(list(await store.lanes()) == [], "and nothing of it is written")
        store.release(epoch + 1)
        _require(await store.commit(epoch, [BEGIN]) is True, "releasing an unknown epoch does nothing")


async def _loads_what_was_committed(maker: Maker) -> None:
    async with maker() as store:
        epoch = await store.open([LANE, OTHER])
        changes: list[Change] = [BEGIN, BeginSegment(OTHER, FORMAT, position(-1)), SavePosition(OTHER, position(7))]
        _require(await store.commit(epoch, changes) is True, "a commit under the lanes' epoch returns True")
        found = await store.load(epoch, FORMAT)
        _require(set(found) == {LANE, OTHER}, "load returns every known lane of the opening")
        mine, other = found[LANE], found[OTHER]
        _require(mine.position == mine.origin == ORIGIN, "the position is the origin before the first finished bar")
        _require((other.origin, other.position) == (position(-1), position(7)), "one commit carries several lanes")
        _require(mine.format == FORMAT and mine.segment == 1, "format and segment number are kept")
        _require([s.lane for s in await store.lanes()] == [OTHER, LANE], "lanes() gives every lane in the keys' order")


async def _never_lowers(maker: Maker) -> None:
    async with maker() as store:
        epoch = await store.open([LANE])
        await store.commit(epoch, [BEGIN, SavePosition(LANE, position(200))])
        await store.commit(epoch, [SavePosition(LANE, position(150))])
        _require(await _stored(store) == position(200), "a write never lowers a position")
        await store.commit(epoch, [SavePosition(LANE, replace(position(200), data=b"other"))])
        _require(await _stored(store) == position(200), "an equal order does not replace a position")
        await store.commit(epoch, [RecordBars(LANE, (bar(110, 120),))])
        _require(await _stored(store) == position(200), "recording never lowers a position")
        stale = SaveSnapshot(LANE, Snapshot(position(150), 160, 0, 1, b""))
        await store.commit(epoch, [SavePosition(LANE, position(150)), stale, RecordBars(LANE, (bar(210, 220),))])
        _require(len(await store.bars(LANE)) == 2, "what is left out of a commit stops none of its other changes")


async def _everything_again(maker: Maker) -> None:
    snapshot = SaveSnapshot(LANE, Snapshot(position(110), 115, 0, 1, b"forming"))
    changes: list[Change] = [RecordBars(LANE, (bar(100, 110),)), SavePosition(LANE, position(110)), snapshot]
    async with maker() as store:
        epoch = await store.open([LANE])
        await store.commit(epoch, [BEGIN, *changes])
        once = await _everything(store, epoch)
        await store.commit(epoch, changes)
        _require(await _everything(store, epoch) == once, "equal changes again change nothing")


async def _everything(store: CheckpointStore, epoch: int) -> tuple[object, ...]:
    return await store.load(epoch, FORMAT), list(await store.segments(LANE)), list(await store.bars(LANE))


async def _old_epoch(maker: Maker) -> None:
    async with maker() as store:
        old = await store.open([LANE])
        await store.commit(old, [BEGIN])
        store.release(old)
        new = await store.open([LANE, OTHER])
        _require(new > old, "each opening takes a higher epoch")
        written = await store.commit(old, [SavePosition(LANE, position(200))])
        _require(written is False, "a commit under an old epoch returns False")
        _require(await _stored(store) == ORIGIN, "a write under an old epoch does nothing")
        await store.commit(new, [BeginSegment(OTHER, FORMAT, ORIGIN)])
        store.release(new)
        third = await store.open([LANE])
        both = [SavePosition(OTHER, position(300)), SavePosition(LANE, position(300))]
        _require(await store.commit(new, both) is False, "one old lane is enough for False")
        _require(await _stored(store, OTHER) == ORIGIN, "with one old lane nothing of the commit is written")
        store.release(third)
        store.release(third)


async def _one_opening_a_lane(maker: Maker) -> None:
    async with maker() as store:
        epoch = await store.open([LANE])
        try:
            await store.open([OTHER, LANE])
        except StoreError:
            pass
        else:
            raise AssertionError("the store breaks its contract: a lane belongs to one opening at a time")

        _require(await store.open([OTHER]) > epoch, "a refused opening claims no lane")
        written = await store.commit(epoch, [BEGIN])
        _require(written, "a refused opening does not take the lane's epoch")
        store.release(epoch)
        _require(await store.open([LANE]) > epoch, "a released lane can be opened again")


async def _mismatch(maker: Maker) -> None:
    async with maker() as store:
        epoch = await store.open([LANE])
        await store.commit(epoch, [BEGIN])
        unlike = (
            replace(FORMAT, time_unit="ms"),
            replace(FORMAT, same_timestamp_gate=False),
            replace(FORMAT, rule_version=2),
        )
        for wanted in unlike:
            await _mismatches(store.load(epoch, wanted), wanted)

        found = await store.load(epoch, replace(FORMAT, time_unit=None))
        _require(LANE in found, "a wanted time unit of None fits")


async def _mismatches(call: Awaitable[object], wanted: LaneFormat) -> None:
    try:
        await call
    except CheckpointMismatchError as error:
        _require(error.stored != error.found, "a mismatch names both values")
        return

    raise AssertionError(f"the store breaks its contract: {wanted} does not fit {FORMAT}")


async def _lanes_are_apart(maker: Maker) -> None:
    """Another reader, venue, symbol or threshold is another lane: no error, and nothing in common."""
    others = [
        replace(LANE, reader="record"),
        replace(LANE, venue="binance-usdm"),
        replace(LANE, venue="binance-spot@127.0.0.1:1"),
        replace(LANE, symbol="ETHUSDT"),
        replace(LANE, threshold_dbps=25),
    ]
    async with maker() as store:
        epoch = await store.open([LANE, *others])
        await store.commit(epoch, [BEGIN, RecordBars(LANE, (bar(100, 110),))])
        _require(set(await store.load(epoch, FORMAT)) == {LANE}, "lanes share nothing but the store")
        begins = [replace(BEGIN, lane=lane, format=replace(FORMAT, time_unit="ms")) for lane in others]
        await store.commit(epoch, [*begins, *(SavePosition(lane, position(500)) for lane in others)])
        _require(await _stored(store) == position(110), "one lane never moves another one")
        _require(all([await _stored(store, lane) == position(500) for lane in others]), "each has its own position")


async def _origin_again(maker: Maker) -> None:
    async with maker() as store:
        epoch = await store.open([LANE])
        await store.commit(epoch, [BEGIN])
        await store.commit(epoch, [BEGIN])
        _require(len(await store.segments(LANE)) == 1, "the same origin again is nothing")
        clause = "another origin for a known lane needs restart"
        await _refused(store, epoch, [replace(BEGIN, origin=position(500))], clause)
        other = replace(FORMAT, rule_version=2)
        await _mismatches(store.commit(epoch, [replace(BEGIN, format=other)]), other)
        await store.commit(epoch, [SavePosition(LANE, position(200))])
        await _refused(store, epoch, [BEGIN], "an origin that the lane has left behind needs restart")
        _require(await _stored(store) == position(200), "a refused origin changes nothing")


async def _restart(maker: Maker) -> None:
    async with maker() as store:
        epoch = await store.open([LANE])
        await store.commit(epoch, [BEGIN, SavePosition(LANE, position(200))])
        await store.commit(epoch, [replace(BEGIN, origin=position(300), restart=True)])
        await store.commit(epoch, [replace(BEGIN, origin=position(250), restart=True)])
        _require(await _stored(store) == position(250), "a restart sets the position to the new origin, also downwards")
        first, second, third = await store.segments(LANE)
        _require(
            (first.skipped, first.repeated, first.previous) == (None, None, None), "the first segment skips nothing"
        )
        _require((second.skipped, second.repeated) == ((201, 300), None), "a restart upwards names the skipped ids")
        _require((third.skipped, third.repeated) == (None, (251, 300)), "a restart downwards names the repeated ids")
        await store.commit(epoch, [replace(BEGIN, origin=position(250), restart=True)])
        _require(len(await store.segments(LANE)) == 3, "the same restart again, with nothing after it, is nothing")
        other = replace(BEGIN, origin=position(250), format=replace(FORMAT, time_unit="ms"), restart=True)
        await store.commit(epoch, [other])
        _require((await store.load(epoch, other.format))[LANE].format == other.format, "a restart overrides a mismatch")


async def _snapshots(maker: Maker) -> None:
    async with maker() as store:
        epoch = await store.open([LANE])
        await store.commit(epoch, [BEGIN])
        at_origin = Snapshot(ORIGIN, 105, 0, 1, b"forming")
        await store.commit(epoch, [SaveSnapshot(LANE, at_origin)])
        _require((await store.load(epoch, FORMAT))[LANE].snapshot == at_origin, "a fitting snapshot is kept")
        await store.commit(epoch, [SaveSnapshot(LANE, replace(at_origin, follows=position(200)))])
        _require((await store.load(epoch, FORMAT))[LANE].snapshot == at_origin, "one that does not follow is dropped")
        await store.commit(epoch, [SavePosition(LANE, position(200))])
        found = (await store.load(epoch, FORMAT))[LANE]
        _require(found.snapshot is None, "a snapshot is used only while it follows the stored position")
        newer = Snapshot(position(200), 250, 3, 1, b"\0\xff")
        await store.commit(epoch, [SaveSnapshot(LANE, newer)])
        _require((await store.load(epoch, FORMAT))[LANE].snapshot == newer, "a snapshot comes back exactly")
        await store.commit(epoch, [replace(BEGIN, origin=position(200), restart=True)])
        found = (await store.load(epoch, FORMAT))[LANE]
        _require(found.snapshot is None, "a new segment has no snapshot")


async def _recording(maker: Maker) -> None:
    async with maker() as store:
        epoch = await store.open([LANE])
        await store.commit(epoch, [BEGIN])
        tape = [bar(100, 105), bar(106, 106), bar(108, 130)]
        await store.commit(epoch, [RecordBars(LANE, tuple(tape))])
        _require(list(await store.bars(LANE)) == tape, "recorded bars come back exactly, in order")
        _require(await _stored(store) == position(130), "recording a bar moves the position with it")
        await store.commit(epoch, [RecordBars(LANE, (tape[2],)), RecordBars(LANE, (bar(131, 140),))])
        _require(list(await store.bars(LANE)) == [*tape, bar(131, 140)], "an equal bar again is nothing")
        _require(list(await store.bars(LANE, limit=2)) == tape[:2], "bars() returns no more than the limit")
        page = await store.bars(LANE, after_id=106, limit=1)
        _require(list(page) == [tape[2]], "bars() goes on after an id")
        last = (await store.load(epoch, FORMAT))[LANE].last_bar
        _require(last == bar(131, 140), "a checkpoint names the last recorded bar")
        _require([s.bars for s in await store.lanes()] == [4], "lanes() counts the bars")
        _require(list(await store.bars(OTHER)) == [], "another lane has bars of its own")


async def _recording_refuses(maker: Maker) -> None:
    async with maker() as store:
        epoch = await store.open([LANE])
        await store.commit(epoch, [BEGIN, RecordBars(LANE, (bar(110, 120),))])
        await _refused(
            store, epoch, [RecordBars(LANE, (bar(110, 120, 101),))], "an unlike bar under one key is an error"
        )
        for first, last in ((111, 115), (105, 110), (120, 130), (105, 130)):
            await _refused(store, epoch, [RecordBars(LANE, (bar(first, last),))], "bars of a lane never overlap")

        await _refused(store, epoch, [RecordBars(LANE, (bar(99, 100),))], "a bar begins after the origin")
        _require(list(await store.bars(LANE)) == [bar(110, 120)], "a refused bar changes nothing")


async def _all_or_nothing(maker: Maker) -> None:
    async with maker() as store:
        epoch = await store.open([LANE, OTHER])
        await store.commit(epoch, [BEGIN, RecordBars(LANE, (bar(110, 120),))])
        changes: list[Change] = [
            BeginSegment(OTHER, FORMAT, ORIGIN),
            SavePosition(LANE, position(500)),
            RecordBars(LANE, (bar(600, 610), bar(110, 120, 101))),
        ]
        await _refused(store, epoch, changes, "an unlike bar under one key is an error")
        _require(await _stored(store, OTHER) is None, "a refused commit writes nothing of another lane")
        _require(await _stored(store) == position(120), "a refused commit moves no position")
        _require(list(await store.bars(LANE)) == [bar(110, 120)], "a refused commit records no bar")


async def _replacing(maker: Maker) -> None:
    async with maker() as store:
        epoch = await store.open([LANE])
        tape = (bar(100, 105), bar(106, 110), bar(111, 130))
        await store.commit(epoch, [BEGIN, RecordBars(LANE, tape)])
        again = replace(BEGIN, origin=position(107), restart=True)
        await _refused(store, epoch, [again], "a segment at or below recorded ids needs replace")
        _require(list(await store.bars(LANE)) == list(tape), "a refused restart deletes nothing")
        await store.commit(epoch, [replace(again, replace=True)])
        _require(list(await store.bars(LANE)) == [tape[0]], "replace deletes every bar that reaches above the origin")
        now = (await store.segments(LANE))[-1]
        _require(now.replaced_bars == 2, "the segment counts the replaced bars")
        clause = "a segment that begins within a replaced bar skips that bar's head and repeats the rest"
        _require((now.skipped, now.repeated) == ((106, 107), (108, 130)), clause)
        await store.commit(epoch, [RecordBars(LANE, (bar(108, 111),))])
        _require(list(await store.bars(LANE)) == [tape[0], bar(108, 111)], "the new bars take their place")
        await store.commit(epoch, [replace(BEGIN, origin=position(107), restart=True, replace=True)])
        now = (await store.segments(LANE))[-1]
        _require((now.skipped, now.repeated) == (None, (108, 111)), "one that begins where a bar begins skips nothing")


async def _cancelled(maker: Maker) -> None:
    """A cancelled call leaves a usable store; whether it wrote is open, but never half and never by an old epoch."""
    async with maker() as store:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await store.open([LANE])

        _require(scope.cancelled_caught, "open is a checkpoint")
        epoch = await store.open([LANE])
        await store.commit(epoch, [BEGIN])
        with anyio.CancelScope() as scope:
            scope.cancel()
            await store.commit(epoch, [SavePosition(LANE, position(150)), RecordBars(LANE, (bar(140, 160),))])

        _require(scope.cancelled_caught, "commit is a checkpoint")
        await store.commit(epoch, [SavePosition(LANE, position(200))])
        _require(await _stored(store) == position(200), "a store is usable after a cancelled call")
        _require(list(await store.bars(LANE)) in ([], [bar(140, 160)]), "a cancelled commit happens or does not")
        reads = (lambda: store.load(epoch, FORMAT), lambda: store.bars(LANE), lambda: store.segments(LANE))
        for call in (store.lanes, *reads):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await call()

            _require(scope.cancelled_caught, "every method is a checkpoint")


async def _closed(maker: Maker) -> None:
    store = maker()
    epoch = await store.open([LANE])
    await store.aclose()
    await store.aclose()
    store.release(epoch)
    reads = (lambda: store.load(epoch, FORMAT), lambda: store.bars(LANE), lambda: store.segments(LANE))
    for call in (lambda: store.open([LANE]), lambda: store.commit(epoch, [BEGIN]), store.lanes, *reads):
        try:
            await call()
        except anyio.ClosedResourceError:
            continue

        raise AssertionError("the store breaks its contract: a closed store raises ClosedResourceError")


async def _survives_closing(maker: Maker, reopen: Reopener) -> None:
    snapshot = Snapshot(position(120), 125, 0, 1, b"forming")
    store = maker()
    epoch = await store.open([LANE])
    await store.commit(epoch, [BEGIN, RecordBars(LANE, (bar(100, 120),)), SaveSnapshot(LANE, snapshot)])
    before, segments = await store.lanes(), await store.segments(LANE)
    await store.aclose()
    async with reopen(store) as again:
        _require(list(await again.lanes()) == list(before), "a checkpoint survives closing")
        _require(list(await again.segments(LANE)) == list(segments), "segments survive closing")
        _require(list(await again.bars(LANE)) == [bar(100, 120)], "recorded bars survive closing")
        found = (await again.load(await again.open([LANE]), FORMAT))[LANE]
        _require((found.position, found.snapshot) == (position(120), snapshot), "position and snapshot survive closing")


async def _epoch_survives_closing(maker: Maker, reopen: Reopener) -> None:
    store = maker()
    old = await store.open([LANE])
    await store.aclose()
    async with reopen(store) as again:
        new = await again.open([LANE])
        _require(new > old, "an epoch is never used again, also after a restart")
        _require(await again.commit(old, [BEGIN]) is False, "an epoch from before a restart writes nothing")


_CLAUSES: tuple[_Clause, ...] = (
    _unknown_lane,
    _loads_what_was_committed,
    _never_lowers,
    _everything_again,
    _old_epoch,
    _unopened_lane,
    _one_opening_a_lane,
    _mismatch,
    _lanes_are_apart,
    _origin_again,
    _restart,
    _snapshots,
    _recording,
    _recording_refuses,
    _all_or_nothing,
    _replacing,
    _cancelled,
    _closed,
)

__all__ = ("BEGIN", "FORMAT", "LANE", "ORIGIN", "OTHER", "bar", "check_checkpoint_store", "position")
