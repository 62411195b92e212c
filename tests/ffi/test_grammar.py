"""What holds for every export, those of tomorrow included: NULL is an answer, never a crash."""

from __future__ import annotations

from typing import Any

import pytest

from rangebar_anyio import _native

ffi = _native.ffi
lib: Any = _native.lib

EXPORTS = [name for name in dir(lib) if name.startswith("rb_")]
STATUS = [name for name in EXPORTS if ffi.typeof(getattr(lib, name)).result.cname == "int32_t"]
FREES = [name for name in EXPORTS if name.endswith("_free")]


def arguments(name: str, number: int) -> list[Any]:
    """NULL for every pointer, and the number for everything else."""
    types = ffi.typeof(getattr(lib, name)).args
    return [ffi.NULL if kind.kind == "pointer" else ffi.cast(kind, number) for kind in types]


def test_the_exports_are_those_of_a_handle_or_return_a_status() -> None:
    versions = {"rb_abi_version", "rb_struct_size"}
    assert {*STATUS, *FREES} == set(EXPORTS) - versions
    assert len(EXPORTS) > 20


@pytest.mark.parametrize("name", STATUS)
def test_null_is_refused(name: str) -> None:
    assert getattr(lib, name)(*arguments(name, 1)) == lib.RB_ERR_NULL


@pytest.mark.parametrize("name", STATUS)
def test_null_with_a_huge_length_is_refused(name: str) -> None:
    # -1 becomes the largest of every unsigned type: a length that no arithmetic may overflow on.
    assert getattr(lib, name)(*arguments(name, -1)) < 0


@pytest.mark.parametrize("name", STATUS)
def test_null_with_no_length_is_harmless(name: str) -> None:
    assert getattr(lib, name)(*arguments(name, 0)) <= 0


@pytest.mark.parametrize("name", FREES)
def test_freeing_null_does_nothing(name: str) -> None:
    assert getattr(lib, name)(ffi.NULL) is None


def test_every_error_has_its_own_code() -> None:
    codes = {name: getattr(lib, name) for name in dir(lib) if name.startswith("RB_ERR_")}
    assert len(set(codes.values())) == len(codes)
    assert all(code < 0 for code in codes.values())
