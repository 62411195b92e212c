"""The header serves C and C++ with every warning an error, and the smoke client's checks hold."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.packaging.support import load_script, run

pytestmark = pytest.mark.tree

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")


@pytest.fixture
def cc() -> str:
    return shutil.which("cc") or pytest.skip("no C compiler on this machine")


def test_the_smoke_client_pushes_ticks_and_pops_bars(root: Path, tmp_path: Path, cc: str) -> None:
    library = load_script(root / "build.py").build_library()
    client = tmp_path / "smoke"
    done = run(
        cc,
        "-std=c11",
        *WARNINGS,
        "-Wstrict-prototypes",
        f"-I{root / 'bindings'}",
        root / "bindings/smoke/smoke.c",
        library,
        f"-Wl,-rpath,{library.parent}",
        "-o",
        client,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr

    done = run(client, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert " bars from 20000 ticks" in done.stdout


def test_header_and_client_are_cxx_too(root: Path, tmp_path: Path) -> None:
    cxx = shutil.which("c++") or pytest.skip("no C++ compiler on this machine")
    source = root / "bindings/smoke/smoke.c"
    done = run(
        cxx, "-std=c++11", *WARNINGS, f"-I{root / 'bindings'}", "-x", "c++", "-fsyntax-only", source, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
