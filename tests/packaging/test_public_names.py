"""The public names: each has exactly one home, none is missing, none leaks in."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import typing
from collections import Counter
from types import ModuleType

import pytest

import rangebar_anyio


def public_modules() -> list[str]:
    found = pkgutil.walk_packages(rangebar_anyio.__path__, "rangebar_anyio.")
    names = ["rangebar_anyio", *(module.name for module in found if "._" not in module.name)]
    # The Rust library has the suffix of an extension module, but is none.
    return [name for name in names if not name.endswith("rangebar_core")]


@pytest.fixture(params=public_modules())
def module(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def test_all_is_a_tuple_without_repeats(module: ModuleType) -> None:
    assert isinstance(module.__all__, tuple)
    assert len(set(module.__all__)) == len(module.__all__)


def test_every_name_in_all_exists_and_is_public(module: ModuleType) -> None:
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert missing == []
    assert [name for name in module.__all__ if name.startswith("_") and name != "__version__"] == []


def is_ours(name: str, value: object) -> bool:
    """Tell what a module defines from what it imported to work with."""
    if isinstance(value, ModuleType) or hasattr(typing, name) or name == "annotations":
        return False

    return getattr(value, "__module__", "rangebar_anyio").startswith("rangebar_anyio")


def test_no_public_name_outside_all(module: ModuleType) -> None:
    ours = {name for name, value in vars(module).items() if not name.startswith("_") and is_ours(name, value)}
    assert ours - set(module.__all__) == set()


def test_modules_are_there_without_an_import_of_their_own() -> None:
    code = "import rangebar_anyio as rb; print(rb.events.GapFound, rb.stores.LaneKey, rb.testing.Fault)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True)


def test_every_public_name_has_one_home() -> None:
    homes = Counter(name for module in public_modules() for name in importlib.import_module(module).__all__)
    assert [name for name, count in homes.items() if count > 1] == []
