"""The pages on recovery, delivery and back-pressure: each statement names a test that shows it, and it is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.tree

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGES = ("recovery.md", "delivery.md", "back-pressure.md")
#: Whatever a page says first, and what it says words mean.
NO_STATEMENTS = ("", "Terms")

_TEST = re.compile(r"`([\w/-]+\.(?:py|rs))(?:::(\w+))?`")


def found(page: str) -> list[tuple[str, str]]:
    """The tests that a page names, each by file and name, some by the file alone."""
    return sorted(set(_TEST.findall((ROOT / "docs" / page).read_text())))


def is_there(file: str, name: str) -> bool:
    path = ROOT / file if "/" in file else HERE / file
    wanted = rf"{name}\(" if name else "test_"
    return path.exists() and bool(re.search(rf"^ *(async )?(def|fn) {wanted}", path.read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES)
def test_named_tests_are_there(page: str) -> None:
    assert [named for named in found(page) if not is_there(*named)] == []
    assert len(found(page)) > 10


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Give the paragraphs, list items and rows of a page, each with the heading that it stands under."""
    heading = ""
    for part in re.split(r"\n\n+", text):
        if match := re.match(r"#+ (.*)", part):
            heading = match[1] if part.startswith("##") else ""
        elif part.startswith("|"):
            yield from ((heading, row) for row in part.splitlines()[2:])
        else:
            yield from ((heading, item) for item in re.split(r"\n(?=- )", part))


def without_a_test(text: str) -> list[str]:
    """The blocks that name no test, other than those that only begin a list."""
    return [
        block
        for heading, block in blocks(text)
        if heading not in NO_STATEMENTS and not block.rstrip().endswith(":") and not _TEST.search(block)
    ]


@pytest.mark.parametrize("page", PAGES)
def test_every_statement_names_its_test(page: str) -> None:
    assert without_a_test((ROOT / "docs" / page).read_text()) == []


def test_what_is_not_there_is_found() -> None:
    assert is_there("test_pages.py", "test_what_is_not_there_is_found")
    assert is_there("rust-core/src/feed/tests/holds.rs", "the_newest_are_kept")
    assert is_there("tests/stream/test_pages.py", "")
    assert not is_there("test_pages.py", "test_what_is_not")
    assert not is_there("tests/stream/test_no_pages.py", "")


def test_a_statement_without_a_test_is_found() -> None:
    page = (
        "# A\n\nIntro.\n\n## Terms\n\nFree.\n\n## B\n\nAs follows:\n\n- one (`test_a.py::test_b`)\n- two\n  lines\n\n"
    )
    page += "| a | b |\n|---|---|\n| c | `tests/x/test_c.py` |\n| d | |\n\nThree.\n"
    assert without_a_test(page) == ["- two\n  lines", "| d | |", "Three.\n"]
