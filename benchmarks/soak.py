"""A soak test by command: simulated days with rotations and faults, and what the program holds at the end of each.

    python benchmarks/soak.py                                # an hour, on asyncio
    python benchmarks/soak.py --minutes 10 --backend trio

A day is played in 30 seconds: the exchange ends every connection after a day, the stream rotates twice a day, and in
the first half of each day a dozen faults strike. Exchange and stream are processes of their own; the stream saves every
bar in a database. At the end of each day, when everything is quiet, it collects what is garbage in cycles and looks at
its resident memory, file handles and tasks. The bars are compared with the offline bars of the whole tape.

The stream's process runs with glibc's limit for mappings fixed, since its heap frays otherwise and would hide a small
leak (`_processes.STEADY_MALLOC` says why); `--own-malloc` leaves it as it is. Python's blocks in use are counted, too.

It fails if the bars differ, if handles or tasks grow (the least of five days counts, since one may end within a
request), or if the memory grows by more than 1 MB an hour over the last five sixths of a run of at least half an hour.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import linear_regression
from tempfile import TemporaryDirectory
from typing import Any

import anyio
from _processes import STEADY_MALLOC
from _soak_market import CONFIG, DAY_S, DAY_TRADES, LIMITS, RATE, SYMBOLS, THRESHOLDS, Digest, faults, tapes, wanted
from _unlimited import Unlimited

from rangebar_anyio import Bar, BarStream, BinanceSpot, open_stream
from rangebar_anyio.testing import Pace, run_simulated_exchange

MARK_MB_AN_HOUR = 1.0
_COUNTED = ("files", "tasks")
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


# --- the exchange ----------------------------------------------------------------------------------------------------


def exchange(days: int) -> None:
    """Play the days."""
    run_simulated_exchange(
        tapes(days),
        announce=lambda ws_url, rest_url: print(ws_url, rest_url, flush=True),
        pace=Pace(trades_per_s=RATE),
        # A stream can only start at a trade that exists.
        history=RATE,
        faults=faults(days),
        limits=LIMITS,
    )


# --- the stream ------------------------------------------------------------------------------------------------------


class Reader:
    """Takes bars until the tape is through, and looks around at the end of each day."""

    def __init__(self, rest_port: int, counts: dict[str, int], *, collects: bool) -> None:
        self.rest_port = rest_port
        self.collects = collects
        self.left = sum(counts.values())
        self.digests = {name: Digest() for name in counts}
        self.day = 0

    async def read(self, bars: BarStream) -> None:
        """Take every bar."""
        while self.left:
            bar = await bars.receive()
            self.left -= 1
            self.digests[f"{bar.symbol} {bar.threshold_dbps}"].add([bar])
            await self.look(bars, bar)

    async def look(self, bars: BarStream, bar: Bar) -> None:
        """At the end of a day, wait for a quiet moment and look."""
        first_id = 1_000_000
        day = (bar.last_agg_trade_id - first_id) * len(SYMBOLS) // DAY_TRADES
        stats = bars.stats
        # In the middle of a rotation there are two connections.
        if day <= self.day or stats.connections != 1 or stats.trades_held:
            return

        self.day = day
        if self.collects:
            # Cycles wait for Python's collector, and when it comes has nothing to do with the days.
            gc.collect()

        seen = {"day": day, "rss": memory(), **files(self.rest_port), "tasks": living_tasks(), **counters(bars)}
        seen["blocks"] = sys.getallocatedblocks()
        print(json.dumps(seen), flush=True)


def counters(bars: BarStream) -> dict[str, float]:
    """What has happened so far."""
    stats = bars.stats
    names = ("disconnects", "rotations", "stalls", "gaps_filled", "requests", "duplicates", "heap_bytes", "bars")
    return {name: getattr(stats, name) for name in names}


def memory() -> int:
    """Resident bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def files(rest_port: int) -> dict[str, int]:
    """Open file handles, and idle REST connections for themselves: the pool keeps one or none, as it happens."""
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    idle = {f"socket:[{fields[9]}]" for fields in sockets if int(fields[2].partition(":")[2], 16) == rest_port}
    found = [_target(name) for name in os.listdir("/proc/self/fd")]
    # One of them was the folder that was listed, and is closed by now.
    return {"files": sum(target not in idle for target in found) - 1, "rest": sum(target in idle for target in found)}


