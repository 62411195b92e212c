"""What single trades cost: making a `Trade`, `push`, and `push_many` in batches of 100.

    taskset -c 1 python benchmarks/bench_push.py [--trades 20000] [--seconds 60]

Each stands beside a baseline of the same run, the least that Python charges for the like: a frozen slotted dataclass
with the same seven fields and no checks; one call into the library that does nothing but check a handle; and appending
the trades of a batch to a list. The best of rounds that take turns counts.

The marks are 1.3 microseconds for a `Trade` from `str` or `Decimal`, 0.5 for `push`, 0.1 a trade for `push_many`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from _rounds import interleaved

from rangebar_anyio import RangeBarProcessor, Trade
from rangebar_anyio._native import ffi, lib

BATCH = 100
# What is measured: its baseline and its mark in nanoseconds.
MARKS = {
    "Trade from str": ("dataclass, unchecked", 1_300.0),
    "Trade from Decimal": ("dataclass, unchecked", 1_300.0),
    "Trade from float": ("dataclass, unchecked", None),
    "Trade from int": ("dataclass, unchecked", None),
    "push": ("a foreign call", 500.0),
    "push_many by 100": ("list.append", 100.0),
}

Row = tuple[int, object, object, int, bool, int, int]


@dataclass(frozen=True, slots=True)
class Bare:
    """The fields of a trade, unchecked."""

    agg_trade_id: int
    price: object
    quantity: object
    timestamp_us: int
    is_buyer_maker: bool
    first_trade_id: int
    last_trade_id: int


def rows(trades: int, number: Callable[[str], object]) -> list[Row]:
    """Make rows of a quiet market, prices and quantities by `number` from their text."""
    return [
        (
            1_000_000 + at,
            number(f"{112_070 + at % 90}.{at % 100:02}"),
            number(f"0.{1_000 + at % 8_999:05}"),
            1_700_000_000_000_000 + at * 211,
            at % 3 == 0,
            2_000_000 + 2 * at,
            2_000_001 + 2 * at,
        )
        for at in range(trades)
    ]


def make(of: Callable[..., object], given: Sequence[Row]) -> None:
    """Make one object of each row."""
    for agg_trade_id, price, quantity, timestamp_us, is_buyer_maker, first, last in given:
        of(agg_trade_id, price, quantity, timestamp_us, is_buyer_maker, first, last)


def push(trades: Sequence[Trade]) -> None:
    """Push trades one by one."""
    with RangeBarProcessor(250) as processor:
        take = processor.push

        for trade in trades:
            take(trade)


def push_many(batches: Sequence[Sequence[Trade]]) -> None:
    """Push trades in batches."""
    with RangeBarProcessor(250) as processor:
        take = processor.push_many

        for batch in batches:
            take(batch)


def call(times: int) -> None:
    """Call the library once for each trade, with a handle and a pointer."""
    with RangeBarProcessor(250) as processor:
        handle, info, ask = processor._handle, ffi.new("RbProcessorInfo *"), lib.rb_processor_info

        for _ in range(times):
            ask(handle, info)


def append(batches: Sequence[Sequence[Trade]]) -> None:
    """Append each trade of each batch to a list."""
    for batch in batches:
        taken: list[Trade] = []

        for trade in batch:
            taken.append(trade)  # noqa: PERF402 - the point is what one call each costs


def sides_of(count: int) -> dict[str, Callable[[], object]]:
    """Name what is to be measured."""
    texts = rows(count, str)
    decimals, floats = rows(count, Decimal), rows(count, float)
    whole = rows(count, lambda text: int(float(text)) + 1)
    trades = [Trade(*row) for row in texts]  # type: ignore[arg-type]
    batches = [trades[at : at + BATCH] for at in range(0, count, BATCH)]
    return {
        "dataclass, unchecked": lambda: make(Bare, texts),
        "a foreign call": lambda: call(count),
        "list.append": lambda: append(batches),
        "Trade from str": lambda: make(Trade, texts),
        "Trade from Decimal": lambda: make(Trade, decimals),
        "Trade from float": lambda: make(Trade, floats),
        "Trade from int": lambda: make(Trade, whole),
        "push": lambda: push(trades),
        "push_many by 100": lambda: push_many(batches),
    }


def report(count: int, seconds: float) -> None:
    """Run the sides in turns and print each beside its baseline."""
    best = interleaved(sides_of(count), rounds=1_000_000, seconds=seconds)
    print(f"{'ns a trade':22}{'best':>8}{'baseline':>10}   {'':24}mark")

    for name, (baseline, mark) in MARKS.items():
        took, least = best[name] / count * 1e9, best[baseline] / count * 1e9
        verdict = "" if mark is None else f"{mark:.0f}: {'met' if took <= mark else 'missed'}"
        print(f"{name:22}{took:8.0f}{least:10.0f}   {baseline:24}{verdict}")


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trades", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    report(given.trades, given.seconds)


if __name__ == "__main__":
    main()
