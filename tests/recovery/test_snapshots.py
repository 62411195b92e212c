"""RECOVERY.md, "Store": when forming bars are saved, what a snapshot names, and that none gets ahead of its lane."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest

from rangebar_anyio import MemoryStore, SessionConfig
from rangebar_anyio._stream._start import SNAPSHOT_VERSION
from rangebar_anyio.stores import Change, LaneKey, SaveSnapshot, Snapshot
from rangebar_anyio.testing import Tape
from tests.recovery.streams import TAPE, WANTED, FakeExchange, known, stream, take

pytestmark = pytest.mark.anyio

#: So wide that no bar closes.
WIDE = {"threshold_dbps": 50_000, "config": SessionConfig()}
GONE = (1003, 1004)


class Timed(MemoryStore):
    """Keeps the snapshots that were saved, each with its second."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: list[tuple[float, SaveSnapshot]] = []
        self.began = anyio.current_time()

    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        done = await super().commit(epoch, changes)
        at = anyio.current_time() - self.began
        self.saved += [(at, change) for change in changes if isinstance(change, SaveSnapshot)]
        return done

    @property
    def times(self) -> list[int]:
        return [round(at) for at, _ in self.saved]


@pytest.fixture
def anyio_backend(virtual_backend: object) -> object:
    return virtual_backend


async def read_for(bars: anyio.abc.ObjectReceiveStream[object], seconds: float) -> None:
    """Be a reader for whom no bar comes."""
    with anyio.move_on_after(seconds) as scope:
        await bars.receive()

    assert scope.cancelled_caught


async def test_every_30_seconds_with_news_and_at_close_by_default() -> None:
    exchange, store = FakeExchange([TAPE], history=10, is_playing=False), Timed()
    async with stream(exchange, store, **WIDE) as bars:
        await read_for(bars, 100)
        assert store.times == [30]
        exchange.publish("BTCUSDT", 1)
        await read_for(bars, 10)
        exchange.publish("BTCUSDT", 1)
        await read_for(bars, 60)

    assert store.times == [30, 120, 170]


async def test_when_a_connection_is_lost() -> None:
    exchange, store = FakeExchange([TAPE], history=10, is_playing=False), Timed()
    async with stream(exchange, store, **WIDE) as bars:
        await read_for(bars, 40)
        exchange.publish("BTCUSDT", 1)
        await read_for(bars, 2)
        exchange.is_offline = True
        exchange.wake()
        await read_for(bars, 1)
        assert store.times == [30, 42]


async def test_another_interval_is_a_choice() -> None:
    exchange, store = FakeExchange([TAPE], history=10, is_playing=False), Timed()
    config = SessionConfig(snapshot_every_s=float("inf"))
    async with stream(exchange, store, **{**WIDE, "config": config}) as bars:
        await read_for(bars, 3600)
        assert store.times == []

    assert store.times == [3600]


async def test_a_snapshot_names_what_it_follows_and_what_is_in_it() -> None:
    """Lane, the position that it follows, last id, missing count, version."""
    tape = Tape("BTCUSDT", [row for row in TAPE if row.agg_trade_id not in GONE])
    exchange, store = FakeExchange([tape], history=10, is_playing=False), Timed()
    async with stream(exchange, store, **WIDE) as bars:
        await read_for(bars, 40)
        forming = bars.forming("BTCUSDT", 50_000)

    (_, saved), *_ = store.saved
    lane = LaneKey("default", exchange.venue, "BTCUSDT", 50_000)
    origin = (await known(store, lane)).origin
    assert saved.lane == lane
    assert saved.snapshot == Snapshot(origin, tape[9].agg_trade_id, len(GONE), SNAPSHOT_VERSION, saved.snapshot.data)
    assert (forming.last_agg_trade_id, forming.missing_trades) == (tape[9].agg_trade_id, len(GONE))


async def test_none_is_saved_while_a_bar_before_it_is_not_finished() -> None:
    """It would follow a position that the store does not have; once the bar is finished it is saved."""
    exchange, store = FakeExchange([TAPE], is_playing=False), Timed()
    async with stream(exchange, store, start="live", config=SessionConfig()) as bars:
        await anyio.sleep(1)
        exchange.publish("BTCUSDT", WANTED[1].last_agg_trade_id - 1001)
        (first,) = await take(bars, 1)
        assert first == WANTED[0]
        await anyio.sleep(100)
        assert bars.forming("BTCUSDT", 250) is not None
        assert store.saved == []
        await read_for(bars, 1)
        exchange.publish("BTCUSDT", 1)
        await read_for(bars, 60)
        ((_, saved),) = store.saved

    assert saved.snapshot.follows.order == first.last_agg_trade_id
    assert saved.snapshot.last_id == WANTED[1].last_agg_trade_id - 1


async def test_none_is_saved_while_bars_wait_for_the_reader() -> None:
    exchange, store = FakeExchange([TAPE], is_playing=False), Timed()
    async with stream(exchange, store, start="live", config=SessionConfig()) as bars:
        await anyio.sleep(1)
        exchange.publish("BTCUSDT", WANTED[3].last_agg_trade_id - 1001)
        await anyio.sleep(100)
        assert bars.stats.bars_waiting == 3
        await take(bars, 1)
        await anyio.sleep(100)

    assert store.saved == []
