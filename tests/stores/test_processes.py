"""Several processes on one store: the lock, kills, forks, readers, and the end of an interpreter whose store hangs.

``KILLS=300 pytest tests/stores/test_processes.py -k kill_9 --timeout 600`` kills more often than an ordinary run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import anyio
import pytest

import rangebar_anyio._stores as stores
from rangebar_anyio._errors import StoreError
from rangebar_anyio._stores import RecordBars, SavePosition, SqliteStore, StoreReader
from rangebar_anyio.testing._store_conformance import BEGIN, FORMAT, LANE, ORIGIN, OTHER, bar, position

PACKAGE_FOLDER = Path(stores.__file__).parents[2]

# Records bars of one to three trades for ever, and says after each commit how far it was confirmed.
WRITER = """
import anyio, sys
from rangebar_anyio._stores import *
from rangebar_anyio.testing._store_conformance import BEGIN, FORMAT, LANE, bar

async def main():
    async with SqliteStore(sys.argv[1]) as store:
        epoch = await store.open([LANE])
        known = await store.load(epoch, FORMAT)
        if not known:
            await store.commit(epoch, [BEGIN])
        at = known[LANE].position.order if known else BEGIN.origin.order
        print("ready", flush=True)
        while True:
            first = at + 1
            at = first + first % 3
            await store.commit(epoch, [RecordBars(LANE, (bar(first, at),))])
            print(at, flush=True)

anyio.run(main)
"""


@contextmanager
def running(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE_FOLDER)},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def killed_after(process: subprocess.Popen[str], lines: int) -> int:
    """Kill a writer after some confirmations and return the last one that it managed to print."""
    assert read_line(process) == "ready"
    confirmed = ORIGIN.order
    for _ in range(lines):
        confirmed = int(read_line(process))

    process.send_signal(signal.SIGKILL)
    assert process.stdout is not None
    rest = [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    process.wait()
    return rest[-1] if rest else confirmed


def test_what_was_confirmed_survives_kill_9(tmp_path: Path) -> None:
    path, random = tmp_path / "s.db", Random(os.environ.get("KILL_SEED", "7"))
    for _ in range(int(os.environ.get("KILLS", "12"))):
        with running(WRITER, path) as process:
            confirmed = killed_after(process, random.randrange(1, 40))

        with StoreReader(path) as reader:
            (status,) = reader.lanes()
            recorded = list(reader.bars(LANE))

        assert status.checkpoint is not None
        end = status.checkpoint.position.order
        expected = []
        at = ORIGIN.order
        while at < end:
            expected.append(bar(at + 1, at + 1 + (at + 1) % 3))
            at = expected[-1].last_agg_trade_id

        assert end >= confirmed
        assert recorded == expected, "every bar once, none missing, and the position is that of the last one"


def test_two_processes_cannot_write_to_one_store(tmp_path: Path) -> None:
    path = tmp_path / "s.db"

    async def claim() -> int:
        async with SqliteStore(path) as store:
            return await store.open([OTHER])

    with running(WRITER, path) as process:
        assert read_line(process) == "ready"
        with pytest.raises(StoreError, match=rf"process {process.pid} is writing to it .*; stop that process, or"):
            anyio.run(claim)

        killed_after_ready(process)

    assert anyio.run(claim) > 1, "the kernel freed the lock of a killed process"


def killed_after_ready(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_removed_lock_file_does_not_let_two_writers_in_silently(tmp_path: Path) -> None:
    path = tmp_path / "s.db"

    async def main() -> None:
        async with SqliteStore(path) as store:
            epoch = await store.open([LANE])
            await store.commit(epoch, [BEGIN])
            (tmp_path / "s.db.lock").unlink()
            script = WRITER.replace("while True:", "while False:")
            with running(script, path) as process:
                assert read_line(process) == "ready"
                process.wait()

            assert await store.commit(epoch, [SavePosition(LANE, position(500))]) is False, (
                "its epoch is an old one now"
            )

    anyio.run(main)


@pytest.mark.anyio
async def test_reading_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with running(WRITER, path) as process:
        assert read_line(process) == "ready"
        async with SqliteStore(path) as store:
            seen = 0
            for _ in range(30):
                confirmed = int(read_line(process))
                recorded = await store.bars(LANE, limit=100_000)
                (status,) = await store.lanes()
                ends = [b.last_agg_trade_id for b in recorded]
                assert [b.first_agg_trade_id for b in recorded] == [100, *(end + 1 for end in ends[:-1])]
                assert ends[-1] >= confirmed, "what was confirmed is seen"
                assert status.bars >= len(recorded) >= seen, "and it only grows"
                assert list(await store.segments(LANE)) != []
                seen = len(recorded)


# Reads a store in a folder that it may not write to, as somebody else than its owner. Each step waits for a line.
READER = """
import os, sys, urllib.parse
from rangebar_anyio._stores import *
from rangebar_anyio.testing._store_conformance import LANE

if os.getuid() == 0:  # the administrator may write anywhere, so become nobody, once everything is imported
    os.setgid(65534)
    os.setuid(65534)

asked = 0

