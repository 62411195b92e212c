"""What a stream tells a program besides bars: the values that `on_event` is called with.

`GapFound` and its like name the same things as errors and log lines do, so they live in a room of their own.
"""

from __future__ import annotations

from ._events import *  # noqa: F403 - the public home of every name there
from ._events import __all__ as __all__
