"""The writer thread: cancelled waiters, hung writes, shared writers, event loops that go away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint

from rangebar_anyio._errors import StoreError
from rangebar_anyio._stores import BeginSegment, RecordBars, SavePosition, SqliteStore, _writer
from rangebar_anyio._stores._thread import Call
from rangebar_anyio.testing._store_conformance import BEGIN, FORMAT, LANE, ORIGIN, OTHER, bar, position

pytestmark = pytest.mark.anyio


@contextmanager
def held_up(store: SqliteStore) -> Iterator[threading.Event]:
    """Hang the writer, as a dying disk would, until the event is set or the block is left."""
    gate = threading.Event()
    assert store._writer is not None
    store._writer.submit(lambda _: gate.wait())
    try:
        yield gate
    finally:
        gate.set()


async def opened(path: Path) -> tuple[SqliteStore, int]:
    store = SqliteStore(path)
    epoch = await store.open([LANE])
    await store.commit(epoch, [BEGIN])
    return store, epoch


async def stored(store: SqliteStore) -> int:
    (status,) = await store.lanes()
    assert status.checkpoint is not None
    return status.checkpoint.position.order


async def test_a_cancelled_waiter_leaves_the_write_to_the_thread(tmp_path: Path) -> None:
    store, epoch = await opened(tmp_path / "s.db")
    async with store:
        with held_up(store) as gate:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(store.commit, epoch, [SavePosition(LANE, position(150))])
                    await wait_all_tasks_blocked()
                    scope.cancel()

            gate.set()

        assert await store.commit(epoch, [SavePosition(LANE, position(120))])
        assert await stored(store) == 150, "the abandoned write was carried out, in its turn"


async def test_a_native_cancellation_twice_leaves_the_store_usable(tmp_path: Path, anyio_backend_name: str) -> None:
    if anyio_backend_name != "asyncio":
        pytest.skip("native cancellation is asyncio's")

    store, epoch = await opened(tmp_path / "s.db")
    async with store:
        with held_up(store):
            task = asyncio.ensure_future(store.commit(epoch, [SavePosition(LANE, position(150))]))
            await checkpoint()
            task.cancel()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        await store.commit(epoch, [SavePosition(LANE, position(160))])
        assert await stored(store) == 160


async def test_a_cancelled_opening_claims_nothing_even_when_it_comes_late(tmp_path: Path) -> None:
    store, epoch = await opened(tmp_path / "s.db")
    async with store:
        with held_up(store) as gate:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(store.open, [OTHER])
                    await wait_all_tasks_blocked()
                    scope.cancel()

            gate.set()

        assert await store.open([OTHER]) > epoch
        assert await store.commit(epoch, [SavePosition(LANE, position(150))]), "another lane's epoch is its own"


@pytest.mark.parametrize("how", ["by scope", "natively", "natively and again"])
@pytest.mark.parametrize("steps", range(4))
async def test_cancelled_after_any_number_of_steps(
    tmp_path: Path, steps: int, how: str, anyio_backend_name: str
) -> None:
    """Cancel each call after some turns of the event loop; the store answers the next one as if nothing happened."""
    if how != "by scope" and anyio_backend_name != "asyncio":
        pytest.skip("native cancellation is asyncio's")

    store, epoch = await opened(tmp_path / "s.db")
    calls = (
        lambda: store.open([OTHER]),
        lambda: store.load(epoch, FORMAT),
        lambda: store.commit(epoch, [RecordBars(LANE, (bar(100, 110),))]),
        store.lanes,
        lambda: store.bars(LANE),
        lambda: store.segments(LANE),
    )
    for call in calls:
        await (cancel_by_scope(call, steps) if how == "by scope" else cancel_natively(call, steps, "again" in how))

    assert await store.commit(epoch, [RecordBars(LANE, (bar(100, 110), bar(111, 120)))])
    # A task that is cancelled before its first step never runs at all, so it cannot have closed anything.
    begun = max(1, steps)
    await (cancel_by_scope(store.aclose, begun) if how == "by scope" else cancel_natively(store.aclose, begun, True))
    async with SqliteStore(tmp_path / "s.db") as again:
        await again.open([LANE, OTHER])
        assert list(await again.bars(LANE)) == [bar(100, 110), bar(111, 120)]
        assert await stored(again) == 120


async def cancel_by_scope(call: Any, steps: int) -> None:
    async def start(*, task_status: TaskStatus[None]) -> None:
        task_status.started()
        await call()

    async with anyio.create_task_group() as tasks:
        await tasks.start(start)
        for _ in range(steps):
            await checkpoint()

        tasks.cancel_scope.cancel()


async def cancel_natively(call: Any, steps: int, again: bool) -> None:
    task = asyncio.ensure_future(call())
    for _ in range(steps):
        await checkpoint()

    task.cancel()
    if again:
        await checkpoint()
        task.cancel()

    try:
        await task
    except asyncio.CancelledError:
        pass


async def test_closing_a_hung_store_takes_no_longer_than_the_deadline(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, epoch = await opened(tmp_path / "s.db")
    with held_up(store):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.commit, epoch, [SavePosition(LANE, position(150))])
            await wait_all_tasks_blocked()
            with pytest.raises(StoreError, match=r"did not finish within 0\.01 s and was left behind"):
                await store.aclose(deadline_s=0.01)

            tasks.cancel_scope.cancel()

    assert "left behind" in caplog.text
    async with SqliteStore(tmp_path / "s.db") as again:
        await again.open([LANE])
        assert await stored(again) == 150, "what came late did no harm"


async def test_closing_begins_although_it_is_cancelled(tmp_path: Path) -> None:
    store, epoch = await opened(tmp_path / "s.db")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await store.aclose()

    with pytest.raises(anyio.ClosedResourceError):
        await store.commit(epoch, [SavePosition(LANE, position(150))])

    async with SqliteStore(tmp_path / "s.db") as again:
        assert await again.open([LANE]) > epoch


async def test_a_late_write_of_a_left_behind_opening_does_nothing_after_the_next_one(tmp_path: Path) -> None:
    store, old = await opened(tmp_path / "s.db")
    async with store, SqliteStore(tmp_path / "s.db") as second:
        store.release(old)
        epoch = await second.open([LANE])
        assert await second.commit(epoch, [SavePosition(LANE, position(200))])
        assert await store.commit(old, [SavePosition(LANE, position(900))]) is False
        assert await stored(second) == 200


async def test_stores_of_one_path_share_one_writer_and_one_claim(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "s.db")
    store, epoch = await opened(tmp_path / "s.db")
    async with store, SqliteStore(tmp_path / "link.db") as second:
        with pytest.raises(StoreError, match="lane default/binance-spot/BTCUSDT/250 is open in another stream"):
            await second.open([LANE, OTHER])

        other = await second.open([OTHER])
        assert second._writer is store._writer
        await second.commit(other, [BeginSegment(OTHER, FORMAT, ORIGIN)])
        await store.aclose()
        with pytest.raises(anyio.ClosedResourceError):
            await store.commit(epoch, [])

        assert await second.commit(other, [SavePosition(OTHER, position(150))]), "one leaves, the other goes on"
        assert await second.open([LANE]) > epoch, "closing released the lane"

    assert str(tmp_path / "s.db") not in _writer._writers, "the last one ended the writer"


async def test_the_writer_starts_again_for_a_store_that_comes_while_it_closes(tmp_path: Path) -> None:
    for _ in range(20):
        store, _ = await opened_again(tmp_path / "s.db")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.aclose)
            other = SqliteStore(tmp_path / "s.db")
            tasks.start_soon(other.open, [OTHER])

        await other.aclose()
        assert str(tmp_path / "s.db") not in _writer._writers


async def opened_again(path: Path) -> tuple[SqliteStore, int]:
    store = SqliteStore(path)
    return store, await store.open([LANE])


async def test_waiting_writes_share_one_transaction(tmp_path: Path) -> None:
    store, epoch = await opened(tmp_path / "s.db")
    statements: list[str] = []

    def watch(db: Connection) -> None:
        db.set_trace_callback(statements.append)

    async with store:
        assert store._writer is not None
        await store._writer.submit(watch).wait()
        refused: list[str] = []

        async def refuse() -> None:
            with pytest.raises(StoreError) as caught:
                await store.commit(epoch, [RecordBars(LANE, (bar(1, 2),))])

            refused.append(str(caught.value))

        with held_up(store) as gate:
            async with anyio.create_task_group() as tasks:
                for order in (150, 160, 170):
                    tasks.start_soon(store.commit, epoch, [SavePosition(LANE, position(order))])

                tasks.start_soon(refuse)
                await wait_all_tasks_blocked()
                statements.clear()
                gate.set()

        assert len([s for s in statements if s == "COMMIT"]) <= 2, "the hung one and the four that waited"
        assert await stored(store) == 170, "a refused one takes nothing from the others"
        assert len(refused) == 1


def test_an_event_loop_that_is_gone_harms_nobody(tmp_path: Path, anyio_backend: tuple[str, dict[str, Any]]) -> None:
    gate = threading.Event()
    calls: list[Call[Any]] = []

    async def leave_in_a_hurry() -> None:
        store, epoch = await opened(tmp_path / "s.db")
        assert store._writer is not None
        store._writer.submit(lambda _: gate.wait())
        run = store.commit(epoch, [SavePosition(LANE, position(150))])
        with anyio.move_on_after(0):
            await run

        calls.append(store._writer.leave())
        store._closed = True

    async def look() -> None:
        async with SqliteStore(tmp_path / "s.db") as store:
            await store.open([OTHER])
            assert await stored(store) in (99, 150)

    name, options = anyio_backend
    anyio.run(leave_in_a_hurry, backend=name, backend_options=options)
    gate.set()
    anyio.run(look, backend=name, backend_options=options)
    assert calls[0].done


async def test_event_loops_in_several_threads_share_a_file(tmp_path: Path) -> None:
    async def work(reader: str) -> None:
        lane = LANE.__class__(reader, *("binance-spot", "BTCUSDT"), 250)
        async with SqliteStore(tmp_path / "s.db") as store:
            epoch = await store.open([lane])
            await store.commit(epoch, [BeginSegment(lane, FORMAT, ORIGIN)])
            for order in range(100, 120):
                await store.commit(epoch, [SavePosition(lane, position(order))])

    async def in_a_thread(reader: str) -> None:
        await anyio.to_thread.run_sync(anyio.run, work, reader)

    async with anyio.create_task_group() as tasks:
        for reader in "abc":
            tasks.start_soon(in_a_thread, reader)

    async with SqliteStore(tmp_path / "s.db") as store:
        statuses = await store.lanes()
        assert [s.checkpoint.position.order for s in statuses if s.checkpoint] == [119, 119, 119]
