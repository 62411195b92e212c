"""How fast `push_columns` turns whole columns into bars, beside NumPy merely summing the same columns.

    taskset -c 1 python benchmarks/bench_columns.py [--trades 10000000] [--seconds 120]

Three kinds of sides read one tape, in rounds that take turns; the best round of each counts:

- `numpy.sum` over the six int64 columns, and over those and the maker column: what reading the memory costs;
- `push_columns` with integers and with floats, the table of bars included (all fields, exact, every row checked); also
  without the two columns of individual ids, which are a third of the memory;
- a loop written by hand for numba, where numba is installed: only open, high, low, close, volume, turnover, buy volume
  and count, in floats, nothing checked, no ids: it reads 17 bytes a trade where `push_columns` reads 49, or 33.

The marks are 0.85 of the sum at 250 dbps and 0.65 at 25 dbps; on a machine that others use, give it the two minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from _numba_bars import numba_side
from _rounds import interleaved
from _tape import Tape, make_tape

from rangebar_anyio import RangeBarProcessor

MARKS = {250: 0.85, 25: 0.65}


def push(columns: Mapping[str, Any], threshold_dbps: int) -> int:
    """Push all of it into a new processor and return the number of bars."""
    with RangeBarProcessor(threshold_dbps) as processor:
        return len(processor.push_columns(**columns))


def sides_of(tape: Tape) -> dict[str, Callable[[], object]]:
    """Name what is to be measured."""
    integers = [column for name, column in tape.columns().items() if name != "is_buyer_maker"]
    everything = [*integers, tape.is_buyer_maker.view("uint8")]
    sides: dict[str, Callable[[], object]] = {
        "sum6": lambda: [column.sum() for column in integers],
        "sum7": lambda: [column.sum() for column in everything],
    }

    kinds = {"int64": tape.columns(), "float64": tape.floats(), "no individual ids": tape.without_individual_ids()}

    for kind, columns in kinds.items():
        for threshold in MARKS:
            sides[f"push_columns {threshold} dbps, {kind}"] = partial(push, columns, threshold)

    for threshold in MARKS:
        side = numba_side(tape, threshold)

        if side is not None:
            sides[f"numba {threshold} dbps, floats"] = side

    return sides


def ratio_of(best: dict[str, float], threshold_dbps: int) -> float:
    """Return the speed of `push_columns` as a part of that of the six sums."""
    return best["sum6"] / best[f"push_columns {threshold_dbps} dbps, int64"]


def report(tape: Tape, rounds: int, seconds: float) -> None:
    """Run the sides in turns and print each beside both sums."""
    trades = len(tape.agg_trade_id)

    for threshold in MARKS:
        print(f"{threshold} dbps: {trades / max(1, push(tape.columns(), threshold)):,.0f} trades a bar")

    best = interleaved(sides_of(tape), rounds=rounds, seconds=seconds)
    print(f"{'':40}{'million/s':>10}{'of six sums':>13}{'with maker':>12}")

    for name, took in best.items():
        print(f"{name:40}{trades / took / 1e6:10.0f}{best['sum6'] / took:13.2f}{best['sum7'] / took:12.2f}")

    for threshold, mark in MARKS.items():
        ratio = ratio_of(best, threshold)
        print(f"{threshold} dbps: {ratio:.2f} of the sum, the mark is {mark}: {'met' if ratio >= mark else 'missed'}")


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trades", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=120.0)
    given = parser.parse_args()
    report(make_tape(given.trades), given.rounds, given.seconds)


if __name__ == "__main__":
    main()
