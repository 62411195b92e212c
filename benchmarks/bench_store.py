"""Commits a second with full durability, beside a bare write-and-sync loop of the same size in the same run.

``python benchmarks/bench_store.py [FOLDER]``: the folder decides which disk is measured.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import anyio

from rangebar_anyio._stores import BeginSegment, LaneKey, RecordBars, SavePosition, SqliteStore
from rangebar_anyio.testing._store_conformance import FORMAT, ORIGIN, bar, position

LANES = [LaneKey("record", "binance-spot", f"SYMBOL{n}", 250) for n in range(50)]
ROUNDS, COMMITS = 20, 100


class Recorder:
    """Saves and records in a store, each time with the next ids."""

    def __init__(self, store: SqliteStore, epoch: int) -> None:
        self.store, self.epoch, self.at = store, epoch, 1000

    async def save(self, lane: LaneKey = LANES[0]) -> None:
        """Save one position."""
        self.at += 1
        await self.store.commit(self.epoch, [SavePosition(lane, position(self.at))])

    async def record(self, bars: int = 1) -> None:
        """Record bars and their position."""
        tape = tuple(bar(n, n) for n in range(self.at + 1, self.at + 1 + bars))
        self.at += bars
        await self.store.commit(self.epoch, [RecordBars(LANES[1], tape)])

    async def record_batch(self) -> None:
        """Record fifty waiting bars in one transaction."""
        await self.record(50)

    async def save_together(self) -> None:
        """Save fifty lanes from fifty tasks at once."""
        async with anyio.create_task_group() as tasks:
            for lane in LANES:
                tasks.start_soon(self.save, lane)


async def log_bytes(path: Path, what: Callable[[], Awaitable[None]]) -> int:
    """Give how many bytes one commit adds to the log."""
    await anyio.to_thread.run_sync(empty_the_log, path)
    for _ in range(10):
        await what()

    return (await anyio.Path(f"{path}-wal").stat()).st_size // 10


def empty_the_log(path: Path) -> None:
    """Write the log back and cut it, so that its size is what comes after."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def bare(folder: Path, size: int, count: int) -> float:
    """Give the seconds that a loop of writes and syncs takes, over a file whose size stays, as a log's does."""
    path, data = folder / "bare", os.urandom(size)
    path.write_bytes(bytes(256 * size))
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        begun = time.perf_counter()
        for number in range(count):
            os.pwrite(file.fileno(), data, (number % 256) * size)
            os.fdatasync(file.fileno())

        return time.perf_counter() - begun


async def store_time(what: Callable[[], Awaitable[None]], count: int) -> float:
    """Give the seconds that a number of commits takes, one after another."""
    begun = time.perf_counter()
    for _ in range(count):
        await what()

    return time.perf_counter() - begun


async def main(folder: Path) -> None:
    """Print one line for each way to write."""
    path = folder / "bench.db"
    async with SqliteStore(path) as store:
        epoch = await store.open(LANES)
        await store.commit(epoch, [BeginSegment(lane, FORMAT, ORIGIN) for lane in LANES])
        recorder = Recorder(store, epoch)
        rows = (
            ("position of one lane", recorder.save, COMMITS, 1),
            ("bar and position", recorder.record, COMMITS, 1),
            ("50 waiting bars in one commit", recorder.record_batch, COMMITS // 10, 50),
            ("50 lanes' positions at once", recorder.save_together, COMMITS // 10, 50),
        )
        print(f"{'':31} {'best/s':>8} {'median/s':>9} {'things/s':>9} {'bytes':>8} {'bare sync/s':>12} {'share':>6}")
        for name, what, count, things in rows:
            size = await log_bytes(path, what)
            ours, theirs = [], []
            for _ in range(ROUNDS):
                ours.append(await store_time(what, count) / count)
                theirs.append(await anyio.to_thread.run_sync(bare, folder, size, count) / count)

            # A shared disk has slow phases, so the share is taken within each round, where both sides met the same one.
            best, floor = min(ours), min(theirs)
            share = median(bare_s / ours_s for bare_s, ours_s in zip(theirs, ours, strict=True))
            print(
                f"{name:31} {1 / best:8,.0f} {1 / median(ours):9,.0f} {things / best:9,.0f} {size:8,} "
                f"{1 / floor:12,.0f} {share:6.0%}"
            )

    print("`bare sync` writes as many bytes as a commit adds to the log, and syncs: what the disk allows. The rest is")
    print("SQLite, the checksums and two hand-overs between threads.")


if __name__ == "__main__":
    with TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else ".") as name:
        anyio.run(main, Path(name))
