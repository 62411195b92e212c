"""RECOVERY.md, "Store": nothing rests on a shield, so Ctrl-C again and again loses no bar and doubles none."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from tests.recovery.house import ROOT
from tests.recovery.streams import WANTED

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is interrupted like that there")

# Says the last id of each bar that it was given, as slowly as people do things with bars.
PROGRAM = """
import sys, time
import anyio
from tests.recovery.streams import TAPE, FakeExchange, stream

async def main():
    exchange = FakeExchange([TAPE], history=60, batch=2)
    exchange.venue = "fake"
    async with stream(exchange, sys.argv[1]) as bars:
        async for bar in bars:
            sys.stdout.write(f"{bar.last_agg_trade_id}\\n")
            sys.stdout.flush()
            time.sleep(0.002)

anyio.run(main, backend=sys.argv[2])
"""


def interrupted(path: Path, backend: str, random: Random) -> list[int]:
    """Run the program, interrupt it after some bars and then until it has ended; the ids that it said."""
    command = [sys.executable, "-c", PROGRAM, str(path), backend]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(random.randrange(1, 5))]

        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(random.choice((0.0001, 0.001, 0.01)))

        said += process.stdout.readlines()

    assert process.returncode != 0
    return [int(line) for line in said if line.endswith("\n")]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_ctrl_c_again_and_again_loses_nothing_and_repeats_the_last_bar_at_most(backend: str, tmp_path: Path) -> None:
    random, path, wanted = Random(backend), tmp_path / "bars.db", [bar.last_agg_trade_id for bar in WANTED]
    runs, told = 0, list[int]()
    while len(told) < 12:
        runs += 1
        again = interrupted(path, backend, random)
        assert again
        # The last bar of the run before comes again, unless the store knew that it was finished.
        joined = told[:-1] + again if told and again[0] == told[-1] else told + again
        assert joined == wanted[: len(joined)]
        told = joined

    assert runs > 1