def count(db):
    global asked
    asked += 1
    found = db.execute("SELECT count(*) FROM bars").fetchone()[0]
    if asked == 1:
        print("reading", flush=True)
        sys.stdin.readline()
    return found

with StoreReader(sys.argv[1]) as reader:
    bars = reader.bars(LANE)
    ids = [next(bars).first_agg_trade_id]
    print(reader.ask(count), asked, flush=True)
    sys.stdin.readline()
    ids += [bar.first_agg_trade_id for bar in bars]
    assert ids == list(range(100, 100 + len(ids)))
    print(len(ids), flush=True)
    sys.stdin.readline()
    print(len(list(reader.bars(LANE))), [status.problem for status in reader.lanes()], flush=True)
"""


async def record_more(path: Path, count: int, meanwhile: Callable[[], None] = lambda: None) -> None:
    async with SqliteStore(path) as store:
        epoch = await store.open([LANE])
        known = await store.load(epoch, FORMAT)
        if not known:
            await store.commit(epoch, [BEGIN])

        first = known[LANE].position.order + 1 if known else 100
        tape = tuple(bar(number, number) for number in range(first, first + count))
        await store.commit(epoch, [RecordBars(LANE, tape)])
        meanwhile()


def test_a_reader_that_may_not_write_follows_what_the_owner_writes() -> None:
    """It opens the file at rest, as one that nobody can change; then the owner records, closes, and records again."""
    with TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        folder = Path(name)
        path = folder / "s.db"
        anyio.run(record_more, path, 1500)
        folder.chmod(0o555)
        with running(READER, path) as process:
            assert process.stdin is not None
            step = partial(print, file=process.stdin, flush=True)
            assert read_line(process) == "reading", process.communicate()[1]
            if os.getuid():
                folder.chmod(0o755)

            anyio.run(record_more, path, 1500)
            step()
            assert read_line(process) == "3000 2", "what was read of a file that changed meanwhile is read again"

            def read_on() -> None:
                step()
                assert read_line(process) == "4500", process.communicate()[1]

            anyio.run(record_more, path, 1500, read_on)
            anyio.run(record_more, path, 1500)
            step()
            assert read_line(process) == "6000 ['']", process.communicate()[1]
            process.wait()

        folder.chmod(0o755)


# What a child does with a store, and how the child ends, is told by its exit code.
FORK = """
import anyio, os, sys, warnings
from rangebar_anyio._errors import StoreError
from rangebar_anyio._stores import *
from rangebar_anyio.testing._store_conformance import BEGIN, LANE, OTHER, bar, position

warnings.simplefilter("ignore", DeprecationWarning)
path = sys.argv[1]

async def refused(call):
    try:
        await call
    except StoreError as error:
        assert "fork" in str(error), error
        return 1
    return 0

async def child(store, epoch):
    store.release(epoch)
    n = await refused(store.commit(epoch, [SavePosition(LANE, position(900))]))
    n += await refused(store.open([OTHER]))
    n += await refused(store.lanes())
    n += await refused(store.aclose())
    n += await refused(SqliteStore(path).open([LANE]))
    try:
        StoreReader(path)
    except StoreError:
        n += 1
    return n

async def parent():
    store = SqliteStore(path)
    epoch = await store.open([LANE])
    await store.commit(epoch, [BEGIN, RecordBars(LANE, (bar(100, 110),))])
    return store, epoch

async def go_on(store, epoch):
    for end in range(111, 140):
        await store.commit(epoch, [RecordBars(LANE, (bar(end, end),))])
    print(sorted(os.path.basename(p) for p in os.listdir(os.path.dirname(path))), flush=True)

store, epoch = anyio.run(parent)
pid = os.fork()
if pid == 0:
    sys.exit(40 + anyio.run(child, store, epoch))  # the ordinary end, with every exit handler and destructor
_, status = os.waitpid(pid, 0)
print(os.waitstatus_to_exitcode(status), flush=True)
anyio.run(go_on, store, epoch)
sys.stdin.readline()
"""


def test_after_a_fork_the_child_is_refused_and_its_exit_closes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with running(FORK, path) as process:
        assert read_line(process) == "46", process.communicate()[1]
        assert read_line(process) == "['s.db', 's.db-shm', 's.db-wal', 's.db.lock']"

        async def claim() -> None:
            async with SqliteStore(path) as store:
                await store.open([LANE])

        with pytest.raises(StoreError, match=f"process {process.pid} is writing"):
            anyio.run(claim)

        killed_after_ready(process)

    with StoreReader(path) as reader:
        (status,) = reader.lanes()
        assert status.bars == 30
        assert status.checkpoint is not None
        assert status.checkpoint.position == position(139)


# The parent only reads, or keeps everything in memory; the child may use neither, nor read that file in another way.
FORK_WITHOUT_A_WRITER = """
import anyio, os, sys, warnings
from rangebar_anyio._errors import StoreError
from rangebar_anyio._stores import *
from rangebar_anyio.testing._store_conformance import BEGIN, LANE, OTHER, position

warnings.simplefilter("ignore", DeprecationWarning)
path = sys.argv[1]
memory, reader, closed = MemoryStore(), StoreReader(path), StoreReader(sys.argv[2])
closed.close()

