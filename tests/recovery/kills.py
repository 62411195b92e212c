"""`kill -9` at random moments, as often as wanted: `python -m tests.recovery.kills --count 300 --seed 1`.

A run is one tape, one exchange and one database. Programs are started and killed until the tape is over, and then one
is left alive until it has the last bar. Some die at a random moment, some just before a random line of the library,
counted by a trace, so that also what takes no time at all is hit. At the end of every run

- the database of the recorder holds, in each lane, exactly the bars of the tape computed offline, and after each kill
  the first ones of them;
- the file of the program that writes its own holds them too, and after a kill possibly the last bar of a lane again.

A program that ends by itself is an error, whatever it says.
"""

from __future__ import annotations

import argparse
import json
import select
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import exp, log
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

from rangebar_anyio import StoreReader

from .house import Lane, Market, exchange_of, helper, read_json, recorded_bars, wanted_bars
from .victims import THRESHOLDS, Kind, Order

_PATIENCE_S = 120.0
_LONGEST_LIFE_S = 1.2
_MOST_LINES = 30_000


_PROGRAMS: dict[str, tuple[Kind, ...]] = {
    "record": ("cli", "record"),
    "plain": ("plain",),
    "careless": ("careless",),
}


class Failed(AssertionError):
    """A promise was not kept; the message has the seed and what is needed to look closer."""


@dataclass(slots=True)
class Totals:
    """What all runs came to."""

    runs: int = 0
    kills: int = 0
    bars: int = 0
    repeated: int = 0
    by: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        how = ", ".join(f"{count} {name}" for name, count in sorted(self.by.items()))
        return f"{self.runs} runs, {self.kills} kills ({how}), {self.bars} bars, {self.repeated} given again"


class Stable:
    """The process that makes victims, seen from here."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self._process = process
        self._errors = errors

    def start(self, order: Order) -> None:
        """Start a program."""
        self._say(order.to_text())

    def has_ended(self, within_s: float) -> bool:
        """Wait so long, or until the program has ended by itself."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], within_s)[0])

    def kill(self, order: Order) -> None:
        """Kill the program.

        Raises:
            Failed: it had ended by itself, other than by killing itself.
        """
        self._say("kill")
        ended = read_json(self._process)["ended"]
        if ended != -signal.SIGKILL:
            raise Failed(f"{order} ended by itself with code {ended}:\n{self._errors.read_text()}")

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


@contextmanager
def stable(folder: Path) -> Iterator[Stable]:
    """Run the process that makes victims."""
    errors = folder / "errors.txt"
    with helper("stable", str(errors)) as process:
        yield Stable(process, errors)


def run(kind: str, seed: int, folder: Path, totals: Totals, *, most_kills: int, market: Market | None = None) -> None:
    """Do one run.

    Args:
        kind: `"record"` (both ways of recording, mixed), `"plain"`, or `"careless"`, which has to fail.
        seed: of everything that is random.
        folder: an empty one.
        totals: added to.
        most_kills: after so many the next program is left alive.
        market: in place of one that lasts for about 20 kills.

    Raises:
        Failed: the bars are not those of the tape.
    """
    random = Random(f"kills:{seed}")
    market = replace(market or Market(trades=6000, history=3000, rate=1500, faults=30), seed=seed)
    tapes = market.tapes()
    wanted = wanted_bars(tapes, THRESHOLDS)
    check = _check_recorded if kind == "record" else _check_written
    with exchange_of(market) as (ws_url, rest_url, exchange), stable(folder) as victims:
        finished = _told(exchange)
        first = Order(
            "record",
            "asyncio",
            str(folder / "bars.db"),
            ws_url,
            rest_url,
            {tape.symbol: tape[0].agg_trade_id for tape in tapes},
            str(folder / "bars.txt"),
            save_every=random.choice((1, 1, 3)) if kind == "plain" else 1,
        )
        for _ in range(most_kills):
            if finished():
                break

            _kill_one(victims, _next_order(first, kind, random), random, totals)
            if kind == "record":
                _check_beginning(folder, wanted)

        last = replace(_next_order(first, "plain" if kind == "careless" else kind, random), line=0)
        victims.start(last)
        _await(victims, lambda: _has_last_bars(kind, folder, wanted), folder, last)
        victims.kill(last)

    totals.runs += 1
    totals.bars += sum(map(len, wanted.values()))
    check(folder, wanted, first, totals)


def _told(exchange: subprocess.Popen[str]) -> Callable[[], bool]:
    """Listen to the exchange beside everything else; tells whether the tape is over."""
    lines: list[Any] = []

    def listen() -> None:
        assert exchange.stdout is not None
        lines.extend(exchange.stdout)

    Thread(target=listen, daemon=True).start()
    return lambda: bool(lines)


def _next_order(first: Order, kind: str, random: Random) -> Order:
    program: Kind = random.choice(_PROGRAMS[kind])
    is_traced = random.random() < 0.4 and program != "careless"
    line = int(exp(random.uniform(log(10), log(_MOST_LINES)))) if is_traced else 0
    return replace(first, kind=program, backend=random.choice(("asyncio", "trio")), line=line)


