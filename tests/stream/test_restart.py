"""A program ends and starts again with the same store: after any bar, in any way, with any store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from rangebar_anyio import (
    Bar,
    CheckpointMismatchError,
    CheckpointStore,
    MemoryStore,
    SessionConfig,
    SqliteStore,
    StoreError,
    open_stream,
    record,
)
from rangebar_anyio._events import PositionForgotten, SnapshotIgnored
from rangebar_anyio._stores import BeginSegment, Change, LaneFormat, LaneKey, Position, SaveSnapshot, Snapshot
from rangebar_anyio._stream._closing import CLOSE_SECONDS
from tests.stream.fake_source import QUICK, FakeExchange, bars_of, make_tape
from tests.stream.reading import take, until

pytestmark = pytest.mark.anyio

TAPE = make_tape(60)
WANTED = bars_of(TAPE, 250)
LAST_ID = WANTED[-1].last_agg_trade_id


class Crash(Exception):
    """A bug of the program."""


@pytest.fixture
def exchange() -> FakeExchange:
    return FakeExchange([TAPE], history=20, batch=4)


def opened(exchange: FakeExchange, store: Any, **options: Any) -> Any:
    options.setdefault("start", 1000)
    options.setdefault("config", QUICK)
    return open_stream("BTCUSDT", source=exchange, store=store, **options)


@pytest.fixture(params=["memory", "sqlite", "path"])
def again(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Any], Any]:
    """Give a new store, or what the last one left for the program that starts next."""
    numbers = iter(range(10**6))

    def make(last: Any = None) -> Any:
        path = tmp_path / "0.db" if last is not None else tmp_path / f"{next(numbers)}.db"
        if request.param == "memory":
            return MemoryStore(continues=last)

        if request.param == "path":
            return last or path

        return SqliteStore(last._given if last else path)

    return make


async def close(store: Any) -> None:
    if isinstance(store, CheckpointStore):
        await store.aclose()


# Every bar, every way.


async def leave(exchange: FakeExchange, store: Any, bars: int, way: str) -> list[Bar]:
    """Take so many bars and go."""
    got: list[Bar] = []
    with anyio.CancelScope() as scope:
        try:
            async with opened(exchange, store) as stream:
                async for bar in stream:
                    got.append(bar)
                    if len(got) == bars:
                        if way == "exception":
                            raise Crash

                        if way == "cancelled":
                            scope.cancel()
                            await anyio.lowlevel.checkpoint()

                        break
        except Crash:
            assert way == "exception"

    await close(store)
    return got


@pytest.mark.parametrize("way", ["normally", "exception", "cancelled"])
async def test_after_every_bar(way: str, again: Any) -> None:
    """Left without an exception, the next run goes on with the next bar; with one, the last bar comes again."""
    for taken in range(1, len(WANTED) + 1):
        exchange, store = FakeExchange([TAPE], history=20, batch=4), again()
        assert await leave(exchange, store, taken, way) == WANTED[:taken]
        rest = WANTED[taken:] if way == "normally" else WANTED[taken - 1 :]
        store = again(store)
        async with opened(exchange, store) as stream:
            assert await take(stream, len(rest)) == rest

        await close(store)


async def test_many_runs_in_a_row_over_many_lanes(again: Any) -> None:
    """Each run takes a few bars; together every lane has its tape's."""
    tapes = [make_tape(60, symbol=name, first_id=at * 1000) for at, name in enumerate(("AUSDT", "BUSDT"))]
    wanted = {(tape.symbol, threshold): bars_of(tape, threshold) for tape in tapes for threshold in (200, 600)}
    got: dict[tuple[str, int], list[Bar]] = {lane: [] for lane in wanted}
    exchange, store, symbols = FakeExchange(tapes, history=10, batch=3), again(), [tape.symbol for tape in tapes]
    start = {tape.symbol: tape.trade_ids[0] for tape in tapes}
    left = sum(map(len, wanted.values()))
    while left:
        async with open_stream(
            symbols, threshold_dbps=[200, 600], source=exchange, store=store, start=start, config=QUICK
        ) as stream:
            for bar in await take(stream, min(left, 4)):
                got[bar.symbol, bar.threshold_dbps].append(bar)
                left -= 1

        await close(store)
        store = again(store)

    await close(store)
    assert got == wanted


