"""RECOVERY.md, "Start": replaced bars go in the very transaction that begins the new segment, or they stay."""

from __future__ import annotations

import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from rangebar_anyio._errors import StoreError
from rangebar_anyio._stores import CheckpointStore, MemoryStore, RecordBars, SqliteStore, StoreReader
from rangebar_anyio.testing._store_conformance import BEGIN, FORMAT, LANE, bar, position
from tests.stores.test_processes import read_line, running

pytestmark = pytest.mark.anyio

TAPE = (bar(100, 105), bar(106, 110), bar(111, 130))
AGAIN = replace(BEGIN, origin=position(105), restart=True, replace=True)


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_a_refused_commit_deletes_nothing(kind: str, tmp_path: Path) -> None:
    """The new segment's first bar cannot be written, so the old bars and their position are still there."""
    make: Callable[[], CheckpointStore] = MemoryStore if kind == "memory" else lambda: SqliteStore(tmp_path / "s.db")
    async with make() as store:
        epoch = await store.open([LANE])
        await store.commit(epoch, [BEGIN, RecordBars(LANE, TAPE)])
        with pytest.raises(StoreError, match="does not begin after the origin"):
            await store.commit(epoch, [AGAIN, RecordBars(LANE, (bar(90, 99),))])

        assert tuple(await store.bars(LANE)) == TAPE
        assert (await store.load(epoch, FORMAT))[LANE].position == position(130)
        assert len(await store.segments(LANE)) == 1
        await store.commit(epoch, [AGAIN, RecordBars(LANE, (bar(106, 108),))])
        assert tuple(await store.bars(LANE)) == (TAPE[0], bar(106, 108))


@pytest.mark.parametrize("origin", [90, 99, 100, 105, 106, 109, 110, 129, 130, 140])
async def test_the_ids_between_two_segments_are_named(origin: int, tmp_path: Path) -> None:
    """Whatever is in no bar after a restart and before the new origin stands in the row, also when it is read again."""
    async with SqliteStore(tmp_path / "s.db") as store:
        epoch = await store.open([LANE])
        await store.commit(epoch, [BEGIN, RecordBars(LANE, TAPE)])
        await store.commit(epoch, [replace(AGAIN, origin=position(origin))])
        ranges = [range(kept.first_agg_trade_id, kept.last_agg_trade_id + 1) for kept in await store.bars(LANE)]

    with StoreReader(tmp_path / "s.db") as reader:
        now = reader.segments(LANE)[-1]

    named = set(range(now.skipped[0], now.skipped[1] + 1)) if now.skipped else set()
    assert named == set(range(100, origin + 1)).difference(*ranges)
    assert now.repeated == ((origin + 1, 130) if origin < 130 else None)


async def test_a_head_is_named_although_nobody_knows_how_far_the_lane_was(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with SqliteStore(path) as store:
        await store.commit(await store.open([LANE]), [BEGIN, RecordBars(LANE, TAPE)])

    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE bars SET packed = zeroblob(176) WHERE first_agg_trade_id = 111")
        db.execute("UPDATE positions SET position_order = 7")

    async with SqliteStore(path) as store:
        await store.commit(await store.open([LANE]), [replace(AGAIN, origin=position(107))])
        now = (await store.segments(LANE))[-1]
        assert (now.previous, now.replaced_bars, now.skipped) == (None, 2, (106, 107))


async def test_a_head_that_was_edited_by_hand_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with SqliteStore(path) as store:
        epoch = await store.open([LANE])
        await store.commit(epoch, [BEGIN, RecordBars(LANE, TAPE)])
        await store.commit(epoch, [AGAIN])
        for value in ("NULL", "104", "106.5"):
            with closing(sqlite3.connect(path, isolation_level=None)) as db:
                db.execute(f"UPDATE segments SET replaced_from = {value} WHERE segment = 2")

            with pytest.raises(StoreError, match=r"the segments of lane .* are damaged"):
                await store.segments(LANE)


# Replaces, and is killed before the transaction ends: the next statement after the deletion.
KILLED = """
import anyio, os, signal, sys
from dataclasses import replace
from rangebar_anyio._stores import *
from rangebar_anyio.testing._store_conformance import BEGIN, LANE, position

def die(statement):
    print(statement.split()[0], flush=True)
    if statement.startswith("INSERT INTO segments") or statement.startswith("INSERT OR REPLACE INTO segments"):
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    store = SqliteStore(sys.argv[1])
    epoch = await store.open([LANE])
    await store._writer.submit(lambda db: db.set_trace_callback(die)).wait()
    await store.commit(epoch, [replace(BEGIN, origin=position(105), restart=True, replace=True)])
    print("lived", flush=True)

anyio.run(main)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is killed there")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_kill_between_deletion_and_segment_deletes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with SqliteStore(path) as store:
        await store.commit(await store.open([LANE]), [BEGIN, RecordBars(LANE, TAPE)])

    said = []
    with running(KILLED, path) as process:
        while line := read_line(process):
            said.append(line)

        process.wait()

    assert process.returncode == -signal.SIGKILL, said
    assert "DELETE" in said
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM bars").fetchone() == (3,)
        assert db.execute("SELECT count(*) FROM segments").fetchone() == (1,)

    async with SqliteStore(path) as store:
        assert (await store.load(await store.open([LANE]), FORMAT))[LANE].position == position(130)
