"""One version everywhere: a release that forgets one place is noticed here."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import rangebar_anyio


def table(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


def test_the_package_reports_the_version_it_was_installed_with() -> None:
    assert rangebar_anyio.__version__ == version("rangebar-anyio")


@pytest.mark.tree
def test_every_file_names_the_same_version(root: Path) -> None:
    project = table(root / "pyproject.toml")["project"]["version"]
    header = re.search(r'^#define RB_VERSION "(.+)"$', (root / "bindings/rangebar.h").read_text("utf-8"), re.MULTILINE)
    assert header is not None
    assert {
        "Cargo.toml": table(root / "Cargo.toml")["workspace"]["package"]["version"],
        "Cargo.lock": table(root / "Cargo.lock")["package"][0]["version"],
        "rangebar.h": header[1],
        "run time": rangebar_anyio.__version__,
    } == dict.fromkeys(["Cargo.toml", "Cargo.lock", "rangebar.h", "run time"], project)


@pytest.mark.tree
@pytest.mark.parametrize("name", ["README.md", "Makefile", "build.py", "bindings/generate.py"])
def test_every_file_asks_for_the_same_rust(root: Path, name: str) -> None:
    needed = table(root / "Cargo.toml")["workspace"]["package"]["rust-version"]
    asked = re.findall(r"Rust (\d+\.\d+)", (root / name).read_text("utf-8"))

    assert set(asked) == {needed}


@pytest.mark.tree
def test_the_changelog_tells_of_this_version(root: Path) -> None:
    assert rangebar_anyio.__version__ in (root / "CHANGELOG.md").read_text("utf-8")
