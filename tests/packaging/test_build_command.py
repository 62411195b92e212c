"""build.py as people meet it: without Rust, with a Rust that fails, and as a name that hides another."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.packaging.support import load_script, run

pytestmark = [pytest.mark.tree, pytest.mark.timeout(600)]

PIP_INSTALL = ("-m", "pip", "install", "--no-build-isolation", "--no-deps", "--quiet")


def environment(tmp_path: Path, **extra: str) -> dict[str, str]:
    """An environment in which no program is found."""
    kept = {name: value for name, value in os.environ.items() if name not in {"CARGO", "PATH"}}
    return {**kept, "PATH": str(tmp_path), **extra}


@pytest.fixture
def failing_cargo(tmp_path: Path) -> Path:
    if os.name == "nt":
        pytest.skip("the stand-in is a shell script")

    path = tmp_path / "cargo"
    path.write_text("#!/bin/sh\necho 'error: linker `cc` not found' >&2\nexit 101\n")
    path.chmod(0o755)
    return path


def test_no_rust_is_one_sentence(root: Path, tmp_path: Path) -> None:
    done = run(sys.executable, "build.py", "--library", cwd=root, env=environment(tmp_path))
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert "install Rust 1.88 or later" in sentence


def test_no_rust_is_one_sentence_under_pip(root: Path, tmp_path: Path) -> None:
    done = run(
        sys.executable, *PIP_INSTALL, "--target", tmp_path / "site", root, cwd=tmp_path, env=environment(tmp_path)
    )
    assert done.returncode != 0
    assert done.stderr.count("install Rust 1.88 or later") == 1
    assert "Traceback" not in done.stderr


def test_a_failing_cargo_is_its_message_and_one_sentence(root: Path, tmp_path: Path, failing_cargo: Path) -> None:
    env = environment(tmp_path, CARGO=str(failing_cargo))
    done = run(sys.executable, "build.py", "--library", cwd=root, env=env)
    assert done.returncode == 1
    message, sentence = done.stderr.splitlines()
    assert "linker `cc` not found" in message
    assert "cargo stopped with status 101" in sentence


def test_a_cargo_that_cannot_be_started_is_one_sentence(root: Path, tmp_path: Path) -> None:
    env = environment(tmp_path, CARGO=str(tmp_path / "nowhere"))
    done = run(sys.executable, "build.py", "--library", cwd=root, env=env)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_python_m_build_is_the_packaging_tool(root: Path) -> None:
    done = run(sys.executable, "-m", "build", "--version", cwd=root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("build ")


def test_python_m_build_without_arguments_makes_both_artefacts(sdist: Path, tmp_path: Path) -> None:
    # Without arguments it writes to dist/, so it runs in an unpacked sdist, not in the tree.
    import tarfile

    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")

    (tree,) = tmp_path.iterdir()
    # The two words that keep it off the network change nothing in how its name is found.
    env = {**os.environ, "CARGO_TARGET_DIR": str(tmp_path / "target"), "PIP_NO_INDEX": "1"}
    done = run(sys.executable, "-m", "build", "--no-isolation", cwd=tree, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((tree / "dist").iterdir())) == 2
    assert not list((tree / "rangebar_anyio").glob("*.so"))


def test_the_shipped_crate_needs_no_registry(root: Path) -> None:
    lock = (root / "Cargo.lock").read_text("utf-8")
    assert lock.count("[[package]]") == 1
    assert 'name = "rangebar-core"' in lock


@pytest.mark.parametrize(
    ("machine", "target", "tag"),
    [
        ("arm64", None, "macosx_11_0_arm64"),
        ("x86_64", None, "macosx_10_12_x86_64"),
        ("x86_64", "10.15", "macosx_10_15_x86_64"),
        ("arm64", "12.3", "macosx_12_0_arm64"),
        ("arm64", "14", "macosx_14_0_arm64"),
    ],
)
def test_macos_tags_name_one_processor(root: Path, machine: str, target: str | None, tag: str) -> None:
    assert load_script(root / "build.py")._macos_tag(machine, target) == tag


@pytest.mark.parametrize(
    ("reported", "tag"),
    [
        ("linux-x86_64", "linux_x86_64"),
        ("win-amd64", "win_amd64"),
        ("win32", "win32"),
        ("linux-aarch64", "linux_aarch64"),
    ],
)
def test_other_tags_are_pythons_own(root: Path, monkeypatch: pytest.MonkeyPatch, reported: str, tag: str) -> None:
    build = load_script(root / "build.py")
    monkeypatch.setattr(build.sys, "platform", "linux")
    monkeypatch.setattr(build.sysconfig, "get_platform", lambda: reported)
    assert build.platform_tag() == tag


@pytest.mark.parametrize("name", ["librangebar_core.so", "librangebar_core.dylib", "rangebar_core.dll"])
def test_the_library_is_found_among_what_cargo_made(root: Path, name: str) -> None:
    made = f'["/t/librangebar_core.rlib", "/t/{name}", "/t/rangebar_core.dll.lib"]'
    line = f'{{"reason": "compiler-artifact", "target": {{"name": "rangebar_core"}}, "filenames": {made}}}'
    assert load_script(root / "build.py")._library_of(f'{{"reason": "build-finished"}}\n{line}\n') == Path("/t", name)


def test_no_library_is_one_sentence(root: Path) -> None:
    with pytest.raises(SystemExit, match="no shared library"):
        load_script(root / "build.py")._library_of('{"reason": "build-finished"}')
