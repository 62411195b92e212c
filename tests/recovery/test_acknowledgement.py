"""When a bar is finished: what the store has at each moment, and what the next program finds."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from rangebar_anyio import CheckpointStore, MemoryStore
from rangebar_anyio.stores import Change, LaneKey, SavePosition
from tests.recovery.streams import (
    TAPE,
    WANTED,
    FakeExchange,
    Watched,
    bars_of,
    known,
    lane_of,
    stream,
    take,
)

pytestmark = pytest.mark.anyio

WIDE = bars_of(TAPE, 400)


def key(exchange: FakeExchange, threshold_dbps: int = 250) -> LaneKey:
    return LaneKey("default", exchange.venue, "BTCUSDT", threshold_dbps)


def saves(changes: Sequence[Change]) -> bool:
    return any(isinstance(change, SavePosition) for change in changes)


async def order(store: CheckpointStore, exchange: FakeExchange) -> int:
    return (await known(store, key(exchange))).position.order


# When.


async def test_the_next_bar_comes_when_the_store_has_the_one_before() -> None:
    exchange, store = FakeExchange([TAPE], history=60), MemoryStore()
    before = 999
    async with stream(exchange, store) as bars:
        for wanted in WANTED:
            (bar,) = await take(bars, 1)
            assert bar == wanted
            assert await order(store, exchange) == before
            before = bar.last_agg_trade_id

    assert await order(store, exchange) == before


async def test_receive_waits_for_the_store() -> None:
    """A reader that the store keeps waiting has no bar meanwhile, also where many wait."""
    exchange, store = FakeExchange([TAPE], history=150), Watched()
    async with stream(exchange, store) as bars:
        await take(bars, 1)
        store.hangs = True
        with anyio.move_on_after(0.05) as scope:
            await bars.receive()

        assert scope.cancelled_caught
        store.hangs = False
        assert await take(bars, len(WANTED) - 1) == WANTED[1:]


@pytest.mark.parametrize("save_every", [1, 2, 5])
async def test_positions_of_several_bars_may_share_a_write(save_every: int) -> None:
    """`save_every=n`: one write for n bars; leaving the block writes the rest."""
    exchange, store = FakeExchange([TAPE], history=60), Watched()
    async with stream(exchange, store, save_every=save_every) as bars:
        await take(bars, 12)
        assert len([changes for changes in store.commits if saves(changes)]) == 11 // save_every

    assert await order(store, exchange) == WANTED[11].last_agg_trade_id
    async with stream(exchange, store) as bars:
        assert await take(bars, 1) == WANTED[12:13]


async def test_a_program_that_just_ends_gets_at_most_the_unsaved_again() -> None:
    """What a kill leaves is what was committed: the last bar again, with `save_every=n` the last n."""
    for save_every in (1, 3):
        for count in range(1, 10):
            exchange, store = FakeExchange([TAPE], history=60), MemoryStore()
            async with stream(exchange, store, save_every=save_every) as bars:
                first = await take(bars, count)
                left = Watched(continues=_copy(store))

            async with stream(exchange, left) as bars:
                second = await take(bars, save_every)

            place = WANTED.index(second[0])
            assert count - save_every <= place < count
            assert second == WANTED[place : place + save_every]
            assert first == WANTED[:count]


def _copy(store: MemoryStore) -> MemoryStore:
    """What another process would find at this moment."""
    copy = MemoryStore()
    copy._lanes = {lane: type(state)(**_fields(state)) for lane, state in store._lanes.items()}
    return copy


def _fields(state: Any) -> dict[str, Any]:
    values = {name: getattr(state, name) for name in state.__slots__}
    return {name: list(value) if isinstance(value, list) else value for name, value in values.items()}


# By hand.


async def test_acknowledging_by_hand_finishes_all_earlier_bars_of_the_lane_and_no_other() -> None:
    exchange, store = FakeExchange([TAPE], history=60), MemoryStore()
    async with stream(exchange, store, threshold_dbps=(250, 400), ack="manual") as bars:
        got = await take(bars, 15)
        narrow = lane_of(got, "BTCUSDT", 250)
        await bars.ack(narrow[4])
        # An earlier one, once more: nothing.
        await bars.ack(narrow[1])
        assert await order(store, exchange) == narrow[4].last_agg_trade_id
        assert (await known(store, key(exchange, 400))).position.order == 999

    async with stream(exchange, store, threshold_dbps=(250, 400)) as bars:
        again = await take(bars, len(WANTED) - 5 + len(WIDE))

    assert lane_of(again, "BTCUSDT", 250) == WANTED[5:]
    assert lane_of(again, "BTCUSDT", 400) == WIDE


async def test_an_earlier_bar_acknowledged_late_takes_nothing_back_before_it_is_written() -> None:
    """Of bars that are written together the latest counts, in whatever order they were acknowledged."""
    exchange, store = FakeExchange([TAPE], history=60), Watched()
    async with stream(exchange, store, ack="manual", save_every=20) as bars:
        got = await take(bars, 8)
        for place in (4, 1, 3):
            await bars.ack(got[place])

        assert not [changes for changes in store.commits if saves(changes)]

    assert await order(store, exchange) == got[4].last_agg_trade_id


async def test_a_position_in_the_programs_own_database(tmp_path: Path) -> None:
    """Bar and position in one transaction of the program's; rolled back, the bar comes again, and none is lost."""
    exchange, rows = FakeExchange([TAPE], history=60), 0
    with closing(sqlite3.connect(tmp_path / "own.db")) as db:
        db.execute("CREATE TABLE bars (first_id INTEGER PRIMARY KEY, close TEXT, position BLOB)")
        while rows < len(WANTED):
            last = db.execute("SELECT position FROM bars ORDER BY first_id DESC LIMIT 1").fetchone()
            start: Any = {("BTCUSDT", 250): last[0]} if last else 1000
            async with stream(exchange, None, start=start) as bars:
                for number in range(7):
                    (bar,) = await take(bars, 1)
                    values = (bar.first_agg_trade_id, str(bar.exact("close")), bar.position)
                    db.execute("INSERT INTO bars VALUES (?, ?, ?)", values)
                    if number == 6:
                        db.rollback()
                        break

                    db.commit()
                    rows += 1
                    if rows == len(WANTED):
                        break

        found = db.execute("SELECT first_id, close FROM bars ORDER BY first_id").fetchall()

    assert found == [(bar.first_agg_trade_id, str(bar.exact("close"))) for bar in WANTED]
