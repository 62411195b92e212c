"""Header and cffi module say the same, and a difference from the sources is noticed.

Whether they agree with the Rust sources needs cbindgen: `make check` asks that.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import pytest

from tests.packaging.support import load_script

pytestmark = pytest.mark.tree


@pytest.fixture
def body(root: Path) -> str:
    header = (root / "bindings/rangebar.h").read_text("utf-8")
    start = header.index('extern "C" {\n#endif\n\n') + len('extern "C" {\n#endif\n\n')
    return header[start : header.index("\n\n#ifdef __cplusplus\n}")]


@pytest.fixture
def generate(root: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The generator with cbindgen's answer as it was when the header was committed."""
    module = load_script(root / "bindings/generate.py")
    monkeypatch.setattr(module, "_declarations", lambda root: body)
    return module


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    for name in ["Cargo.toml", "bindings/rangebar.h", "rangebar_anyio/_cffi.py"]:
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(root / name, target)

    return tmp_path


def test_header_and_module_are_made_of_the_same_declarations(generate: ModuleType, copy: Path) -> None:
    generate.run(copy, check=True)


@pytest.mark.parametrize("name", ["bindings/rangebar.h", "rangebar_anyio/_cffi.py"])
def test_check_names_the_file_that_differs_and_leaves_it(generate: ModuleType, copy: Path, name: str) -> None:
    changed = (copy / name).read_text("utf-8") + "\n"
    (copy / name).write_text(changed, "utf-8")

    with pytest.raises(SystemExit, match=f"out of date: {name};"):
        generate.run(copy, check=True)

    assert (copy / name).read_text("utf-8") == changed


def test_a_missing_file_is_out_of_date(generate: ModuleType, copy: Path) -> None:
    (copy / "rangebar_anyio/_cffi.py").unlink()

    with pytest.raises(SystemExit, match="out of date"):
        generate.run(copy, check=True)


def test_without_check_the_files_are_written(generate: ModuleType, copy: Path, root: Path) -> None:
    for name in ["bindings/rangebar.h", "rangebar_anyio/_cffi.py"]:
        (copy / name).write_text("stale", "utf-8")

    generate.run(copy, check=False)

    for name in ["bindings/rangebar.h", "rangebar_anyio/_cffi.py"]:
        assert (copy / name).read_bytes() == (root / name).read_bytes()


def test_constants_of_other_modules_stay_out_of_the_interface(generate: ModuleType) -> None:
    text = "// Ours.\n#define RB_OK 0\n\n// Theirs.\n#define MAX_LABEL (A + 1)\n\nuint32_t rb_abi_version(void);\n"
    assert generate._public_part(text) == "// Ours.\n#define RB_OK 0\n\nuint32_t rb_abi_version(void);"


@pytest.mark.parametrize("declaration", ["typedef struct Tick {\n    int64_t a;\n} Tick;", "typedef int32_t Status;"])
def test_a_type_without_the_prefix_is_refused(generate: ModuleType, declaration: str) -> None:
    with pytest.raises(SystemExit, match="must begin with Rb"):
        generate._public_part(declaration)
