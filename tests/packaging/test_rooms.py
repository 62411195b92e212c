"""The arrows between the rooms run one way, and what only one room may use is used there alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import rangebar_anyio

PACKAGE = Path(rangebar_anyio.__file__).parent
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

#: What may be imported in one place only: the modules' first names, and how the places' paths begin.
ONLY_IN = [
    (("_cffi", "_cffi_backend", "cffi"), ("_native.py", "_cffi.py")),
    (("httpx", "httpx_ws", "httpcore", "wsproto"), ("_sources/", "testing/", "cli/_verify")),
    (("sqlite3",), ("_stores/",)),
    (("click", "rich"), ("cli/",)),
    (("hypercorn",), ("testing/_simulated/", "cli/")),
]
#: Rooms without I/O, clock or event loop.
SANS_IO = (
    "_session/",
    "_reconnect.py",
    "_feed",
    "_sources/_binance_rules.py",
    "_sources/_positions.py",
    "_stream/_start",
)
OUTSIDE_WORLD = {"anyio", "asyncio", "trio", "sniffio", "time", "socket", "threading", "httpx", "sqlite3"}
#: From the top of the house down: a room imports none that stands before it.
LEVELS = ("cli", "testing", "_recorder", "_handler", "_stream", "_stores", "_session", "_feed", "_processor", "_native")


def imports(name: str) -> Iterator[str]:
    """Give what a file imports: full names of others' modules, paths below the package of our own."""
    tree = ast.parse((PACKAGE / name).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix("rangebar_anyio.") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = name.split("/")[:-1]
            parts = base[: len(base) - node.level + 1] if node.level else []
            found = ".".join([*parts, *([node.module] if node.module else [])])
            yield found.removeprefix("rangebar_anyio.")
            yield from (
                f"{found}.{alias.name}".removeprefix("rangebar_anyio.").removeprefix(".") for alias in node.names
            )


def outer(name: str) -> set[str]:
    """Give the first names of all that a file imports."""
    return {found.split(".")[0] for found in imports(name)}


@pytest.mark.parametrize(("modules", "places"), ONLY_IN, ids=lambda value: value[0])
def test_used_in_one_place_only(modules: tuple[str, ...], places: tuple[str, ...]) -> None:
    users = [name for name in FILES if outer(name) & set(modules)]
    assert users
    assert [name for name in users if not name.startswith(places)] == []


def test_rooms_without_io_know_no_event_loop_and_no_clock() -> None:
    # _feed_library loads the Rust library.
    rooms = [name for name in FILES if name.startswith(SANS_IO) and name != "_feed_library.py"]
    assert len(rooms) > 30
    assert {name: found for name in rooms if (found := outer(name) & OUTSIDE_WORLD)} == {}


def level(name: str) -> int | None:
    """Say how far down the house a file or a module is; `None` for what every room may use."""
    first = name.replace("/", ".").split(".")[0]
    room = "_feed" if first.startswith("_feed") else first
    return LEVELS.index(room) if room in LEVELS else None


def test_arrows_run_one_way() -> None:
    levels = {name: own for name in FILES if (own := level(name)) is not None}
    above = {
        name: found
        for name, own in levels.items()
        if (found := {other for other in imports(name) if (there := level(other)) is not None and there < own})
    }
    assert len(levels) > 100
    assert above == {}