async def parent():
    epoch = await memory.open([LANE])
    await memory.commit(epoch, [BEGIN])
    return epoch

def refused(call):
    try:
        call()
    except StoreError as error:
        assert "fork" in str(error), error
        return 1
    return 0

async def awaited(call):
    return await call()

async def own():
    async with MemoryStore() as store, SqliteStore(sys.argv[2]) as file:
        return await store.open([LANE]) + await file.open([LANE])

def child(epoch):
    calls = [lambda: memory.commit(epoch, [SavePosition(LANE, position(500))]), lambda: memory.open([OTHER])]
    calls += [memory.lanes, memory.aclose, SqliteStore(path).lanes]
    n = sum(refused(lambda: anyio.run(awaited, call)) for call in calls)
    n += refused(reader.lanes) + refused(lambda: next(reader.bars(LANE))) + refused(lambda: StoreReader(path))
    reader.close()
    memory.release(epoch)
    assert anyio.run(own) > 1, "stores of its own, and a file that nobody had open, are the child's to use"
    return n

epoch = anyio.run(parent)
pid = os.fork()
if pid == 0:
    sys.exit(40 + child(epoch))
_, status = os.waitpid(pid, 0)
print(os.waitstatus_to_exitcode(status), [status.bars for status in reader.lanes()], flush=True)
"""


def test_after_a_fork_the_child_is_refused_what_its_parent_reads(tmp_path: Path) -> None:
    for name in ("s.db", "other.db"):
        with running(WRITER, tmp_path / name) as process:
            killed_after(process, 3)

    with running(FORK_WITHOUT_A_WRITER, tmp_path / "s.db", tmp_path / "other.db") as process:
        said, errors = process.communicate()

    assert said.startswith("48 ["), errors


# Forked in the middle of opening the lock's file, by whatever thread; the child then lives longer than its parent.
FORK_WHILE_OPENING = """
import anyio, os, sys, warnings
from rangebar_anyio._stores import *
from rangebar_anyio.testing._store_conformance import LANE

warnings.simplefilter("ignore", DeprecationWarning)
open_file, forks = os.open, []

def fork_and_open(path, *args):
    fd = open_file(path, *args)
    if path.endswith(".lock") and not forks:
        forks.append(1)
        if os.fork() == 0:
            sys.stdin.read()
            os._exit(0)
    return fd

async def main():
    os.open = fork_and_open
    async with SqliteStore(sys.argv[1]) as store:
        print(await store.open([LANE]), len(forks), flush=True)
        if sys.argv[2] == "later" and os.fork() == 0:
            sys.stdin.read()
            os._exit(0)

anyio.run(main)
"""


@pytest.mark.parametrize("when", ["opening", "later"])
def test_a_child_that_lives_longer_keeps_no_lock(tmp_path: Path, when: str) -> None:
    path = tmp_path / "s.db"

    async def claim() -> int:
        async with SqliteStore(path) as store:
            return await store.open([LANE])

    with running(FORK_WHILE_OPENING, path, when) as process:
        assert read_line(process) == "1 1", process.communicate()[1]
        process.wait()
        assert anyio.run(claim) == 2


# The writer hangs for good; the program ends by itself all the same, and says so.
HANGS = """
import anyio, sys, threading
from rangebar_anyio._errors import StoreError
from rangebar_anyio._stores import *
from rangebar_anyio.testing._store_conformance import BEGIN, LANE

async def main():
    store = SqliteStore(sys.argv[1])
    epoch = await store.open([LANE])
    store._writer.submit(lambda _: threading.Event().wait())
    with anyio.CancelScope() as scope:
        scope.cancel()
        await store.commit(epoch, [BEGIN])
    if sys.argv[2] == "closed":
        try:
            await store.aclose(deadline_s=0.01)
        except StoreError as error:
            print(error, flush=True)
    else:
        print("left", flush=True)

anyio.run(main, backend=sys.argv[3])
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("how", ["closed", "left"])
def test_a_hung_write_does_not_delay_the_end_of_the_process(tmp_path: Path, how: str, backend: str) -> None:
    with running(HANGS, tmp_path / "s.db", how, backend) as process:
        out, errors = process.communicate(timeout=150)

    assert process.returncode == 0, errors
    assert ("was left behind" if how == "closed" else "left") in out


def test_full_use_under_a_foreign_reader(tmp_path: Path) -> None:
    """A reader that stays open, with a transaction, keeps neither the writer nor the end of the writer waiting."""
    path = tmp_path / "s.db"

    async def write(first: int) -> None:
        async with SqliteStore(path) as store:
            epoch = await store.open([LANE])
            if not await store.load(epoch, FORMAT):
                await store.commit(epoch, [BEGIN])

            await store.commit(epoch, [RecordBars(LANE, (bar(first, first + 9),))])

    anyio.run(write, 100)
    with StoreReader(path) as reader:
        pages = reader.bars(LANE)
        assert next(pages) == bar(100, 109)
        anyio.run(write, 110)
        assert list(reader.bars(LANE)) == [bar(100, 109), bar(110, 119)]
