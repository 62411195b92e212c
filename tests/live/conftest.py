"""Whatever a peer does, a test ends without a word from the event loop and with nothing left open."""

from __future__ import annotations

import os

import pytest

from rangebar_anyio._stream import _budgets
from tests.stream.conftest import nothing_left as nothing_left


@pytest.fixture(autouse=True)
def own_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test used up or was forbidden is nothing to the next one, which may listen on the same port."""
    monkeypatch.setattr(_budgets, "_of_process", {})


_BACKENDS = ("asyncio", "asyncio+uvloop", "trio")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each of the many hostile peers meets one event loop, in turn; all of them with HYPOTHESIS_PROFILE=thorough."""
    if os.environ.get("HYPOTHESIS_PROFILE") == "thorough":
        return

    names: dict[str, int] = {}
    left_out = [item for item in items if "test_hostile_" in item.nodeid and not _has_its_turn(item, names)]
    items[:] = [item for item in items if item not in left_out]


def _has_its_turn(item: pytest.Item, names: dict[str, int]) -> bool:
    params = getattr(getattr(item, "callspec", None), "params", {})
    if "name" not in params:
        return True

    backend = next(at for at, name in enumerate(_BACKENDS) if f"[{name}-{params['name']}]" in item.nodeid)
    return names.setdefault(params["name"], len(names)) % len(_BACKENDS) == backend
