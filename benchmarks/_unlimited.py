"""A source whose server has no limits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rangebar_anyio import BinanceSpot
from rangebar_anyio._session import Limits, VenueRules

if TYPE_CHECKING:
    from rangebar_anyio._sources._transport import Transport

__all__ = ("Unlimited",)


class Unlimited:
    """Another source, without its limits."""

    def __init__(self, source: BinanceSpot) -> None:
        self._source = source

    def rules(self) -> VenueRules:
        """The source's rules, with limits that never bite."""
        none = Limits(weight=10**9, heaviest=4, connects=10**6, connect_window_s=300.0)
        return replace(self._source.rules(), limits=none)

    def transport(self) -> Transport:
        """The source's own."""
        return self._source.transport()
