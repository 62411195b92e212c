"""Build the Rust library: hatchling's hook for wheels, and a command for people.

python build.py            build the library into rangebar_anyio/, refresh the generated header and cffi module
python build.py --library  build the library only; this is all that an installation needs
python build.py --check    fail when a generated file differs from what the Rust sources give
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and __spec__ is not None:
    # `python -m build` in this directory means the packaging front end, which this file's name hides.
    import os
    import runpy

    _here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != _here]
    runpy.run_module("build", run_name="__main__", alter_sys=True)
    raise SystemExit

import argparse
import json
import os
import platform
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
PACKAGE = ROOT / "rangebar_anyio"
LIBRARY_SUFFIXES = (".so", ".dylib", ".dll")

NO_CARGO = (
    "rangebar-anyio is built from Rust sources, and cargo was not found: install Rust 1.88 or later "
    "(https://rustup.rs) and a C linker, then run this again."
)
CARGO_FAILED = (
    "rangebar-anyio could not be built: cargo stopped with status {status}, its own message stands above "
    "(Rust 1.88 or later and a C linker are needed)."
)
NO_LIBRARY = "rangebar-anyio could not be built: cargo made no shared library for this platform."

IN_USE = "{name} is in use: close the programs that have loaded rangebar_anyio, then run this again."


def build_library() -> Path:
    """Build the library in release mode and return where cargo put it.

    No registry is asked: the shipped crate has no dependencies.
    """
    cargo = os.environ.get("CARGO") or shutil.which("cargo")

    if cargo is None:
        raise SystemExit(NO_CARGO)

    command = [cargo, "build", "--release", "--locked", "--offline", "--package", "rangebar-core", "--lib"]

    try:
        done = subprocess.run(
            [*command, "--message-format=json-render-diagnostics"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            check=False,
        )
    except OSError:
        raise SystemExit(NO_CARGO) from None

    if done.returncode != 0:
        raise SystemExit(CARGO_FAILED.format(status=done.returncode))

    return _library_of(done.stdout)


def _library_of(messages: str) -> Path:
    # Asked of cargo, not guessed: the target directory may be set by environment or configuration.
    for line in messages.splitlines():
        message = json.loads(line)

        if message.get("reason") == "compiler-artifact" and message["target"]["name"] == "rangebar_core":
            for name in message["filenames"]:
                if name.endswith(LIBRARY_SUFFIXES):
                    return Path(name)

    raise SystemExit(NO_LIBRARY)


def install_into_tree(library: Path) -> None:
    """Copy the library beside the Python modules; a running program keeps the file that it has loaded."""
    temporary = PACKAGE / f".{library.name}.{os.getpid()}"
    shutil.copy2(library, temporary)

    try:
        os.replace(temporary, PACKAGE / library.name)
    except PermissionError:
        # Windows keeps a loaded library from being replaced.
        temporary.unlink()
        raise SystemExit(IN_USE.format(name=library.name)) from None


def platform_tag() -> str:
    """Return the wheel's platform: what the library needs, whatever Python it was built with."""
    if sys.platform == "darwin":
        return _macos_tag(platform.machine(), os.environ.get("MACOSX_DEPLOYMENT_TARGET"))

    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def _macos_tag(machine: str, deployment_target: str | None) -> str:
    # Not Python's own tag: a universal2 Python would claim two processors for a library that was built for one.
    # The defaults are rustc's.
    version = deployment_target or ("11.0" if machine == "arm64" else "10.12")
    major, _, minor = version.partition(".")

    # Since macOS 11 only the major version counts, and pip knows no other minor than 0.
    if int(major) >= 11:
        minor = "0"

    return f"macosx_{major}_{minor or '0'}_{machine}"


def get_build_hook() -> type[BuildHookInterface[Any]]:
    """Give hatchling its hook; hatchling is imported here so that the command works without it."""
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class RustLibraryHook(BuildHookInterface[Any]):
        PLUGIN_NAME = "custom"

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            if self.target_name != "wheel":
                return

            library = build_library()
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform_tag()}"

            if version == "editable":
                install_into_tree(library)
            else:
                build_data["force_include"][str(library)] = f"{PACKAGE.name}/{library.name}"

    return RustLibraryHook


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the Rust library and the files generated from it.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--library", action="store_true", help="build the library only")
    mode.add_argument("--check", action="store_true", help="fail when a generated file is out of date")
    options = parser.parse_args()

    if not options.check:
        install_into_tree(build_library())

    if not options.library:
        sys.path.insert(0, str(ROOT / "bindings"))

        import generate

        generate.run(ROOT, check=options.check)


if __name__ == "__main__":
    main()
