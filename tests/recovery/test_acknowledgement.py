"""When a bar is finished: what the store has at each moment, and what the next program gets after every way out."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from rangebar_anyio import BarStream, CheckpointStore, MemoryStore, StoreError
from rangebar_anyio.stores import Change, LaneKey, SavePosition
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


# A save that fails.


async def test_a_save_that_fails_gives_no_bar_and_asking_again_tries_again() -> None:
    exchange, store = FakeExchange([TAPE], history=60), Watched()
    async with stream(exchange, store) as bars:
        got = await take(bars, 3)
        store.refuses = saves
        for _ in range(3):
            with pytest.raises(StoreError, match="the disk is full; free some space"):
                await take(bars, 1)

        assert await order(store, exchange) == got[1].last_agg_trade_id
        store.refuses = lambda changes: False
        got += await take(bars, len(WANTED) - 3)

    assert got == WANTED


async def test_a_save_that_fails_at_the_exit_is_raised_or_noted() -> None:
    """As itself where the block is left normally, as a note on the exception that it is left with."""
    exchange, store = FakeExchange([TAPE], history=60), Watched()
    store.refuses = saves
    with pytest.raises(StoreError, match="the disk is full"):
        async with stream(exchange, store) as bars:
            await take(bars, 1)

    with pytest.raises(ValueError, match="mine") as raised:
        async with stream(exchange, store, save_every=5) as bars:
            assert await take(bars, 2) == WANTED[:2]
            raise ValueError("mine")

    (note,) = raised.value.__notes__
    assert "what was finished could not be saved" in note
    assert "the disk is full" in note
    store.refuses = lambda changes: False
    async with stream(exchange, store) as bars:
        assert await take(bars, 1) == WANTED[:1]


# Ways out.


async def leave(bars: BarStream, how: str) -> None:
    """Leave the block right after the third bar."""
    count = 0
    async for _ in bars:
        count += 1
        if count == 3:
            if how == "exception":
                raise KeyError("mine")

            if how == "cancelled":
                await anyio.sleep_forever()

            if how == "aclose":
                await bars.aclose()
            else:
                break


@pytest.mark.parametrize(
    ("how", "place"), [("break", 3), ("return", 3), ("aclose", 3), ("exception", 2), ("cancelled", 2)]
)
async def test_what_comes_after_each_way_out(how: str, place: int) -> None:
    """Left normally, the last bar is finished; by an exception or a cancellation, it comes again."""
    exchange, store = FakeExchange([TAPE], history=60), MemoryStore()

    async def run() -> None:
        async with stream(exchange, store) as bars:
            await leave(bars, how)
            return

    with anyio.move_on_after(0.2):
        if how == "exception":
            with pytest.raises(KeyError, match="mine"):
                await run()
        else:
            await run()

    async with stream(exchange, store) as bars:
        assert await take(bars, 1) == WANTED[place : place + 1]


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


async def test_by_hand_nothing_is_finished_by_itself() -> None:
    """Neither by asking for the next bar nor by leaving the block: for programs that may break before handling."""
    exchange, store = FakeExchange([TAPE], history=60), MemoryStore()
    for _ in range(2):
        async with stream(exchange, store, ack="manual") as bars:
            assert await take(bars, 5) == WANTED[:5]


async def test_several_tasks_acknowledge_at_the_same_time() -> None:
    """Handlers that end in any order: what the store has is the highest one, and no write lowers it."""
    exchange, store = FakeExchange([TAPE], history=60), Watched()
    async with stream(exchange, store, ack="manual") as bars:
        got = await take(bars, 10)
        async with anyio.create_task_group() as tasks:
            for bar in (got[7], got[2], got[9], got[0], got[5]):
                tasks.start_soon(bars.ack, bar)

        assert await order(store, exchange) == got[9].last_agg_trade_id

    saved = [change.position.order for change in store.of_kind(SavePosition)]
    assert saved == sorted(saved)


async def test_what_was_not_given_cannot_be_acknowledged() -> None:
    exchange, store = FakeExchange([TAPE], history=60), MemoryStore()
    stranger = bars_of(make_tape(50, symbol="ETHUSDT"), 250)[0]
    async with stream(exchange, store, ack="manual") as bars:
        await take(bars, 1)
        for bar in (WANTED[5], stranger, bars.forming("BTCUSDT", 250)):
            if bar is not None:
                with pytest.raises(ValueError, match="was not given by this stream"):
                    await bars.ack(bar)

    async with stream(exchange, store) as bars:
        (bar,) = await take(bars, 1)
        with pytest.raises(RuntimeError, match='ack="manual"'):
            await bars.ack(bar)


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


# A store that hangs.


@pytest.mark.usefixtures("virtual_backend")
class TestHanging:
    """In virtual time."""

    @pytest.fixture
    def anyio_backend(self, virtual_backend: object) -> object:
        return virtual_backend

    @pytest.mark.parametrize("kind", ["left", "cancelled", "exception"])
    async def test_it_delays_the_exit_by_no_more_than_five_seconds_and_says_so(
        self, kind: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        exchange, store = FakeExchange([TAPE], history=60), Watched()

        async def run() -> None:
            async with stream(exchange, store, save_every=9) as bars:
                await take(bars, 3)
                store.hangs = True
                if kind == "exception":
                    raise KeyError("mine")

                if kind == "cancelled":
                    await anyio.sleep_forever()

        problem = await _outcome(run, 10 if kind == "cancelled" else None)
        text = "the store did not answer within 5 s, so the last bars may come again; look at its disk"
        if kind == "left":
            assert isinstance(problem, StoreError)
            assert str(problem) == text
        elif kind == "exception":
            assert isinstance(problem, KeyError)
            assert text in problem.__notes__[0]
        else:
            assert text in caplog.text

        assert exchange.open_transports == 0
        again = MemoryStore(continues=store)
        async with stream(exchange, again) as bars:
            assert await take(bars, len(WANTED)) == WANTED


async def _outcome(run: Callable[[], Any], cancel_after_s: float | None) -> BaseException | None:
    """Run it; at its end, no more than five seconds may have passed since it was to leave."""
    began = anyio.current_time()
    problem = None
    with anyio.CancelScope() as scope:
        if cancel_after_s is not None:
            scope.deadline = began + cancel_after_s

        try:
            await run()
        except (StoreError, KeyError) as error:
            problem = error

    left_at = began + (cancel_after_s or 0)
    assert 4.9 <= anyio.current_time() - left_at <= 5.2
    return problem