# Acknowledging by hand, and in groups.


async def test_manual_acknowledgement_in_batches(exchange: FakeExchange) -> None:
    """What was not acknowledged comes again, however the block was left."""
    store = MemoryStore()
    async with opened(exchange, store, ack="manual") as bars:
        got = await take(bars, 7)
        await bars.ack(got[2])

    async with opened(exchange, store, ack="manual") as bars:
        got = await take(bars, 4)
        assert got == WANTED[3:7]
        # Later first: an earlier bar acknowledged late takes nothing back.
        await bars.ack(got[2])
        await bars.ack(got[0])

    async with opened(exchange, store, ack="manual") as bars:
        assert await take(bars, 1) == WANTED[6:7]


async def test_acknowledging_from_several_tasks(exchange: FakeExchange) -> None:
    store = MemoryStore()
    async with opened(exchange, store, ack="manual") as bars:
        got = await take(bars, 6)
        async with anyio.create_task_group() as tasks:
            for bar in reversed(got):
                tasks.start_soon(bars.ack, bar)

        for bar in await take(bars, 2):
            await bars.ack(bar)
            (lane,) = await store.lanes()
            assert lane.checkpoint is not None
            assert lane.checkpoint.position.order == bar.last_agg_trade_id


async def test_bars_that_cannot_be_acknowledged(exchange: FakeExchange) -> None:
    async with opened(exchange, MemoryStore(), ack="manual") as bars:
        await take(bars, 1)
        with pytest.raises(ValueError, match="was not given by this stream"):
            await bars.ack(WANTED[-1])

        with pytest.raises(ValueError, match="was not given by this stream"):
            await bars.ack(bars_of(make_tape(60, symbol="ETHUSDT"), 250)[0])

        # The same bar, made offline: its position says nothing of the unit.
        with pytest.raises(ValueError, match="was not given by this stream"):
            await bars.ack(WANTED[0])

    async with opened(exchange, MemoryStore()) as bars:
        (bar,) = await take(bars, 1)
        with pytest.raises(RuntimeError, match="finishes bars by itself"):
            await bars.ack(bar)


async def test_a_bar_of_another_market_is_not_acknowledged_in_its_place(exchange: FakeExchange) -> None:
    """Of the same symbol and threshold: its last id lies inside a bar of this one."""
    other, store = FakeExchange([make_tape(60, seed=7)], history=60), MemoryStore()
    other.venue = "futures"
    async with opened(other, None) as bars:
        foreign = await take(bars, 2)

    async with opened(exchange, store, ack="manual") as bars:
        await take(bars, 5)
        with pytest.raises(ValueError, match="was not given by this stream"):
            await bars.ack(foreign[1])

    async with opened(exchange, store, ack="manual") as bars:
        assert await take(bars, 5) == WANTED[:5]


async def test_a_forming_bar_is_never_acknowledged() -> None:
    """A position inside a bar would give other bars after a restart."""
    exchange = FakeExchange([TAPE], batch=1)
    async with opened(exchange, MemoryStore(), start="live", ack="manual") as bars:
        forming = None
        while forming is None:
            await anyio.sleep(0)
            forming = bars.forming("BTCUSDT", 250)

        await take(bars, 2)
        with pytest.raises(ValueError, match="was not given by this stream"):
            await bars.ack(forming)


