"""That memory stays bounded: many symbols, long runs, and a consumer that sleeps.

`python benchmarks/bench_memory.py` runs all of it, `bench_memory.py sleeper --seconds 600` one part: symbols, endless,
sleeper.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from _processes import STEADY_MALLOC, run

_BACKENDS = ("asyncio", "trio")
_HERE = Path(__file__).parent


def symbols(_seconds: int) -> None:
    """A thousand symbols at four thresholds, beside one symbol at one."""
    print("growth of a process by a stream, MB (mark: 100)")
    for backend in _BACKENDS:
        for count, thresholds in ((1, 1), (1_000, 1), (1_000, 4)):
            trades = 500_000
            seen = run(
                ["symbols", backend, count, thresholds, trades], ["many", trades, count], client="_memory_clients.py"
            )
            print(
                f"  {backend:8} {count:5,} symbols at {thresholds} thresholds: grown by {seen['grown']:5.1f} "
                f"to {seen['total']:5.1f}, of it in the engine {seen['engine']:.1f}; {seen['trades']:,} trades"
            )


def endless(_seconds: int) -> None:
    """Fifty million trades, made while they are sent; with glibc's heap as it is, and where it cannot fray."""
    trades = 50_000_000
    print(f"\nresident memory in the course of {trades:,} trades, MB")
    for backend in _BACKENDS:
        for malloc, settings in (("as it is", {}), ("limit fixed", STEADY_MALLOC)):
            seen = run(
                ["endless", backend, trades],
                ["endless", trades],
                client="_memory_clients.py",
                timeout_s=1800,
                settings=settings,
            )
            points = {int(millions): mb for millions, mb in seen["points"].items()}
            course = "  ".join(f"{millions} M: {mb:.1f}" for millions, mb in points.items())
            growth = points[max(points)] - points[min(points)]
            print(f"  {backend:8} malloc {malloc:12} {course}   growth {growth:+.1f}, most {seen['most']:.1f}")


def sleeper(seconds: int) -> None:
    """A consumer that sleeps while 5,000 trades a second go by."""
    print(f"\na consumer that sleeps {seconds} s at 5,000 trades a second: resident memory in MB")
    for backend in _BACKENDS:
        seen, is_same = _sleep(backend, seconds)
        print(
            f"  {backend:8} awake {seen['awake']:.1f}, asleep for 10 s {seen['first']:.1f}, at the end of it "
            f"{seen['last']:.1f} (most {seen['most']:.1f}), caught up {seen['end']:.1f}; reconnects "
            f"{seen['reconnects']}, {seen['fetched']:,} trades fetched; bars as of the tape: {is_same}"
        )


def _sleep(backend: str, seconds: int) -> tuple[dict[str, float], str]:
    program = [sys.executable, str(_HERE / "_sleeper.py")]
    with subprocess.Popen([*program, "play", str(seconds)], stdout=subprocess.PIPE, text=True) as playing:
        try:
            assert playing.stdout is not None
            ws_url, rest_url, count, digest = json.loads(playing.stdout.readline())
            command = [*program, "sleep", backend, str(seconds), ws_url, rest_url, str(count)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        finally:
            playing.kill()

    seen = json.loads(done.stdout)
    return seen, "yes" if seen["digest"] == digest else "NO"


PARTS = {"symbols": symbols, "endless": endless, "sleeper": sleeper}


def main() -> None:
    """Run all parts, or one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=list(PARTS), help="only this one")
    parser.add_argument("--seconds", type=int, default=60, help="how long the consumer sleeps")
    given = parser.parse_args()
    for name, part in PARTS.items():
        if given.part in (None, name):
            part(given.seconds)


if __name__ == "__main__":
    main()
