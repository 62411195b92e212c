"""What a program that hears no events should learn all the same: that it waits for a server that cannot be reached."""

from __future__ import annotations

import logging

from .._events import Connected, Disconnected, StreamEvent

__all__ = ("Unheard",)

#: With the default policy some fifteen seconds: longer than a server needs to come back.
_ATTEMPTS = 5

_log = logging.getLogger("rangebar_anyio")


class Unheard:
    """Logs one warning in each outage in which attempt after attempt to connect fails."""

    def __init__(self) -> None:
        self._failed = 0

    def hear(self, event: StreamEvent) -> None:
        """Take an event that goes to nobody."""
        if isinstance(event, Connected):
            self._failed = 0
        elif isinstance(event, Disconnected) and not event.was_open:
            self._failed += 1
            if self._failed == _ATTEMPTS:
                _log.warning(
                    "%d attempts to connect failed, the last one by: %s; trying on (on_event= tells of each)",
                    self._failed,
                    event.reason,
                )
