"""Where lanes begin when the store knows some: later thresholds and symbols, restarts, readers of other names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from rangebar_anyio import Bar, CheckpointStore, MemoryStore, SqliteStore, StoreError, record
from rangebar_anyio._sources._positions import TradePosition
from rangebar_anyio._stream._keeper import RULE_VERSION
from rangebar_anyio.events import PositionForgotten, SnapshotIgnored
from rangebar_anyio.stores import BeginSegment, LaneFormat, LaneKey, Position, SavePosition
from rangebar_anyio.testing import Tape
from tests.recovery.streams import (
    TAPE,
    WANTED,
    FakeExchange,
    Watched,
    bars_of,
    known,
    lane_of,
    make_tape,
    stream,
    take,
)

pytestmark = pytest.mark.anyio

OTHER = make_tape(150, symbol="ETHUSDT", first_id=7000)
WIDE = bars_of(TAPE, 400)


def key(exchange: FakeExchange, threshold_dbps: int = 250, *, reader: str = "default") -> LaneKey:
    return LaneKey(reader, exchange.venue, "BTCUSDT", threshold_dbps)


# Unknown and known lanes.


async def test_lanes_at_different_positions_go_on_each_from_its_own() -> None:
    """Two thresholds of a symbol, finished up to different trades; the trades between them are fetched once more."""
    exchange, store = FakeExchange([TAPE], history=60), MemoryStore()
    narrow: list[Any] = []
    async with stream(exchange, store, threshold_dbps=(250, 400), ack="manual") as bars:
        for bar in await take(bars, 12):
            if bar.threshold_dbps == 250:
                narrow.append(bar)
                await bars.ack(bar)

    assert (await known(store, key(exchange, 400))).position.order == 999
    async with stream(exchange, store, threshold_dbps=(250, 400)) as bars:
        got = await take(bars, len(WANTED) - len(narrow) + len(WIDE))

    assert lane_of(got, "BTCUSDT", 250) == WANTED[len(narrow) :]
    assert lane_of(got, "BTCUSDT", 400) == WIDE
    assert 0 < len(narrow) < 12


async def test_a_threshold_added_later_begins_where_it_is_told_and_the_known_one_goes_on() -> None:
    exchange, store = FakeExchange([TAPE], history=60), MemoryStore()
    async with stream(exchange, store) as bars:
        assert await take(bars, 6) == WANTED[:6]

    async with stream(exchange, store, threshold_dbps=(250, 400)) as bars:
        got = await take(bars, len(WANTED) - 6 + len(WIDE))

    assert lane_of(got, "BTCUSDT", 250) == WANTED[6:]
    assert lane_of(got, "BTCUSDT", 400) == WIDE


async def test_a_symbol_added_later() -> None:
    exchange, store = FakeExchange([TAPE, OTHER], history=40), MemoryStore()
    async with stream(exchange, store) as bars:
        await take(bars, 6)

    start = {"BTCUSDT": 1000, "ETHUSDT": 7020}
    wanted = bars_of(OTHER, 250, from_id=7020)
    async with stream(exchange, store, symbols=["BTCUSDT", "ETHUSDT"], start=start) as bars:
        got = await take(bars, len(WANTED) - 6 + len(wanted))

    assert lane_of(got, "BTCUSDT", 250) == WANTED[6:]
    assert lane_of(got, "ETHUSDT", 250) == wanted


@pytest.mark.parametrize("start", ["resume", 1003, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)])
async def test_a_known_lane_resumes_whatever_start_says(start: object) -> None:
    """An id, a time and "resume" are for lanes that the store does not know."""
    exchange, store = FakeExchange([TAPE], history=60), Watched()
    async with stream(exchange, store) as bars:
        await take(bars, 5)

    async with stream(exchange, store, start=start) as bars:
        assert await take(bars, len(WANTED) - 5) == WANTED[5:]

    assert len(store.of_kind(BeginSegment)) == 1


# The origin.


@pytest.mark.parametrize("start", ["live", 1000, 1020, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=1)])
async def test_the_origin_is_durable_before_the_first_bar(start: object) -> None:
    """Also where it becomes known only by the first trade, and for every threshold."""
    exchange, store = FakeExchange([TAPE], history=30), Watched()
    async with stream(exchange, store, start=start, threshold_dbps=(250, 400)) as bars:
        (first,) = await take(bars, 1)
        begun = store.of_kind(BeginSegment)
        assert {change.lane for change in begun} == {key(exchange, 250), key(exchange, 400)}
        assert {change.origin.order for change in begun} == {first.first_agg_trade_id - 1}
        assert not store.of_kind(SavePosition)

    assert (await known(store, key(exchange))).origin.order == first.first_agg_trade_id - 1


async def test_no_bar_without_an_origin_in_the_store() -> None:
    """A store that cannot write it: no bar, an error, and asking again tries again."""
    exchange, store = FakeExchange([TAPE], history=30), Watched()
    store.refuses = lambda changes: True
    async with stream(exchange, store) as bars:
        for _ in range(2):
            with pytest.raises(StoreError, match="the disk is full"):
                await take(bars, 1)

        store.refuses = lambda changes: False
        assert await take(bars, len(WANTED)) == WANTED


async def test_a_tape_from_its_very_first_trade() -> None:
    """Its origin is -1."""
    tape = make_tape(60, first_id=0)
    exchange, store, wanted = FakeExchange([tape], history=20), MemoryStore(), bars_of(tape, 250)
    for place in range(0, len(wanted), 2):
        async with stream(exchange, store, start=0) as bars:
            assert await take(bars, len(wanted[place : place + 2])) == wanted[place : place + 2]

    assert (await known(store, key(exchange))).origin.order == -1


async def test_another_venue_is_another_lane() -> None:
    """No error: the same symbol elsewhere has its own origin and position."""
    store = MemoryStore()
    for exchange in (FakeExchange([TAPE], history=60), FakeExchange([TAPE], history=60)):
        for place in (0, 5):
            async with stream(exchange, store) as bars:
                assert await take(bars, 5) == WANTED[place : place + 5]

    assert len({status.lane.venue for status in await store.lanes()}) == 2


async def test_microseconds_are_cut_in_a_lane_of_milliseconds() -> None:
    """The unit is stored with the lane: a program that goes on with it makes the bars that the first one made."""
    exchange, store = FakeExchange([TAPE], history=60), MemoryStore()
    position = TradePosition(999, "ms", None)
    origin = Position(position.to_bytes(), 999, str(position))
    epoch = await store.open([key(exchange)])
    await store.commit(epoch, [BeginSegment(key(exchange), LaneFormat("ms", True, RULE_VERSION), origin)])
    store.release(epoch)
    cut = Tape("BTCUSDT", [row._replace(timestamp_us=row.timestamp_us // 1000 * 1000) for row in TAPE])
    wanted = bars_of(cut, 250)
    async with stream(exchange, store) as bars:
        assert await take(bars, len(wanted)) == wanted

    assert wanted != WANTED
    assert (await known(store, key(exchange))).format.time_unit == "ms"


# Forming bars.


@pytest.mark.parametrize("kind", ["memory", "file"])
@pytest.mark.parametrize("ahead", [0, 1, 3])
async def test_every_combination_of_position_and_snapshot_gives_the_same_bars(
    kind: str, ahead: int, tmp_path: Path
) -> None:
    """A snapshot that follows the position is used, another one ignored with an event; the bars are the same."""
    events: list[object] = []
    saved = 0
    for count in range(1, 8):
        # The trades of so many bars, and all but one of the next bar's.
        exchange = FakeExchange([TAPE], history=WANTED[count].last_agg_trade_id - 1000, is_playing=False)
        async with MemoryStore() if kind == "memory" else SqliteStore(tmp_path / f"{count}.db") as store:
            async with stream(exchange, store) as bars:
                await take(bars, count)

            saved += (await known(store, key(exchange))).snapshot is not None
            if ahead:
                await move(store, key(exchange), WANTED[count - 1 + ahead])

            exchange.is_playing = True
            async with stream(exchange, store, on_event=events.append) as bars:
                assert await take(bars, len(WANTED) - count - ahead) == WANTED[count + ahead :]

    assert saved > 3
    ignored = [event for event in events if isinstance(event, SnapshotIgnored)]
    assert len(ignored) == (saved if ahead else 0)


async def move(store: CheckpointStore, lane: LaneKey, bar: Bar) -> None:
    """Put a lane's position after a bar, as a program that keeps no snapshots would."""
    position = TradePosition(bar.last_agg_trade_id, "us", bar.close_time_us)
    epoch = await store.open([lane])
    assert await store.commit(epoch, [SavePosition(lane, Position(position.to_bytes(), bar.last_agg_trade_id))])
    store.release(epoch)


