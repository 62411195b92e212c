"""From a frame to the bar in the consumer, and what saving each bar adds to it.

    python benchmarks/bench_latency.py           # all of it
    python benchmarks/bench_latency.py pace      # one part: pace, saving, waiting

The server stamps each trade with the moment before it sends it. `bare` is a blocking socket that does nothing but look
at the stamp: what sending, the kernel and the wake-up cost without any event loop. A machine that others use wakes
nobody up in time, so the rounds take turns, and of each side the best 250 bars in a row count (`all`: the median of
everything in the best round).
"""

from __future__ import annotations

import argparse
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from _byte_server import JUMP_EVERY
from _processes import in_turns, run

RATE = 5_000
_BACKENDS = ("asyncio", "uvloop", "trio")


def pace(rounds: int, seconds: int) -> None:
    """5,000 trades a second, a bar every 20 trades."""
    trades = RATE * seconds
    sides: dict[str, list[object]] = {"bare": ["bare", "asyncio", trades]}
    sides |= {backend: ["latency", backend, trades, 50, "none"] for backend in _BACKENDS}
    print(f"frame to bar at {RATE:,} trades a second, {rounds} rounds of {seconds} s: microseconds")
    print(f"  {'':8} {'median':>7} {'99 %':>7}   beyond bare: {'median':>7} {'99 %':>7}   all: {'median':>7}")
    best = _rounds(sides, ["steps", trades, RATE], rounds)
    bare = best["bare"]
    for name, own in best.items():
        beyond = f"{own['p50'] - bare['p50']:7.0f} {own['p99'] - bare['p99']:7.0f}"
        print(f"  {name:8} {own['p50']:7.0f} {own['p99']:7.0f}                {beyond}        {own['all']:7.0f}")


def saving(rounds: int, seconds: int) -> None:
    """Bars 10 ms apart, with a store and without: the median of all bars; the cost is the median over the rounds.

    The third side saves nothing, and a thread that has nothing to do with the stream commits to another database after
    each bar: what SQLite and its sync do to whatever else runs on the same processor.
    """
    rate = JUMP_EVERY * 100
    trades = rate * seconds
    print("\nframe to bar with bars 10 ms apart: median, microseconds")
    with TemporaryDirectory(dir=".") as folder:
        for backend in _BACKENDS:
            sides = {
                "without": ["latency", backend, trades, 50, "none"],
                "with": ["latency", backend, trades, 50, folder],
                "beside": ["beside", backend, trades, 50, folder],
            }
            found = in_turns(sides, ["steps", trades, rate], rounds)
            plain = [result["all"] for result in found["without"]]
            print(f"  {backend:8} without a store {min(plain):6.0f}", end="")
            for name, text in (("with", "with one"), ("beside", "unrelated commits beside it")):
                other = [result["all"] for result in found[name]]
                cost = median(one / without for one, without in zip(other, plain, strict=True)) - 1
                print(f"   {text} {min(other):6.0f} {cost:+.1%}", end="")

            print()


def waiting(rounds: int, seconds: int) -> None:
    """Two bars closed by one trade: the second waits until the first one's position is saved."""
    trades = RATE * seconds
    print("\ntwo bars closed by the same trade: median, microseconds")
    three = f"{'first':>7} {'second':>7}  behind it"
    print(f"  {'':8} {three}   with a store: {three}    a commit")
    with TemporaryDirectory(dir=".") as folder:
        for backend in _BACKENDS:
            plain = _best_pair(["pairs", backend, trades, "none"], trades, rounds)
            saved = _best_pair(["pairs", backend, trades, folder], trades, rounds)
            print(f"  {backend:8} {_three(plain)}                 {_three(saved)} {saved['commit']:11.0f}")


def _three(pair: dict[str, float]) -> str:
    return f"{pair['first']:7.0f} {pair['second']:7.0f} {pair['behind']:10.0f}"


def _best_pair(client: list[object], trades: int, rounds: int) -> Any:
    results = [run(client, ["steps", trades, RATE]) for _ in range(rounds)]
    return min(results, key=lambda result: result["first"])


def _rounds(sides: dict[str, list[object]], server: list[object], rounds: int) -> dict[str, dict[str, float]]:
    """Run the sides in turns and give the best of each figure."""
    found = in_turns(sides, server, rounds)
    return {name: {figure: min(r[figure] for r in own) for figure in own[0]} for name, own in found.items()}


PARTS = {"pace": pace, "saving": saving, "waiting": waiting}


def main() -> None:
    """Run all parts, or one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=list(PARTS), help="only this one")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=6)
    given = parser.parse_args()
    for name, part in PARTS.items():
        if given.part in (None, name):
            part(given.rounds, given.seconds)


if __name__ == "__main__":
    main()
