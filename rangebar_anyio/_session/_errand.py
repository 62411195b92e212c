"""What the house sends requests for, and what it hands their answers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ._rules import Request

if TYPE_CHECKING:
    from ._budget import Bucket
    from ._core import Symbol


class Job(Protocol):
    """A request that is under way."""

    @property
    def symbol(self) -> Symbol:
        """Whose trades it asks for."""
        ...

    def answered(self, body: bytes, now: float, /) -> None:
        """Take the answer; the job gives its place in the house back by ``House.done``."""

    def failed(self, text: str, now: float, /) -> None:
        """There is no answer, and asking again is up to the job; its place is given back already."""

    def postponed(self, now: float, /) -> None:
        """The exchange wants nothing now: to be sent again as soon as it may; its place is given back already."""

    def denied(self, reason: str, now: float, /) -> None:
        """The exchange wants nothing to be asked about the symbol; the job's place is given back already.

        ``reason`` is empty if it has no such symbol.
        """


class Errand(Protocol):
    """Something that wants a request to be sent when its turn comes."""

    symbol: Symbol
    is_probe: bool
    ticket: int | None

    @property
    def bucket(self) -> Bucket | None:
        """What bounds the symbol's share of the weight, if anything does."""
        ...

    def size(self) -> int:
        """The number of ids that are wanted."""
        ...

    def ask(self, now: float, /) -> tuple[Request, Job] | None:
        """Give the request, or ``None`` when nothing is wanted any more."""
        ...

    def wants_more(self, now: float, /) -> bool:
        """Whether another request is wanted right after the one just given."""
        ...


__all__ = ("Errand", "Job")
