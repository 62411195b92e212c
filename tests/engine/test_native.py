"""Loading the library: a wrong or missing one is an ImportError that says what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rangebar_anyio import AbiMismatchError, InternalError, ResourceBusyError, ResourceClosedError, _native
from rangebar_anyio._fields import DECIMALS, FEATURES, FLOAT_COLUMNS, INTEGER_COLUMNS, TABLE_COLUMNS


class Altered:
    """The library, with something else in some places."""

    def __init__(self, **changes: Any) -> None:
        self.__dict__.update(changes)

    def __getattr__(self, name: str) -> Any:
        return getattr(_native.lib, name)


def test_the_library_that_belongs_here_is_taken() -> None:
    library: Any = Altered()
    assert _native.check_library(library, "/lib.so") is library


def test_another_interface_version_names_both_and_the_likely_cause() -> None:
    library: Any = Altered(rb_abi_version=lambda: 999)

    with pytest.raises(
        AbiMismatchError, match=r"has C interface version 999, .* need 1: .* different versions"
    ) as caught:
        _native.check_library(library, "/lib.so")

    assert (caught.value.expected, caught.value.found) == (_native.lib.RB_ABI_VERSION, 999)
    assert caught.value.library == "/lib.so"


def test_a_struct_of_another_size_is_noticed() -> None:
    library: Any = Altered(rb_struct_size=lambda which: _native.lib.rb_struct_size(which) + 8 * (which == 2))

    with pytest.raises(AbiMismatchError, match="has RbBar of bytes 184, but these Python files need 176"):
        _native.check_library(library, "/lib.so")


def test_a_missing_export_is_noticed() -> None:
    class Old:
        RB_ABI_VERSION = 1

    library: Any = Old()

    with pytest.raises(AbiMismatchError, match="rb_abi_version"):
        _native.check_library(library, "/lib.so")


def test_every_struct_size_is_known_on_both_sides() -> None:
    sizes = [_native.lib.rb_struct_size(which) for which in range(64)]
    known = [size for size in sizes if size]
    assert sizes[: len(known)] == known
    assert len(known) == len(_native._STRUCTS)


def has_size(name: str) -> bool:
    """Whether cffi knows what is in it; asking an opaque handle for its fields ends the process."""
    try:
        _native.ffi.sizeof(name)
    except (TypeError, ValueError, _native.ffi.error):
        return False

    return True


def test_every_struct_that_has_fields_is_compared() -> None:
    names = [name for name in _native.ffi.list_types()[0] if name.startswith("Rb")]
    with_fields = {name for name in names if _native.ffi.typeof(name).kind == "struct" and has_size(name)}
    assert with_fields == set(_native._STRUCTS)


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "No such file|cannot open|not found"), (b"no library", "invalid|too short|file")]
)
def test_a_missing_or_broken_library_says_how_to_mend_it(content: bytes | None, problem: str, tmp_path: Path) -> None:
    package = tmp_path / "rangebar_anyio"
    package.mkdir()

    for module in Path(_native.__file__).parent.glob("_*.py"):
        (package / module.name).write_bytes(module.read_bytes())

    (package / "__init__.py").write_bytes((Path(_native.__file__).parent / "__init__.py").read_bytes())

    if content is not None:
        (package / _native.library_name()).write_bytes(content)

    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import rangebar_anyio"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert "LibraryNotLoadedError" in last
    assert "install rangebar-anyio again, or run `python build.py`" in last
    assert any(word in last for word in problem.split("|"))


@pytest.mark.parametrize(
    ("platform", "name"),
    [("linux", "librangebar_core.so"), ("darwin", "librangebar_core.dylib"), ("win32", "rangebar_core.dll")],
)
def test_the_library_has_its_platforms_name(platform: str, name: str) -> None:
    assert _native.library_name(platform) == name


def test_statuses_become_errors() -> None:
    for status, error in (
        (_native.lib.RB_ERR_NULL, ResourceClosedError),
        (_native.lib.RB_ERR_BUSY, ResourceBusyError),
        (-3, InternalError),
        (-999, InternalError),
    ):
        with pytest.raises(error, match="this thing"):
            _native.check(status, "thing")


def test_the_columns_are_those_of_the_library() -> None:
    assert len(INTEGER_COLUMNS) == _native.lib.RB_INTEGER_COLUMNS
    assert len(FLOAT_COLUMNS) == _native.lib.RB_FLOAT_COLUMNS
    assert len(DECIMALS) == _native.lib.RB_EXACT_COLUMNS
    assert sorted(TABLE_COLUMNS) == sorted((*INTEGER_COLUMNS, *FLOAT_COLUMNS))
    fields = [name for name, _ in _native.ffi.typeof("RbFeatures").fields]
    assert fields == ["vwap_e8", "duration_us", *FEATURES]


def test_importing_is_cheap() -> None:
    code = "import sys, rangebar_anyio; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"anyio", "httpx", "asyncio", "pathlib", "ctypes", "sqlite3", "hypothesis", "click", "rich", "ssl"}
    assert heavy & set(done.stdout.split()) == set()
