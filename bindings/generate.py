"""Write the C header and the cffi module from the Rust sources; `python build.py` runs this.

cbindgen writes declarations only. The header is that text in a frame (guard, includes, extern "C"); the cffi module is
that text as cffi compiles it. So both say the same, and neither needs cbindgen once it is committed.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

# Another version may lay out the same declarations differently, and the comparison is by bytes.
CBINDGEN_VERSION = "0.29.2"

HEADER = Path("bindings", "rangebar.h")
CFFI_MODULE = Path("rangebar_anyio", "_cffi.py")

FRAME = """\
/* Written by `python build.py` from rust-core/src/ffi; do not edit. The rules of this interface: docs/c-abi.md */

#ifndef RANGEBAR_H
#define RANGEBAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RB_VERSION "{version}"

#ifdef __cplusplus
extern "C" {{
#endif

{body}

#ifdef __cplusplus
}}
#endif

#endif /* RANGEBAR_H */
"""


def run(root: Path, *, check: bool) -> None:
    """Refresh the generated files, or with `check` exit with status 1 when one of them would change."""
    stale = [path for path, text in generate(root).items() if not _settle(root / path, text, check=check)]

    if stale:
        names = " and ".join(path.as_posix() for path in stale)
        raise SystemExit(f"out of date: {names}; run `python build.py` and commit the result")


def generate(root: Path) -> dict[Path, str]:
    """Return the text of every generated file by its path below the root."""
    body = _declarations(root)
    version = tomllib.loads((root / "Cargo.toml").read_text("utf-8"))["workspace"]["package"]["version"]

    return {HEADER: FRAME.format(version=version, body=body), CFFI_MODULE: _cffi_module(body)}


def _settle(path: Path, text: str, *, check: bool) -> bool:
    """Make the file hold the text; with `check` only say whether it does."""
    old = path.read_text("utf-8") if path.exists() else ""

    if old == text:
        return True

    if check:
        _show_difference(path, old, text)
        return False

    path.write_text(text, "utf-8", newline="\n")
    print(f"written: {path}")
    return True


def _show_difference(path: Path, old: str, new: str) -> None:
    names = (f"{path.name} as committed", f"{path.name} from the sources")
    difference = difflib.unified_diff(old.splitlines(), new.splitlines(), *names, lineterm="")

    for line in difference:
        # The lines of the cffi module are as long as its tables.
        print(line[:200], file=sys.stderr)


def _declarations(root: Path) -> str:
    command: list[str | Path] = [
        _cbindgen(root),
        "--config",
        root / "bindings" / "cbindgen.toml",
        "--quiet",
        root / "rust-core",
    ]
    # It asks cargo for the crate's name and files; that needs no registry, and must not try.
    environment = {**os.environ, "CARGO_NET_OFFLINE": "true"}
    done = subprocess.run(command, cwd=root, env=environment, stdout=subprocess.PIPE, check=False)

    if done.returncode != 0:
        raise SystemExit("cbindgen could not read rust-core; its own message stands above")

    return _public_part(done.stdout.decode("utf-8").replace("\r\n", "\n"))


def _public_part(declarations: str) -> str:
    """Drop the constants that are public in Rust only: cbindgen takes them from every module of the crate."""
    blocks = declarations.strip().split("\n\n")
    body = "\n\n".join(block for block in blocks if "#define " not in block or "#define RB_" in block)
    types = re.findall(r"^typedef [^;{]*?(\w+)(?: \{|;)$", body, re.MULTILINE)
    unnamed = [name for name in types if not name.startswith(("Rb", "rb_"))]

    if unnamed:
        raise SystemExit(f"a C name must begin with Rb: add {', '.join(unnamed)} to bindings/cbindgen.toml")

    # Links of Rust's documents lead nowhere from C.
    return re.sub(r"\[(`[^`]+`)\]", r"\1", body)


def _cbindgen(root: Path) -> Path:
    tools = root / ".tools"
    program = tools / "bin" / ("cbindgen.exe" if os.name == "nt" else "cbindgen")

    if _version_of(program) != CBINDGEN_VERSION:
        _install_cbindgen(root, tools)

    return program


def _version_of(program: Path) -> str | None:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return None

    return done.stdout.strip().removeprefix("cbindgen ")


def _install_cbindgen(root: Path, tools: Path) -> None:
    cargo = os.environ.get("CARGO") or shutil.which("cargo")

    if cargo is None:
        raise SystemExit("cargo was not found: install Rust 1.88 or later (https://rustup.rs), then run this again")

    print(f"installing cbindgen {CBINDGEN_VERSION} into {tools.name}/, once and for less than a minute", flush=True)
    # Not optimised: it reads one small crate, and compiling it is what takes time.
    command = [cargo, "install", "cbindgen", "--quiet", "--debug", "--version", f"={CBINDGEN_VERSION}", "--locked"]
    # Everything stays inside the project, the registry's files too.
    cache = root / ".cache"
    environment = {**os.environ, "CARGO_HOME": str(cache / "cargo"), "CARGO_TARGET_DIR": str(cache / "cbindgen")}
    done = subprocess.run([*command, "--force", "--root", tools], cwd=root, env=environment, check=False)

    if done.returncode != 0:
        raise SystemExit(f"cbindgen {CBINDGEN_VERSION} could not be installed; cargo's own message stands above")


def _cffi_module(body: str) -> str:
    try:
        from cffi import FFI, recompiler
    except ImportError:
        raise SystemExit("cffi was not found: run `make setup` and then `.venv/bin/python build.py`") from None

    ffi = FFI()
    ffi.cdef(body)

    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "_cffi.py")
        recompiler.make_py_source(ffi, "rangebar_anyio._cffi", path)
        return Path(path).read_text("utf-8")
