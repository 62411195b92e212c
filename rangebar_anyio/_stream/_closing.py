"""The end of a stream: one deadline for everything that is still to be written and closed."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from .._errors import StoreError
from .._stores import CheckpointStore

if TYPE_CHECKING:
    from .._sources._transport import Transport
    from ._stream import BarStream

__all__ = ("CLOSE_SECONDS", "Closing", "late")

#: The longest that leaving a block may take.
CLOSE_SECONDS = 5.0
#: What closing gets even when the deadline has passed: enough for what does not hang.
_LEAST_SECONDS = 0.1
#: A store is asked to give up so much earlier than it is left, since it says more about what it left behind.
_SPARE_SECONDS = 0.05

_log = logging.getLogger("rangebar_anyio")


class Closing:
    """Counts the time that leaving a block takes, over all that has to be done."""

    def __init__(self) -> None:
        self._until: float | None = None

    def begin(self, *, has_waited: bool = False) -> None:
        """Count from now; after a wait for the store that was given up the time is over already."""
        if self._until is None:
            self._until = anyio.current_time() + (0.0 if has_waited else CLOSE_SECONDS)

    def _scope(self, at_least_s: float = 0.0) -> anyio.CancelScope:
        self.begin()
        assert self._until is not None
        return anyio.CancelScope(deadline=max(self._until, anyio.current_time() + at_least_s), shield=True)

    async def finish(self, stream: BarStream, *, acknowledge: bool, leaving: BaseException | None) -> None:
        """Write what is finished, also while being cancelled; `leaving` is what the block is left with."""
        try:
            with self._scope() as scope:
                await stream._finish(acknowledge=acknowledge)
        except Exception as unsaved:  # noqa: BLE001 - a store may raise what it likes, and the body's exception comes first
            _report(unsaved, leaving)
        else:
            if scope.cancelled_caught and stream._is_saved:
                _log.warning("forming bars were not saved within %g s; a restart fetches their trades", CLOSE_SECONDS)
            elif scope.cancelled_caught:
                _report(late(), leaving)

    async def drop(self, transport: Transport) -> None:
        """Close what sockets are left."""
        with self._scope(_LEAST_SECONDS), suppress(Exception):
            await transport.aclose()

    async def aclose(self, store: CheckpointStore, leaving: BaseException | None) -> None:
        """Close a store that the stream opened itself."""
        try:
            with self._scope(_LEAST_SECONDS) as scope:
                await store.aclose(deadline_s=max(0.0, scope.deadline - anyio.current_time() - _SPARE_SECONDS))
        except StoreError as unsaved:
            _report(unsaved, leaving)
        else:
            if scope.cancelled_caught:
                _report(late(), leaving)


def _report(unsaved: Exception, leaving: BaseException | None) -> None:
    if leaving is None:
        raise unsaved

    text = f"what was finished could not be saved: {unsaved}"
    leaving.add_note(text)
    if not isinstance(leaving, Exception):
        # A cancellation is shown to nobody.
        _log.warning("%s", text)


def late() -> StoreError:
    """Give the error for a store that took longer than leaving may take."""
    return StoreError(
        f"the store did not answer within {CLOSE_SECONDS:g} s, so the last bars may come again",
        remedy="look at its disk",
    )
