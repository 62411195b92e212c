"""What the tests of recovery share: a market, its bars computed offline, and helpers in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from rangebar_anyio import Bar, StoreReader
from rangebar_anyio.testing import Tape, generate_tape

ROOT = Path(__file__).parents[2]
PRICES = {"BTCUSDT": "60000", "ETHUSDT": "3000"}
VENUE = "binance-spot"


@dataclass(frozen=True, slots=True)
class Market:
    """A market that every process makes again from these numbers.

    Attributes:
        seed: of the tapes and the faults.
        trades: of each symbol.
        symbols: at most two.
        history: trades that are in the past when the exchange starts.
        rate: trades a second.
        faults: how many faults are spread over what is live, the last tenth left out.
    """

    seed: int = 1
    trades: int = 3000
    symbols: int = 2
    history: int = 1000
    rate: float = 2000.0
    faults: int = 0

    @property
    def total(self) -> int:
        """Trades of all symbols."""
        return self.trades * self.symbols

    def tapes(self) -> list[Tape]:
        """Make the tapes; the first one begins at id 0, so that its origin is -1."""
        return [
            generate_tape(
                self.trades,
                seed=self.seed,
                symbol=symbol,
                start_price=price,
                first_agg_trade_id=number * 500_000,
                halt_s=0,
            )
            for number, (symbol, price) in enumerate([*PRICES.items()][: self.symbols])
        ]

    def to_text(self) -> str:
        """Write it for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Market:
        """Read what `to_text` wrote."""
        return cls(**json.loads(text))


def bars_of(tape: Tape, threshold_dbps: int, *, from_id: int = 0) -> list[Bar]:
    """Compute the bars of a tape from an id on, offline."""
    return tape.bars(threshold_dbps, from_id=from_id)


Lane = tuple[str, int]


def wanted_bars(tapes: Sequence[Tape], thresholds: Sequence[int]) -> dict[Lane, list[bytes]]:
    """Give the packed bars of every lane, offline."""
    return {
        (tape.symbol, threshold): [bar._raw for bar in bars_of(tape, threshold)]
        for tape in tapes
        for threshold in thresholds
    }


def recorded_bars(path: Path, *, reader: str = "record") -> dict[Lane, list[bytes]]:
    """Give the packed bars of every lane that a reader's name has in a database; of none, if there is no file yet."""
    if not path.exists():
        return {}

    with StoreReader(path) as store:
        lanes = [status.lane for status in store.lanes() if status.lane.reader == reader]
        return {(lane.symbol, lane.threshold_dbps): [bar.packed for bar in store.bars(lane)] for lane in lanes}


@contextmanager
def helper(module: str, *arguments: str, errors: IO[bytes] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a module of this folder in a process of its own; it ends with its standard input."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", f"tests.recovery.{module}", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_json(process: subprocess.Popen[str]) -> Any:
    """Read the next line that a helper said."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the helper has ended"
    return json.loads(line)


@contextmanager
def exchange_of(market: Market) -> Iterator[tuple[str, str, subprocess.Popen[str]]]:
    """Run the exchange of a market; its process says `{"finished": ...}` when the whole tape is public."""
    with helper("exchange", market.to_text()) as process:
        urls = read_json(process)
        yield urls["ws_url"], urls["rest_url"], process
