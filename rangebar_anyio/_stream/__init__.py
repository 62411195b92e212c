"""The async shell: a task group around a session, and the reader in front of it."""

from __future__ import annotations

from ._last_trade import LastTrade
from ._open import StartPoint, open_stream
from ._stream import BarStream

__all__ = ("BarStream", "LastTrade", "StartPoint", "open_stream")
