"""`record(stream, store)`: one transaction for a bar and its position, on every event loop."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import localcontext

import anyio
import pytest

from rangebar_anyio import Bar, BinanceSpot, MemoryStore, SqliteStore, StoreError, open_stream, record
from rangebar_anyio._stores import Change, LaneKey, RecordBars, SavePosition
from rangebar_anyio.testing import Limits, SimulatedExchange, generate_tape
from tests.cli.conftest import offline

pytestmark = pytest.mark.anyio

TAPE = generate_tape(6_000, seed=4, first_agg_trade_id=0, halt_s=0, step_volatility=0.0004)
BARS = offline(TAPE, 100)


class Watched(MemoryStore):
    """A store that shows its commits, and refuses some."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[tuple[Change, ...]] = []
        self.refusals = 0

    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        if self.refusals and any(isinstance(change, RecordBars) for change in changes):
            self.refusals -= 1
            raise StoreError("the disk is full")

        done = await super().commit(epoch, changes)
        self.commits.append(tuple(changes))
        return done


def options(exchange: SimulatedExchange, store: MemoryStore | SqliteStore) -> dict[str, object]:
    return {
        "threshold_dbps": 100,
        "source": BinanceSpot(exchange.ws_url, exchange.rest_url, venue="here"),
        "start": 0,
        "store": store,
        "reader": "record",
    }


def simulated() -> SimulatedExchange:
    return SimulatedExchange(TAPE, history=len(TAPE) - 10, limits=Limits.none(), starts="by-hand")


async def recorded(store: MemoryStore | SqliteStore) -> list[bytes]:
    lane = LaneKey("record", "here", "BTCUSDT", 100)
    return [bar.packed for bar in await store.bars(lane)]


def packed(bars: Sequence[Bar]) -> list[bytes]:
    return [bar._raw for bar in bars]


async def test_waiting_bars_and_their_position_go_into_one_transaction() -> None:
    store = Watched()
    told: list[Sequence[Bar]] = []
    async with simulated() as exchange:
        async with open_stream("BTCUSDT", ack="manual", **options(exchange, store)) as bars:  # type: ignore[arg-type]
            while bars.stats.bars_waiting < 20:
                await anyio.sleep(0.001)

            await record(bars, store, on_bars=told.append, max_bars=20)

    writes = [changes for changes in store.commits if any(isinstance(change, RecordBars) for change in changes)]
    assert len(writes) == 1
    assert [type(change) for change in writes[0]] == [RecordBars, SavePosition]
    assert told == [BARS[:20]]
    assert await recorded(store) == packed(BARS[:20])
    (status,) = await store.lanes()
    assert status.checkpoint is not None
    assert status.checkpoint.position.order == BARS[19].last_agg_trade_id


async def test_every_bar_is_there_once_over_many_runs(tmp_path: object) -> None:
    async with simulated() as exchange, SqliteStore(f"{tmp_path}/bars.db") as store:
        for count in (1, 7, 2, 15):
            async with open_stream("BTCUSDT", ack="manual", **options(exchange, store)) as bars:  # type: ignore[arg-type]
                await record(bars, store, max_bars=count)

        assert await recorded(store) == packed(BARS[:25])


async def test_a_refused_transaction_is_written_by_the_next_one() -> None:
    """And told of then, like any other, and counted."""
    store = Watched()
    told: list[Bar] = []
    async with simulated() as exchange:
        async with open_stream("BTCUSDT", ack="manual", **options(exchange, store)) as bars:  # type: ignore[arg-type]
            store.refusals = 2
            for _ in range(2):
                with pytest.raises(StoreError, match="the disk is full"):
                    await record(bars, store, on_bars=told.extend, max_bars=5)

            await record(bars, store, on_bars=told.extend, max_bars=5)

    assert await recorded(store) == packed(BARS[:5])
    assert told == BARS[:5]


