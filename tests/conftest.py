"""What all tests share: the event loops they run on, and how long hypothesis looks."""

from __future__ import annotations

import os
import signal
import threading
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# The machine that runs this may be slow in phases, so no example has a deadline; pytest's time-out ends a hang.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, print_blob=True, max_examples=100)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))

# A shell that starts this in the background has it ignore interrupts, and every program that a test starts would, too.
if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ANYIO_BACKENDS: list[Any] = [
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
    pytest.param(
        ("asyncio", {"use_uvloop": True}),
        id="asyncio+uvloop",
        marks=pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not made for this platform"),
    ),
    pytest.param(("trio", {}), id="trio"),
]


@pytest.fixture(params=ANYIO_BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Run an async test on every event loop that users have."""
    return request.param
