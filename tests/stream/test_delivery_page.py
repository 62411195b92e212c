"""Every test that docs/delivery.md names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.tree

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs/delivery.md").read_text()
NAMED = sorted(set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[f"{file}::{name}" for file, name in NAMED])
def test_named_tests_are_there(file: str, name: str) -> None:
    assert re.search(rf"^ *(async )?def {name}\(", (HERE / file).read_text(), re.MULTILINE)


def test_statements_name_their_tests() -> None:
    assert len(NAMED) > 30
