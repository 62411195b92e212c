"""Where the package comes from, and what importing it must not need."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

import pytest

import rangebar_anyio
from tests.packaging.support import run

OPTIONAL = ("hypercorn", "hypothesis", "numpy", "pandas", "polars", "pyarrow", "pytest", "socksio", "trio", "uvloop")

# A module of the name None in sys.modules cannot be imported: ModuleNotFoundError, as if it were not installed.
BLOCKED = "import sys; sys.modules.update(dict.fromkeys({names!r})); import {module}"
LOADED = "import sys, {module}; print(*sorted(sys.modules.keys() & set({names!r})))"


def test_the_package_is_the_one_under_test() -> None:
    home = Path(rangebar_anyio.__file__).resolve()

    if os.environ.get("RANGEBAR_TEST_INSTALLED"):
        assert home.is_relative_to(Path(sysconfig.get_path("purelib")).resolve())
    else:
        assert home == Path(__file__).resolve().parents[2] / "rangebar_anyio" / "__init__.py"


@pytest.mark.parametrize("module", ["rangebar_anyio", "rangebar_anyio.cli"])
def test_importing_needs_no_optional_package(module: str, tmp_path: Path) -> None:
    done = run(sys.executable, "-c", BLOCKED.format(names=OPTIONAL, module=module), cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_importing_loads_no_optional_package(tmp_path: Path) -> None:
    done = run(sys.executable, "-c", LOADED.format(names=OPTIONAL, module="rangebar_anyio"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_importing_needs_no_cffi_parser(tmp_path: Path) -> None:
    code = BLOCKED.format(names=("cffi.cparser", "pycparser"), module="rangebar_anyio")
    done = run(sys.executable, "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
