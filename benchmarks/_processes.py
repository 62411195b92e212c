"""One server and one client, each a process of its own on a processor of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ("STEADY_MALLOC", "best_and_shares", "in_turns", "pin", "run")

_HERE = Path(__file__).parent

#: glibc puts blocks of more than 128 kB into mappings of their own until the first of them is freed; from then on it
#: cuts ever larger ones out of the heap (mallopt(3)), which frays by some MB before it settles, whatever the program
#: holds. asyncio asks for 256 kB for each read. With the limit fixed, resident memory is what a program holds.
STEADY_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "131072"}


def run(
    arguments: Sequence[object],
    server: Sequence[object],
    *,
    client: str = "_clients.py",
    timeout_s: float = 600.0,
    settings: Mapping[str, str] | None = None,
) -> Any:
    """Start `_byte_server.py` with its arguments, run a client with its own against it, and return its result.

    `settings` are added to the client's environment.
    """
    command, environment = _command(client, arguments), os.environ | dict(settings or {})
    with subprocess.Popen(_command("_byte_server.py", server), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            pin(0, process.pid)
            done = subprocess.run(
                [*command, port], capture_output=True, text=True, timeout=timeout_s, check=False, env=environment
            )
        finally:
            process.kill()

    if done.returncode:
        sys.exit(done.stderr)

    return json.loads(done.stdout.splitlines()[-1])


def in_turns(sides: Mapping[str, Sequence[object]], server: Sequence[object], rounds: int) -> dict[str, list[Any]]:
    """Run the clients in turns, each against a server of its own; give the results of each side, round by round."""
    found: dict[str, list[Any]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, client in sides.items():
            found[name].append(run(client, server))

    return found


def _command(program: str, arguments: Sequence[object]) -> list[str]:
    return [sys.executable, str(_HERE / program), *map(str, arguments)]


def pin(processor: int, pid: int = 0) -> None:
    """Keep a process, by default this one, on one processor, where there are several."""
    if sys.platform == "linux" and (os.cpu_count() or 1) > processor > -1 and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {processor})


def best_and_shares(figures: dict[str, list[float]], beside: str) -> dict[str, tuple[float, float]]:
    """Give each side's best figure, and the median over the rounds of its ratio to the side `beside`."""
    base = figures[beside]
    middle = len(base) // 2
    return {
        name: (max(own), sorted(a / b for a, b in zip(own, base, strict=True))[middle]) for name, own in figures.items()
    }
