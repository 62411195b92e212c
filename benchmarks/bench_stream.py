"""From the socket to bars: open_stream beside the bare receive loops of httpx-ws and picows, in one run.

    python benchmarks/bench_stream.py            # all of it
    python benchmarks/bench_stream.py burst      # one part: burst, single, history, limited

Each client is a process of its own on one processor, the server on another. The sides take turns, and the best round of
each counts, since a shared machine has slow phases; `by cpu` counts only the processor time that the client used, and
the ratios are the medians over the rounds of these.
"""

from __future__ import annotations

import argparse

from _processes import best_and_shares, in_turns, run

_OURS = {f"open_stream, {backend}": ("stream", backend) for backend in ("asyncio", "uvloop", "trio")}
_HTTPX_WS = {f"httpx-ws, bare loop, {backend}": ("httpx-ws", backend) for backend in ("asyncio", "trio")}
_PICOWS = {f"picows, bare loop, {backend}": ("picows", backend) for backend in ("asyncio", "uvloop")}


def burst(rounds: int) -> None:
    """Whole bursts: the server writes megabytes at once."""
    trades = 2_000_000
    print(f"burst of {trades:,} trades, 250 dbps, one connection, one processor")
    _compare({**_OURS, **_PICOWS, **_HTTPX_WS}, trades, "burst", rounds)


def single(rounds: int) -> None:
    """One frame a write: the server's writes are the limit, so look at the processor time."""
    trades = 300_000
    print(f"\none frame a write, {trades:,} trades")
    _compare({**_OURS, **_PICOWS, **_HTTPX_WS}, trades, "single", rounds)


def _compare(sides: dict[str, tuple[str, str]], trades: int, mode: str, rounds: int) -> None:
    clients = {name: [*client, trades] for name, client in sides.items()}
    found = in_turns(clients, [mode, trades], rounds)
    wall, cpu = ({name: [one[rate] for one in own] for name, own in found.items()} for rate in ("rate", "cpu_rate"))
    print(f"  {'':28} {'trades/s':>11} {'by cpu':>11}  x httpx-ws  x picows")
    beside_httpx = best_and_shares(cpu, "httpx-ws, bare loop, asyncio")
    beside_picows = best_and_shares(cpu, "picows, bare loop, asyncio")
    for name in sides:
        (fastest, slow), (_, quick) = beside_httpx[name], beside_picows[name]
        print(f"  {name:28} {max(wall[name]):11,.0f} {fastest:11,.0f} {slow:11.1f} {quick:9.2f}")


def history(rounds: int) -> None:
    """A gap of a million trades from a server without limits."""
    trades = 1_000_000
    print(f"\na gap of {trades:,} trades from a local server without limits")
    for backend in ("asyncio", "uvloop", "trio"):
        results = [run(["history", backend, trades], ["history", trades]) for _ in range(max(1, rounds // 2))]
        wall, cpu = (max(result[rate] for result in results) for rate in ("rate", "cpu_rate"))
        print(f"  {backend:8} {wall:11,.0f} trades/s {cpu:11,.0f} by cpu   x {wall / 100_000:.2f} of the mark")


def limited(_rounds: int) -> None:
    """A minute of a gap within the limits: half of the exchange's weight, as by default."""
    result = run(["limited", "asyncio", 60], ["history", 1_000_000])
    fetched, allowed = result["fetched"], result["allowed"]
    print("\na gap with the limits of the spot market on, half of the weight being ours, for 60 s")
    print(f"  fetched {fetched:,} of {allowed:,.0f} trades that the limits allow: {fetched / allowed:.1%}")


PARTS = {"burst": burst, "single": single, "history": history, "limited": limited}


def main() -> None:
    """Run all parts, or one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=list(PARTS), help="only this one")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    for name, part in PARTS.items():
        if given.part in (None, name):
            part(given.rounds)


if __name__ == "__main__":
    main()
