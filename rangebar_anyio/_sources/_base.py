"""What a stream needs of a source: the facts of its market, and a way to reach it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .._session import VenueRules
    from ._transport import Transport

__all__ = ("TradeSource",)


class TradeSource(Protocol):
    """A market that `open_stream` can take trades from."""

    def rules(self) -> VenueRules:
        """Return the facts of the market: addresses, limits, the texts of requests, the meaning of answers."""
        ...

    def transport(self) -> Transport:
        """Return what opens sockets and sends requests; the stream closes it."""
        ...
