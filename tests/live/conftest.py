"""Whatever a peer does, a test ends without a word from the event loop and with nothing left open."""

from __future__ import annotations

from tests.stream.conftest import nothing_left as nothing_left
