"""The simulated exchange in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from urllib.request import urlopen

import pytest

from rangebar_anyio.testing import Limits, generate_tape, run_simulated_exchange

_PROGRAM = """
import sys
from rangebar_anyio.testing import generate_tape, run_simulated_exchange

counters = run_simulated_exchange(
    generate_tape(50, first_agg_trade_id=0),
    announce=lambda ws, rest: print(ws, rest, flush=True),
    backend=sys.argv[1],
    history=20,
)
print(counters.requests, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals cannot be sent to a process there")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_cleanly(backend: str, number: signal.Signals) -> None:
    command = [sys.executable, "-W", "error", "-c", _PROGRAM, backend]

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ws_url, rest_url = process.stdout.readline().split()
        assert ws_url.startswith("ws://127.0.0.1:")

        with urlopen(f"{rest_url}/api/v3/aggTrades?symbol=BTCUSDT&fromId=18") as answer:
            assert [row["a"] for row in json.load(answer)] == [18, 19]

        process.send_signal(number)
        out, err = process.communicate(timeout=100)

    assert (process.returncode, out, err) == (0, "1\n", "")


def test_it_can_end_with_the_tape() -> None:
    urls: list[str] = []
    counters = run_simulated_exchange(
        generate_tape(50),
        announce=lambda *both: urls.extend(both),
        starts="at-once",
        stay=False,
        limits=Limits.none(),
        history=45,
    )

    assert len(urls) == 2
    assert counters.trades_played == 5