@pytest.mark.parametrize("way", ["normally", "exception", "cancelled"])
async def test_saving_in_groups_writes_the_rest_at_the_exit(exchange: FakeExchange, way: str) -> None:
    store = CountingStore()
    with anyio.CancelScope() as scope:
        try:
            async with opened(exchange, store, save_every=4) as bars:
                assert await take(bars, 7) == WANTED[:7]
                assert store.positions == 1
                if way == "exception":
                    raise Crash

                if way == "cancelled":
                    scope.cancel()
                    await anyio.lowlevel.checkpoint()
        except Crash:
            assert way == "exception"

    rest = 7 if way == "normally" else 6
    async with opened(exchange, store) as bars:
        assert await take(bars, 2) == WANTED[rest : rest + 2]


# Stores that fail.


class CountingStore(MemoryStore):
    """Counts writes of positions; refuses the next `refusals`, and does not answer at all while `hangs`."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = 0
        self.refusals = 0
        self.hangs = False
        self.hangs_for: type | None = None

    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        if self.hangs or any(type(change) is self.hangs_for for change in changes):
            await anyio.sleep_forever()

        if self.refusals:
            self.refusals -= 1
            raise StoreError("the disk is full", remedy="make room")

        self.positions += not any(isinstance(change, BeginSegment | SaveSnapshot) for change in changes)
        return await super().commit(epoch, changes)


@pytest.mark.parametrize("at", range(6))
async def test_a_write_that_fails_is_tried_again_by_asking_again(exchange: FakeExchange, at: int) -> None:
    """Origin or position: `receive` raises and gives nothing; the next call goes on."""
    store, got, errors = CountingStore(), [], 0
    async with opened(exchange, store) as bars:
        got += await take(bars, at)
        store.refusals = 3
        while len(got) < len(WANTED):
            try:
                got += await take(bars, 1)
            except StoreError as error:
                errors += str(error) == "the disk is full; make room"

    assert got == WANTED
    assert errors == 3


async def test_a_write_that_fails_at_the_exit(exchange: FakeExchange) -> None:
    """Left normally the block raises it; with an exception that one leaves, and a note says what was not saved."""
    store = CountingStore()
    with pytest.raises(StoreError, match="the disk is full"):
        async with opened(exchange, store) as bars:
            await take(bars, 3)
            store.refusals = 1

    with pytest.raises(Crash) as raised:
        async with opened(exchange, store, save_every=9) as bars:
            assert await take(bars, 3) == WANTED[2:5]
            store.refusals = 1
            raise Crash

    assert raised.value.__notes__ == ["what was finished could not be saved: the disk is full; make room"]
    assert (exchange.open_transports, exchange.sockets) == (0, set())
    async with opened(exchange, store) as bars:
        assert await take(bars, len(WANTED) - 2) == WANTED[2:]


async def test_a_lane_opened_again_elsewhere_is_not_written_any_more(exchange: FakeExchange) -> None:
    store = MemoryStore()
    async with opened(exchange, store) as bars:
        with pytest.raises(StoreError, match="open in another stream"):
            async with opened(exchange, store):
                pytest.fail("opened twice")

        await take(bars, 2)
        # As another process does once the lock is free.
        thief = MemoryStore(continues=store)
        (status,) = await thief.lanes()
        await thief.open([status.lane])
        with pytest.raises(StoreError, match="no longer owns"):
            await take(bars, 1)

        with pytest.raises(StoreError, match="no longer owns"):
            await take(bars, 1)

        raise_at_exit = pytest.raises(StoreError, match="no longer owns")
        with raise_at_exit:
            await bars.receive()

        thief.release(0)
        store._lanes[status.lane].epoch = 1


async def test_a_store_that_is_closed_too_early_is_an_error_of_the_store(exchange: FakeExchange) -> None:
    """`ClosedResourceError` would say that the block was left."""
    store = MemoryStore()
    with pytest.raises(StoreError, match="closed while a stream was open"):
        async with opened(exchange, store) as bars:
            await take(bars, 2)
            await store.aclose()
            with pytest.raises(StoreError, match="closed while a stream was open"):
                await bars.receive()


@pytest.mark.parametrize("replace", [False, True])
async def test_after_aclose_nothing_new_is_begun(exchange: FakeExchange, replace: bool) -> None:
    """No origin is written, so nothing recorded makes room for a segment that gives no bar."""
    store = CountingStore()
    async with opened(exchange, store, ack="manual", reader="record") as bars:
        await record(bars, store, max_bars=5)

    again = {"restart": True, "replace": replace}
    async with opened(exchange, store, ack="manual", reader="record", **again) as bars:
        await until(lambda: bars.stats.bars_waiting > 0)
        await bars.aclose()
        with pytest.raises(anyio.EndOfStream):
            await bars.receive()

    (status,) = await store.lanes()
    assert status.bars == 5


class TestVirtual:
    """Where time passes."""

    @pytest.fixture
    def anyio_backend(self, virtual_backend: object) -> object:
        return virtual_backend

    @pytest.mark.parametrize("way", ["normally", "exception", "cancelled"])
    async def test_a_store_that_hangs_delays_the_exit_by_the_deadline(
        self, exchange: FakeExchange, way: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Five seconds, and it says so: by an error, by a note, or where nobody sees either in the log."""
        store = CountingStore()
        told: list[str] = []
        began = anyio.current_time()
        with anyio.CancelScope() as scope:
            try:
                async with opened(exchange, store, save_every=9, config=SessionConfig()) as bars:
                    await take(bars, 3)
                    store.hangs = True
                    began = anyio.current_time()
                    if way == "exception":
                        raise Crash

                    if way == "cancelled":
                        scope.cancel()
                        await anyio.lowlevel.checkpoint()
            except StoreError as error:
                told = [str(error)]
            except Crash as error:
                told = error.__notes__

        assert anyio.current_time() - began == pytest.approx(5.0, abs=0.2)
        if way == "cancelled":
            told = [record.getMessage() for record in caplog.records]

        assert [text for text in told if "the store did not answer within 5 s" in text] == told[:1] != []
        assert (exchange.open_transports, exchange.sockets) == (0, set())
        store.hangs = False
        async with opened(exchange, store) as bars:
            assert await take(bars, len(WANTED)) == WANTED

    async def test_a_store_that_hangs_holds_up_a_closed_stream_no_longer_than_leaving_it(
        self, exchange: FakeExchange
    ) -> None:
        """`aclose()`, then a loop that goes on to its end, then the exit: five seconds for all of it."""
        store = CountingStore()
        began = anyio.current_time()
        with pytest.raises(StoreError, match="did not answer within 5 s"):
            async with opened(exchange, store, config=SessionConfig()) as bars:
                async for bar in bars:
                    if bar == WANTED[2]:
                        store.hangs, began = True, anyio.current_time()
                        await bars.aclose()

        assert anyio.current_time() - began == pytest.approx(5.0, abs=0.2)

    async def test_a_receive_that_waits_for_a_hung_store_is_cancelled_and_delays_the_exit_no_more(
        self, exchange: FakeExchange
    ) -> None:
        """As the command line does after Ctrl-C."""
        store = CountingStore()
        with anyio.CancelScope() as scope:
            async with opened(exchange, store, config=SessionConfig()) as bars:

                async def end() -> None:
                    await anyio.sleep(1)
                    await bars.aclose()
                    await anyio.sleep(CLOSE_SECONDS)
                    scope.cancel()

                await take(bars, 3)
                store.hangs, began = True, anyio.current_time()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(end)
                    await bars.receive()

        assert anyio.current_time() - began == pytest.approx(6.0, abs=0.2)

    async def test_forming_bars_that_come_too_late_are_no_error(
        self, exchange: FakeExchange, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What is finished is saved, so the block is left normally and the log says what is not."""
        store = CountingStore()
        async with opened(exchange, store, threshold_dbps=[250, 50_000], config=SessionConfig()) as bars:
            got = await take(bars, 3)
            exchange.is_playing = False
            while bars.stats.bars_waiting:
                got += await take(bars, 1)

            store.hangs_for = SaveSnapshot

        assert "forming bars were not saved within 5 s" in caplog.text
        store.hangs_for, exchange.is_playing = None, True
        async with opened(exchange, store) as bars:
            assert got + await take(bars, len(WANTED) - len(got)) == WANTED

    async def test_a_store_that_hangs_can_be_cancelled(self, exchange: FakeExchange) -> None:
        store = CountingStore()
        async with opened(exchange, store, config=SessionConfig()) as bars:
            got = await take(bars, 3)
            store.hangs = True
            with anyio.move_on_after(1) as scope:
                await bars.receive()

            assert scope.cancelled_caught
            store.hangs = False
            got += await take(bars, len(WANTED) - 3)

        assert got == WANTED

    async def test_forming_bars_of_a_store_that_hangs_do_not_pile_up(self, exchange: FakeExchange) -> None:
        store = CountingStore()
        async with opened(exchange, store, threshold_dbps=[250, 50_000], config=SessionConfig()) as bars:
            await take(bars, 5)
            exchange.is_playing = False
            exchange.publish("BTCUSDT", 1)
            store.hangs = True
            for _ in range(20):
                exchange.publish("BTCUSDT", 1)
                await anyio.sleep(31)

            assert len(exchange.sockets) == 1
            store.hangs = False


# Snapshots.


async def test_a_wide_bar_is_not_fetched_again() -> None:
    """After a restart only the trades since the snapshot are asked for, and the bar is the tape's."""
    tape = make_tape(400)
    (first, *_), exchange = bars_of(tape, 1500), FakeExchange([tape], batch=50)
    seen = first.last_agg_trade_id - tape.trade_ids[0] - 10
    store, wide = MemoryStore(), {"threshold_dbps": 1500, "start": "live"}
    async with opened(exchange, store, **wide) as bars:
        exchange.is_playing = False
        await until(lambda: bars.stats.connections == 1)
        exchange.publish("BTCUSDT", seen)
        await until(lambda: bars.stats.live_trades == seen)
        # The reader has to come by for the origin to be saved.
        with anyio.move_on_after(0.1):
            await bars.receive()

    exchange.served, exchange.is_playing = 0, True
    exchange.publish("BTCUSDT", 5)
    async with opened(exchange, store, **wide | {"start": "resume"}) as bars:
        assert await take(bars, 1) == [first]
        assert bars.stats.fetched_trades + bars.stats.live_trades <= len(tape) - seen
        assert exchange.served < 60


@pytest.mark.parametrize("damage", ["version", "bytes", "stale"])
async def test_a_snapshot_that_cannot_be_used_is_ignored_with_an_event(exchange: FakeExchange, damage: str) -> None:
    store = MemoryStore()
    events: list[object] = []
    async with opened(exchange, store) as bars:
        await take(bars, 3)

    (status,) = await store.lanes()
    lane, known = status.lane, status.checkpoint
    assert known is not None
    data = b"nothing" if damage == "bytes" else (known.snapshot.data if known.snapshot else b"none")
    follows = Position(b"x", known.position.order - 1) if damage == "stale" else known.position
    store._lanes[lane].snapshot = Snapshot(follows, LAST_ID, 0, 2 if damage == "version" else 1, data)

    async with opened(exchange, store, on_event=events.append) as bars:
        assert await take(bars, len(WANTED) - 3) == WANTED[3:]

    (event,) = [event for event in events if isinstance(event, SnapshotIgnored)]
    assert (event.symbol, event.threshold_dbps) == ("BTCUSDT", 250)
    assert event.reason


# What the store holds does not fit.


async def other_format(store: MemoryStore, exchange: FakeExchange) -> LaneKey:
    """A lane as another version of this library left it."""
    lane = LaneKey("default", exchange.venue, "BTCUSDT", 250)
    epoch = await store.open([lane])
    origin = Position(b"whatever it wrote", 1010, "trade 1010")
    await store.commit(epoch, [BeginSegment(lane, LaneFormat("us", True, 99), origin)])
    store.release(epoch)
    return lane


async def test_what_does_not_fit_is_refused_and_a_restart_overrides(exchange: FakeExchange) -> None:
    store = MemoryStore()
    events: list[object] = []
    await other_format(store, exchange)
    with pytest.raises(CheckpointMismatchError, match=r"rule version 99.*restart=True"):
        async with opened(exchange, store):
            pytest.fail("gone on with")

    assert (exchange.connects, exchange.open_transports) == (0, 0)
    async with opened(exchange, store, restart=True, on_event=events.append) as bars:
        assert await take(bars, len(WANTED)) == WANTED


async def test_a_position_of_another_source_is_refused(exchange: FakeExchange) -> None:
    store = MemoryStore()
    lane = LaneKey("default", exchange.venue, "BTCUSDT", 250)
    epoch = await store.open([lane])
    await store.commit(epoch, [BeginSegment(lane, LaneFormat("us", True, 1), Position(b"of another", 7, "line 7"))])
    store.release(epoch)
    with pytest.raises(CheckpointMismatchError, match="line 7"):
        async with opened(exchange, store):
            pytest.fail("gone on with")


@pytest.mark.parametrize("options", [{"restart": True}, {"start": {"btcusdt": 1000}, "restart": True}])
async def test_a_restart_says_what_is_repeated(exchange: FakeExchange, options: dict[str, Any]) -> None:
    store = MemoryStore()
    events: list[object] = []
    async with opened(exchange, store) as bars:
        await take(bars, 3)

    async with opened(exchange, store, on_event=events.append, **options) as bars:
        assert await take(bars, len(WANTED)) == WANTED

    (event,) = [event for event in events if isinstance(event, PositionForgotten)]
    assert event == PositionForgotten("BTCUSDT", 250, 999, None, (1000, WANTED[2].last_agg_trade_id))
    (status,) = await store.lanes()
    first, second = await store.segments(status.lane)
    assert (first.previous, second.repeated) == (None, event.repeated)


@pytest.mark.parametrize("start", ["live", {"BTCUSDT": "live"}])
async def test_a_live_start_says_what_is_skipped(start: Any) -> None:
    exchange, store = FakeExchange([TAPE], batch=4), MemoryStore()
    events: list[object] = []
    async with opened(exchange, store, start="live") as bars:
        (bar,) = await take(bars, 1)

    exchange.publish("BTCUSDT", 8)
    missed = exchange.public["BTCUSDT"]
    wanted = bars_of(TAPE, 250, from_id=TAPE.trade_ids[missed])
    async with opened(exchange, store, start=start, on_event=events.append) as bars:
        assert await take(bars, 2) == wanted[:2]

    (event,) = [event for event in events if isinstance(event, PositionForgotten)]
    assert event.skipped == (bar.last_agg_trade_id + 1, TAPE.trade_ids[missed] - 1)


async def test_a_kept_position_replaces_the_stored_one(exchange: FakeExchange) -> None:
    store = MemoryStore()
    events: list[object] = []
    async with opened(exchange, store) as bars:
        got = await take(bars, 5)

    start = {("BTCUSDT", 250): got[1].position}
    async with opened(exchange, store, start=start, on_event=events.append) as bars:
        assert await take(bars, len(WANTED) - 2) == WANTED[2:]

    (event,) = [event for event in events if isinstance(event, PositionForgotten)]
    assert event.repeated == (got[1].last_agg_trade_id + 1, got[4].last_agg_trade_id)


async def test_readers_have_positions_of_their_own(exchange: FakeExchange) -> None:
    store = MemoryStore()
    async with opened(exchange, store, reader="one") as bars:
        assert await take(bars, 3) == WANTED[:3]

    async with opened(exchange, store, reader="two") as bars:
        assert await take(bars, 3) == WANTED[:3]

    async with opened(exchange, store, reader="one") as bars:
        assert await take(bars, 1) == WANTED[3:4]
