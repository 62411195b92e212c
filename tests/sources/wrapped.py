"""A source around another one, as a program would write it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rangebar_anyio import BinanceSpot
from rangebar_anyio._sources._binance_rules import BinanceRules
from rangebar_anyio._sources._transport import Transport


@dataclass(frozen=True)
class Wrapped:
    """The spot market with changed rules, through a transport of its own."""

    ws_url: str
    rest_url: str
    of_rules: Callable[[BinanceRules], Any] = lambda rules: rules
    make_transport: Callable[[], Any] = Transport

    def rules(self) -> Any:
        return self.of_rules(BinanceSpot(self.ws_url, self.rest_url).rules())

    def transport(self) -> Any:
        return self.make_transport()