# Beginning anew.


@pytest.mark.parametrize("how", ["live", "restart"])
async def test_what_a_restart_skips_is_an_event_and_a_row(how: str) -> None:
    exchange, store = FakeExchange([TAPE], history=50, is_playing=False), MemoryStore()
    events: list[object] = []
    async with stream(exchange, store) as bars:
        position = (await take(bars, 3))[-1].last_agg_trade_id

    exchange.publish("BTCUSDT", 40, is_lost=True)
    exchange.is_playing = True
    options: dict[str, Any] = {"start": "live"} if how == "live" else {"restart": True, "start": 1070}
    first = 1090 if how == "live" else 1070
    async with stream(exchange, store, on_event=events.append, **options) as bars:
        wanted = bars_of(TAPE, 250, from_id=first)
        assert await take(bars, len(wanted)) == wanted
        assert wanted

    (told,) = [event for event in events if isinstance(event, PositionForgotten)]
    assert (told.skipped, told.repeated) == ((position + 1, first - 1), None)
    segments = await store.segments(key(exchange))
    assert [(row.number, row.skipped, row.repeated) for row in segments] == [
        (1, None, None),
        (2, (position + 1, first - 1), None),
    ]


async def test_what_a_restart_repeats_is_an_event_and_a_row() -> None:
    exchange, store = FakeExchange([TAPE], history=60), MemoryStore()
    events: list[object] = []
    async with stream(exchange, store) as bars:
        position = (await take(bars, 6))[-1].last_agg_trade_id

    async with stream(exchange, store, restart=True, start=1004, on_event=events.append) as bars:
        wanted = bars_of(TAPE, 250, from_id=1004)
        assert await take(bars, len(wanted)) == wanted

    (told,) = [event for event in events if isinstance(event, PositionForgotten)]
    assert (told.skipped, told.repeated) == (None, (1004, position))
    assert (await store.segments(key(exchange)))[1].repeated == (1004, position)


