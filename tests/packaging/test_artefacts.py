"""The wheel holds everything, the sdist no library, and one wheel serves every Python."""

from __future__ import annotations

import os
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.packaging.support import run

# The first of these tests builds the library twice over.
pytestmark = [pytest.mark.tree, pytest.mark.timeout(600)]

LIBRARIES = (".so", ".dylib", ".dll")


def names_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_is_for_every_python_and_one_platform(wheel: Path) -> None:
    python, abi, platform = wheel.stem.split("-")[2:]
    assert (python, abi) == ("py3", "none")
    assert platform != "any"


def test_the_wheel_holds_everything(wheel: Path) -> None:
    names = names_in(wheel)
    assert len([name for name in names if name.endswith(LIBRARIES)]) == 1
    assert {
        "rangebar_anyio/_cffi.py",
        "rangebar_anyio/py.typed",
        "rangebar_anyio/include/rangebar.h",
    } <= set(names)
    assert len(names) == len(set(names))


def test_the_wheel_holds_every_module_and_data_file_of_the_tree(wheel: Path, root: Path) -> None:
    files = {path.relative_to(root) for path in (root / "rangebar_anyio").rglob("*") if path.is_file()}
    built = {path for path in files if "__pycache__" in path.parts or path.suffix in LIBRARIES}
    assert {path.as_posix() for path in files - built} <= set(names_in(wheel))


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    homes = {name.split("/")[0] for name in names_in(wheel)}
    assert homes == {"rangebar_anyio", f"{wheel.name.split('-py3')[0]}.dist-info"}


def test_the_sdist_holds_the_sources_and_no_library(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}

    assert not [name for name in names if name.endswith(LIBRARIES)]
    assert {"Cargo.toml", "Cargo.lock", "build.py", "pyproject.toml", "bindings/rangebar.h"} <= names
    assert "rust-core/src/ffi/mod.rs" in names


def test_an_unpacked_wheel_works_without_tree_and_compiler(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")

    code = "import rangebar_anyio as r; p = r.RangeBarProcessor(25); p.close(); print(r.__file__)"
    env = {**os.environ, "PATH": str(tmp_path), "PYTHONPATH": str(tmp_path / "site")}
    done = run(sys.executable, "-P", "-c", code, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "site")


def test_the_extra_all_takes_every_other_extra(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        metadata = Parser().parsestr(archive.read(name).decode())

    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    extras = set(metadata.get_all("Provides-Extra", [])) - {"all"}

    def taken_by(extra: str) -> set[str]:
        return {f"{r.name}{sorted(r.extras)}" for r in requirements if r.marker and r.marker.evaluate({"extra": extra})}

    assert len(extras) > 5
    assert taken_by("all") == set().union(*map(taken_by, extras))
