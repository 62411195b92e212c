"""What README.md shows is true: its programs run, its commands exist, its links lead somewhere."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Beside an installed wheel there are none, and the tests are left out.
PAGES = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if path.exists()]

pytestmark = pytest.mark.tree


def blocks(path: Path, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


PROGRAMS = [
    pytest.param(program, id=f"{path.name}-{number}")
    for path in PAGES
    for number, program in enumerate(blocks(path, "python"), 1)
]


def is_live(program: str) -> bool:
    """Whether a program would ask a real exchange."""
    return "open_stream(" in program


def test_there_are_programs_of_both_kinds() -> None:
    live = [is_live(program) for program in blocks(PAGES[0], "python")]

    assert live.count(True) >= 1
    assert live.count(False) >= 2


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_runs_as_it_stands(program: str, tmp_path: Path) -> None:
    if is_live(program):
        names_exist(ast.parse(program))
        return

    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    for comment in re.findall(r"print\(.*\)  # (.*)", program):
        assert comment.split(", then ") == done.stdout.splitlines()


def names_exist(tree: ast.Module) -> None:
    """Import what a program imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            assert all(hasattr(module, alias.name) for alias in node.names)


def replay_commands() -> list[str]:
    lines = [line for page in PAGES[:1] for block in blocks(page, "") for line in block.splitlines()]
    return [line for line in lines if line.startswith("rangebar-anyio replay ")]


@pytest.mark.parametrize("line", replay_commands())
def test_a_replay_command_runs_as_it_stands(line: str, tmp_path: Path) -> None:
    command = shlex.split(line, comments=True)
    days = [word for word in command if word.endswith(".zip")]

    for day, name in enumerate(days):
        rows = [f"{9 * day + i},{100 + i % 3}.5,1,{i},{i},{1735689600000 + i},True,True\n" for i in range(9)]
        with zipfile.ZipFile(tmp_path / name, "w") as zipped:
            zipped.writestr("day.csv", "".join(rows))

    done = subprocess.run(
        [sys.executable, "-m", "rangebar_anyio.cli", *command[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert f"{9 * len(days)} trades" in done.stderr


def test_every_command_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {name for path in PAGES for name in re.findall(r"`?make ([a-z-]+)`?", code_of(path.read_text("utf-8")))}

    assert {"demo", "test", "check"} <= named <= targets


def code_of(text: str) -> str:
    """What stands in code: blocks, and words between backquotes."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_room_of_the_table_exists() -> None:
    rooms = re.findall(r"`([a-z_-]+(?:/[a-z_-]+)*)/`", PAGES[0].read_text("utf-8"))

    assert len(rooms) >= 6
    assert [room for room in rooms if not (ROOT / room).is_dir()] == []