async def test_a_position_moved_by_another_kind_of_stream_leaves_no_hole_between_recorded_bars() -> None:
    """A notebook under the recorder's name: recording is refused until somebody decides about what is missing."""
    store = Watched()
    async with simulated() as exchange:
        async with open_stream("BTCUSDT", ack="manual", **options(exchange, store)) as bars:  # type: ignore[arg-type]
            await record(bars, store, max_bars=5)

        async with open_stream("BTCUSDT", **options(exchange, store)) as bars:  # type: ignore[arg-type]
            for _ in range(4):
                await bars.receive()

        async with open_stream("BTCUSDT", ack="manual", **options(exchange, store)) as bars:  # type: ignore[arg-type]
            last = BARS[4].last_agg_trade_id
            with pytest.raises(StoreError, match=rf"up to trade {last}.*restart=True and start={last + 1}"):
                await record(bars, store, max_bars=5)

        again = {**options(exchange, store), "start": last + 1, "restart": True}
        async with open_stream("BTCUSDT", ack="manual", **again) as bars:  # type: ignore[arg-type]
            await record(bars, store, max_bars=5)

    assert await recorded(store) == packed(BARS[:10])


async def test_a_cancelled_recording_loses_and_doubles_nothing() -> None:
    store = Watched()
    async with simulated() as exchange:
        for turns in range(12):
            async with open_stream("BTCUSDT", ack="manual", **options(exchange, store)) as bars:  # type: ignore[arg-type]
                with anyio.CancelScope() as scope:
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(record, bars, store)
                        for _ in range(turns * 3):
                            await anyio.lowlevel.checkpoint()

                        scope.cancel()

    async with simulated() as exchange:
        async with open_stream("BTCUSDT", ack="manual", **options(exchange, store)) as bars:  # type: ignore[arg-type]
            await record(bars, store, max_bars=10)

    found = await recorded(store)
    assert found == packed(BARS[: len(found)])
    assert len(found) >= 10


async def test_closing_the_stream_ends_the_recording() -> None:
    store = Watched()
    async with simulated() as exchange:
        async with open_stream("BTCUSDT", ack="manual", **options(exchange, store)) as bars:  # type: ignore[arg-type]

            def close_after(_bars: Sequence[Bar]) -> None:
                tasks.start_soon(bars.aclose)

            async with anyio.create_task_group() as tasks:
                await record(bars, store, on_bars=close_after)

    assert await recorded(store) == packed(BARS[: len(await recorded(store))])


async def test_bars_need_the_store_and_the_acknowledgement_of_their_stream() -> None:
    store = Watched()
    async with simulated() as exchange:
        async with open_stream("BTCUSDT", ack="manual", **options(exchange, store)) as bars:  # type: ignore[arg-type]
            with pytest.raises(ValueError, match='ack="manual"'):
                await record(bars, MemoryStore())

        async with open_stream("BTCUSDT", **options(exchange, store)) as bars:  # type: ignore[arg-type]
            with pytest.raises(ValueError, match='ack="manual"'):
                await record(bars, store)

            with pytest.raises(RuntimeError, match='ack="manual"'):
                bars.receive_nowait()


async def test_a_bar_that_waits_is_had_without_waiting() -> None:
    async with simulated() as exchange:
        async with open_stream("BTCUSDT", ack="manual", **options(exchange, MemoryStore())) as bars:  # type: ignore[arg-type]
            with pytest.raises(anyio.WouldBlock):
                bars.receive_nowait()

            first = await bars.receive()
            while bars.stats.bars_waiting < 2:
                await anyio.sleep(0.001)

            assert [first, bars.receive_nowait(), bars.receive_nowait()] == BARS[:3]
            await bars.aclose()
            with pytest.raises(anyio.WouldBlock):
                bars.receive_nowait()

    with pytest.raises(anyio.ClosedResourceError):
        bars.receive_nowait()


async def test_the_last_trade_is_that_of_the_tape() -> None:
    async with simulated() as exchange:
        async with open_stream("BTCUSDT", ack="manual", **options(exchange, MemoryStore())) as bars:  # type: ignore[arg-type]
            assert bars.last_trade("BTCUSDT") is None
            with pytest.raises(KeyError, match="BTCUSDT"):
                bars.last_trade("ETHUSDT")

            await bars.receive()
            with localcontext(prec=3):
                last = bars.last_trade("btcusdt")

    assert last is not None
    row = TAPE[last.agg_trade_id]
    assert (int(last.price.scaleb(8)), last.time_us) == (row.price_e8, row.timestamp_us)
    assert last.time.tzinfo is not None
