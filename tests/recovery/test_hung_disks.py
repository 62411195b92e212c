"""RECOVERY.md, "Store": a disk that hangs delays leaving a block, and the end of the process, by the deadline only."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from rangebar_anyio import Bar, SqliteStore, StoreError
from rangebar_anyio._stores import _writer
from rangebar_anyio._stream import _closing
from rangebar_anyio.testing._store_conformance import BEGIN, LANE
from tests.recovery.house import ROOT
from tests.recovery.streams import TAPE, WANTED, FakeExchange, stream, take

pytestmark = pytest.mark.anyio

DEADLINE_S = 0.3
#: How late a busy machine may be, which is far from how long the disk hangs.
LATE_S = 30.0


class Crash(Exception):
    """A bug of the program."""


@contextmanager
def hanging(path: Path) -> Iterator[None]:
    """Hang the file's writer, as a dying disk would; afterwards what waited is written."""
    gate = threading.Event()
    _writer._writers[str(path)].submit(lambda _: gate.wait(2 * LATE_S))
    try:
        yield
    finally:
        gate.set()


@pytest.mark.parametrize("way", ["normally", "exception", "cancelled"])
async def test_leaving_takes_no_longer_than_the_deadline(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so, by an error, a note or the log, and what comes late does no harm to the next run."""
    assert _closing.CLOSE_SECONDS == 5.0
    monkeypatch.setattr(_closing, "CLOSE_SECONDS", DEADLINE_S)
    exchange, path = FakeExchange([TAPE], history=60), tmp_path / "bars.db"
    told, began, got = "", anyio.current_time(), list[Bar]()
    with anyio.CancelScope() as scope:
        try:
            with ExitStack() as disk:
                async with stream(exchange, path, save_every=9) as bars:
                    got = await take(bars, 3)
                    disk.enter_context(hanging(path))
                    began = anyio.current_time()
                    if way == "exception":
                        raise Crash

                    if way == "cancelled":
                        scope.cancel()
                        await anyio.lowlevel.checkpoint()
        except StoreError as error:
            told = str(error)
        except Crash as error:
            told = "".join(error.__notes__)

    # What is closed after the deadline has a tenth of a second each; a busy machine takes longer to notice.
    assert DEADLINE_S <= anyio.current_time() - began < DEADLINE_S + LATE_S
    assert "did not" in (told or caplog.text)
    async with stream(exchange, path) as bars:
        again = await take(bars, 1)
        place = WANTED.index(again[0])
        assert place <= len(got)
        assert again + await take(bars, len(WANTED) - place - 1) == WANTED[place:]


async def test_a_hung_disk_is_told_also_where_nothing_was_left_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream's own store is left behind open, which nobody should learn from a lock that stays."""
    monkeypatch.setattr(_closing, "CLOSE_SECONDS", DEADLINE_S)
    exchange, path = FakeExchange([TAPE], is_playing=False), tmp_path / "bars.db"
    with ExitStack() as disk, pytest.raises(StoreError, match="did not"):
        async with stream(exchange, path, start="live"):
            disk.enter_context(hanging(path))


class TestInVirtualTime:
    """What a stream waits for at its end, and the store that was given to it after that, share one deadline."""

    @pytest.fixture
    def anyio_backend(self, virtual_backend: Any) -> Any:
        return virtual_backend

    @pytest.mark.parametrize("waits", [(), (5.0,), (2.0,), (1.0, 3.0, 2.0), (60.0,)])
    async def test_a_store_of_its_own_block_shares_the_deadline(self, waits: tuple[float, ...], tmp_path: Path) -> None:
        path = tmp_path / "bars.db"
        store = SqliteStore(path)
        epoch = await store.open([LANE])
        with hanging(path):
            for seconds in waits:
                with anyio.move_on_after(seconds, shield=True):
                    await store.commit(epoch, [BEGIN])

            began = anyio.current_time()
            with pytest.raises(StoreError, match="did not finish within 5 s and was left behind"):
                await store.aclose()

        assert anyio.current_time() - began == pytest.approx(max(5.0 - max(waits, default=0.0), 0.1))

    async def test_what_was_given_up_and_came_all_the_same_counts_no_more(self, tmp_path: Path) -> None:
        path = tmp_path / "bars.db"
        store = SqliteStore(path)
        epoch = await store.open([LANE])
        with hanging(path), anyio.move_on_after(60):
            await store.commit(epoch, [BEGIN])

        await store.commit(epoch, [BEGIN])
        with hanging(path):
            began = anyio.current_time()
            with pytest.raises(StoreError, match="did not finish within 5 s"):
                await store.aclose()

        assert anyio.current_time() - began == pytest.approx(5.0)


PROGRAM = """
import anyio, sys, threading
from rangebar_anyio import StoreError
from rangebar_anyio._stores import _writer
from rangebar_anyio._stream import _closing
from tests.recovery.streams import TAPE, FakeExchange, stream, take

_closing.CLOSE_SECONDS = 0.3

async def main():
    try:
        async with stream(FakeExchange([TAPE], history=60), sys.argv[1], save_every=9) as bars:
            await take(bars, 3)
            _writer._writers[sys.argv[1]].submit(lambda _: threading.Event().wait())
    except StoreError as error:
        print(error)

anyio.run(main, backend=sys.argv[2])
print("the end", flush=True)
"""


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_process_ends_although_the_disk_never_answers(backend: str, anyio_backend: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(tmp_path / "bars.db"), backend]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    assert "did not" in done.stdout
    assert done.stdout.endswith("the end\n")
