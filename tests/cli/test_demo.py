"""`rangebar-anyio demo`, and the tape it ships."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from rangebar_anyio.cli._demo_tape import DEMO_TAPE, write_demo_tape


def test_the_shipped_tape_is_what_its_generator_makes(tmp_path: Path) -> None:
    write_demo_tape(str(tmp_path / "BTCUSDT-demo.zip"))

    with zipfile.ZipFile(DEMO_TAPE) as shipped, zipfile.ZipFile(tmp_path / "BTCUSDT-demo.zip") as made:
        assert shipped.namelist() == made.namelist()
        assert shipped.read("BTCUSDT-demo.csv") == made.read("BTCUSDT-demo.csv")


def test_it_ends_well_anywhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rangebar_anyio.cli", "demo", "--offline"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)

    assert done.returncode == 0, done.stderr
    assert "closed at (UTC)" in done.stdout
    assert "BTCUSDT" in done.stdout
    assert "36,000 trades" in done.stderr
    assert "checksums: 1 right" in done.stderr
