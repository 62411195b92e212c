"""The async shell: a task group around a session, and the reader in front of it."""

from __future__ import annotations

from ._last_trade import LastTrade
from ._open import open_stream
from ._stream import BarStream

__all__ = ("BarStream", "LastTrade", "open_stream")
