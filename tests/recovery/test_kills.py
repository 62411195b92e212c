"""`kill -9` a handful of times; hundreds with `python -m tests.recovery.kills --count 300`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .house import Market
from .kills import Failed, Totals, run

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="processes are neither forked nor killed there"),
    # A dozen processes each, on a machine that may be busy.
    pytest.mark.timeout(600),
]

SHORT = Market(trades=1500, history=800, rate=700, faults=10)


@pytest.mark.parametrize(("kind", "seed"), [("record", 1), ("plain", 2)])
def test_killed_at_random_moments_nothing_is_lost_or_doubled(kind: str, seed: int, tmp_path: Path) -> None:
    """The exchange injects faults meanwhile; the bars at the end are those of the tape, computed offline."""
    totals = Totals()
    run(kind, seed, tmp_path, totals, most_kills=8, market=SHORT)
    assert totals.kills > 0
    assert totals.bars > 100


def test_a_program_that_acknowledges_what_it_has_not_written_is_found_out(tmp_path: Path) -> None:
    """Else the check above would prove nothing."""
    with pytest.raises(Failed, match=r"[1-9]\d* missing"):
        run("careless", 3, tmp_path, Totals(), most_kills=3, market=SHORT)