def _target(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{name}")
    except FileNotFoundError:
        return ""


def living_tasks() -> int:
    """Tasks of the event loop."""
    if "trio" in sys.modules and (trio := sys.modules["trio"]).lowlevel.in_trio_run():
        return int(trio.lowlevel.current_statistics().tasks_living)

    return len(asyncio.all_tasks())


async def follow(ws_url: str, rest_url: str, counts: dict[str, int], store: str, how: str) -> None:
    """Receive the whole tape and print its digests."""
    reader = Reader(int(rest_url.rpartition(":")[2]), counts, collects=how == "collect")
    source = Unlimited(BinanceSpot(ws_url=ws_url, rest_url=rest_url))
    start = dict.fromkeys(SYMBOLS, 1_000_000)
    async with open_stream(
        list(SYMBOLS), threshold_dbps=THRESHOLDS, source=source, store=store, start=start, config=CONFIG
    ) as bars:
        await reader.read(bars)

    print(json.dumps({"digests": {name: digest.text() for name, digest in reader.digests.items()}}), flush=True)


# --- both ------------------------------------------------------------------------------------------------------------


@contextmanager
def started(*arguments: str, settings: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run this file in another part."""
    command = [sys.executable, __file__, *arguments]
    environment = os.environ | (settings or {})
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def soak(days: int, backend: str, how: str, settings: dict[str, str]) -> bool:
    """Run everything and print a line for each day; return whether all is well."""
    offline = wanted(tapes(days))
    counts = {name: int(text.partition(":")[0]) for name, text in offline.items()}
    kind = "as it is" if not settings else "with its limit fixed"
    print(f"{days} days of {DAY_S} s on {backend} ({how}; malloc {kind}), {sum(counts.values()):,} bars")
    looks: list[dict[str, Any]] = []
    digests: dict[str, str] = {}
    with started("--play", str(days)) as playing, TemporaryDirectory(dir=".") as folder:
        assert playing.stdout is not None
        urls = playing.stdout.readline().split()
        store = str(Path(folder) / "soak.db")
        with started("--follow", backend, *urls, json.dumps(counts), store, how, settings=settings) as following:
            assert following.stdout is not None
            for line in map(json.loads, following.stdout):
                digests |= line.get("digests", {})
                if "day" in line:
                    looks.append(line)
                    print("  " + "  ".join(f"{name} {value:,}" for name, value in line.items()), flush=True)

    if not digests:
        sys.exit("the stream did not reach the end of the tape")

    return judge(looks, same=digests == offline)


def judge(looks: list[dict[str, Any]], *, same: bool) -> bool:
    """Print what came out."""
    print(f"bars as of the whole tape: {'yes' if same else 'NO'}")
    later = [look for look in looks if look["day"] > looks[-1]["day"] / 6]
    slope = linear_regression([look["day"] * DAY_S / 3600 for look in later], [look["rss"] / 1e6 for look in later])[0]
    steady = all(min(look[name] for look in later[-5:]) <= min(look[name] for look in later[:5]) for name in _COUNTED)
    is_long = len(looks) * DAY_S >= 1800
    print(f"memory over the last five sixths: {slope:+.2f} MB an hour{'' if is_long else ' (a short run: not judged)'}")
    for name in (*_COUNTED, "blocks"):
        values = [look[name] for look in later]
        ends = f"{values[0]} first and {values[-1]} last"
        print(f"{name} at the ends of the days: {min(values)} to {max(values)}, {ends}")

    return same and steady and (slope < MARK_MB_AN_HOUR or not is_long)


def main() -> None:
    """Run the soak, or the part of it that this process is."""
    if sys.argv[1:2] == ["--play"]:
        exchange(int(sys.argv[2]))
        return

    if sys.argv[1:2] == ["--follow"]:
        backend, ws_url, rest_url, counts, store, how = sys.argv[2:]
        anyio.run(follow, ws_url, rest_url, json.loads(counts), store, how, backend=backend)
        return

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    parser.add_argument("--no-collect", action="store_true", help="leave the garbage to Python's own collector")
    parser.add_argument("--own-malloc", action="store_true", help="leave the allocator as it is")
    given = parser.parse_args()
    settings = {} if given.own_malloc else STEADY_MALLOC
    how = "leave" if given.no_collect else "collect"
    if not soak(max(2, round(given.minutes * 60 / DAY_S)), given.backend, how, settings):
        sys.exit(1)


if __name__ == "__main__":
    main()