async def test_recorded_bars_never_overlap_and_replace_deletes_them_in_the_same_transaction() -> None:
    """A restart below recorded ids is refused, and nothing has changed; with `replace` the newer bars stand."""
    exchange, store = FakeExchange([TAPE], history=60), Watched()
    options: dict[str, Any] = {"ack": "manual", "reader": "record"}
    recorder = key(exchange, reader="record")
    async with stream(exchange, store, **options) as bars:
        await record(bars, store, max_bars=6)

    before = await store.bars(recorder)
    first = before[3].first_agg_trade_id
    wanted = bars_of(TAPE, 250, from_id=first)
    async with stream(exchange, store, restart=True, start=first, **options) as bars:
        with anyio.fail_after(100), pytest.raises(StoreError, match=r"recorded bars up to id .*--replace"):
            await record(bars, store)

    assert await store.bars(recorder) == before
    store.commits.clear()
    async with stream(exchange, store, restart=True, replace=True, start=first, **options) as bars:
        await record(bars, store, max_bars=len(wanted))

    assert [bar.packed for bar in await store.bars(recorder)] == [bar._raw for bar in [*WANTED[:3], *wanted]]
    assert (await store.segments(recorder))[1].replaced_bars == len(before) - 3


async def test_a_restart_above_recorded_bars_needs_no_replace(tmp_path: Path) -> None:
    exchange = FakeExchange([TAPE], history=100)
    options: dict[str, Any] = {"ack": "manual", "reader": "record"}
    async with SqliteStore(tmp_path / "bars.db") as store:
        async with stream(exchange, store, **options) as bars:
            await record(bars, store, max_bars=3)

        wanted = bars_of(TAPE, 250, from_id=1060)
        async with stream(exchange, store, restart=True, start=1060, **options) as bars:
            await record(bars, store, max_bars=len(wanted))

        found = [bar.packed for bar in await store.bars(key(exchange, reader="record"))]
        assert found[:3] == [bar._raw for bar in WANTED[:3]]
        assert found[-len(wanted) :] == [bar._raw for bar in wanted]


# Readers.


async def test_a_notebook_never_moves_a_recorders_position(tmp_path: Path) -> None:
    """Two readers of one lane on one store, at the same time: each has its own position."""
    exchange, path = FakeExchange([TAPE], history=60), tmp_path / "bars.db"
    async with SqliteStore(path) as store:
        async with stream(exchange, store, ack="manual", reader="record") as recording:
            await record(recording, store, max_bars=4)
            async with stream(exchange, path) as notebook:
                assert await take(notebook, 9) == WANTED[:9]

            await record(recording, store, max_bars=2)

        positions = {status.lane.reader: status.checkpoint for status in await store.lanes()}
        assert {reader: known and known.position.order for reader, known in positions.items()} == {
            "default": WANTED[8].last_agg_trade_id,
            "record": WANTED[5].last_agg_trade_id,
        }
        assert len(await store.bars(key(exchange, reader="record"))) == 6
        assert not await store.bars(key(exchange))


async def test_a_lane_belongs_to_one_stream_at_a_time(tmp_path: Path) -> None:
    exchange, path = FakeExchange([TAPE], history=60), tmp_path / "bars.db"
    async with stream(exchange, path) as bars:
        with pytest.raises(StoreError, match=r"open in another stream of this process; .*reader="):
            async with stream(exchange, path):
                pass

        # Another threshold is another lane.
        async with stream(exchange, path, threshold_dbps=400) as wide:
            assert await take(wide, len(WIDE)) == WIDE

        assert await take(bars, len(WANTED)) == WANTED

    async with stream(exchange, path, threshold_dbps=400, restart=True) as again:
        assert await take(again, len(WIDE)) == WIDE