def _kill_one(victims: Stable, order: Order, random: Random, totals: Totals) -> None:
    # Early moments are tried more often: the opening of a store and the first commit are short.
    life_s = _LONGEST_LIFE_S * random.random() ** 2 if not order.line else 2 * _LONGEST_LIFE_S
    victims.start(order)
    if order.kind == "careless":
        # Not before it does anything, or it would be found out by luck only.
        before = _size(order.out)
        _await(victims, lambda: _size(order.out) > before + 1000, Path(order.out).parent, order)
    else:
        victims.has_ended(life_s)

    victims.kill(order)
    totals.kills += 1
    totals.by[f"{order.kind} {'at a line' if order.line else 'at a moment'}"] += 1


def _await(victims: Stable, holds: Callable[[], bool], folder: Path, order: Order) -> None:
    until = time.monotonic() + _PATIENCE_S
    while not holds():
        if victims.has_ended(0.05):
            victims.kill(order)

        if time.monotonic() > until:
            raise Failed(f"{order} has not come to the end of the tape:\n{(folder / 'errors.txt').read_text()}")


def _size(path: str) -> int:
    return Path(path).stat().st_size if Path(path).exists() else 0


def _has_last_bars(kind: str, folder: Path, wanted: dict[Lane, list[bytes]]) -> bool:
    if kind == "record":
        found = recorded_bars(folder / "bars.db")
    else:
        found = {lane: [bar for _, bar in bars] for lane, bars in _written(folder / "bars.txt").items()}

    return all(found.get(lane, [b""])[-1:] == bars[-1:] for lane, bars in wanted.items())


def _check_beginning(folder: Path, wanted: dict[Lane, list[bytes]]) -> None:
    """What a reader finds right after a kill, with nobody's lock and a log that nobody closed."""
    for lane, bars in recorded_bars(folder / "bars.db").items():
        if bars != wanted[lane][: len(bars)]:
            raise Failed(f"{lane}: after a kill the {len(bars)} bars are not the first ones of the tape; see {folder}")


def _check_recorded(folder: Path, wanted: dict[Lane, list[bytes]], order: Order, totals: Totals) -> None:
    path = folder / "bars.db"
    _compare(recorded_bars(path), wanted, folder)
    with StoreReader(path) as store:
        for status in store.lanes():
            bars = wanted[status.lane.symbol, status.lane.threshold_dbps]
            last_id = int.from_bytes(bars[-1][160:168], "little")
            assert status.checkpoint is not None, status
            assert (status.checkpoint.position.order, status.problem) == (last_id, "")
            assert len(store.segments(status.lane)) == 1, "no kill makes a new segment"

    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()


def _check_written(folder: Path, wanted: dict[Lane, list[bytes]], order: Order, totals: Totals) -> None:
    """Only the last bars of a lane may come again, as many as are saved together, and only right after a start."""
    found: dict[Lane, list[bytes]] = {}
    for lane, entries in _written(folder / "bars.txt").items():
        bars: list[bytes] = []
        at, started = 0, -1
        for start, bar in entries:
            if start != started and bars and bar in bars[-order.save_every :]:
                at = bars.index(bar)

            started = start
            if at < len(bars):
                totals.repeated += 1
                if bars[at] != bar:
                    raise Failed(f"{lane}: another bar than before came at place {at}; see {folder}")
            else:
                bars.append(bar)

            at += 1

        found[lane] = bars

    _compare(found, wanted, folder)


def _compare(found: dict[Lane, list[bytes]], wanted: dict[Lane, list[bytes]], folder: Path) -> None:
    for lane, bars in wanted.items():
        got = found.get(lane, [])
        if got != bars:
            missing, extra = set(bars) - set(got), set(got) - set(bars)
            raise Failed(
                f"{lane}: {len(got)} bars instead of {len(bars)}, {len(missing)} missing, {len(extra)} that the tape "
                f"does not have, {len(got) - len(set(got))} doubled; see {folder}"
            )

    assert found.keys() == wanted.keys()


def _written(path: Path) -> dict[Lane, list[tuple[int, bytes]]]:
    """Read the plain program's file: for each lane its bars, each with the number of the start it came after."""
    found: dict[Lane, list[tuple[int, bytes]]] = {}
    starts = 0
    text = path.read_text() if path.exists() else ""
    for line in text[: text.rfind("\n") + 1].splitlines():
        if line == "start":
            starts += 1
            continue

        symbol, threshold, bar = line.split()
        found.setdefault((symbol, int(threshold)), []).append((starts, bytes.fromhex(bar)))

    return found


def main() -> None:
    """Kill until there were enough."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=300, help="kills, over all runs")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each further one has the next")
    parser.add_argument("--kind", choices=("record", "plain", "both"), default="both")
    options = parser.parse_args()

    totals, seed = Totals(), options.seed
    while totals.kills < options.count:
        kind = options.kind if options.kind != "both" else ("record", "plain")[seed % 2]
        folder = Path(tempfile.mkdtemp(prefix="kills-"))
        left = options.count - totals.kills
        run(kind, seed, folder, totals, most_kills=left)
        sys.stdout.write(f"seed {seed}, {kind}: equal. {totals}\n")
        sys.stdout.flush()
        for file in folder.iterdir():
            file.unlink()

        folder.rmdir()
        seed += 1

    sys.stdout.write(json.dumps({"runs": totals.runs, "kills": totals.kills, **totals.by}) + "\n")


if __name__ == "__main__":
    main()
