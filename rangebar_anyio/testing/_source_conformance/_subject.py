"""What is checked, and how a clause says that it does not hold."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias

from rangebar_anyio._sources._base import TradeSource
from rangebar_anyio._sources._transport import Transport

__all__ = ("NOWHERE", "Clause", "Maker", "Subject", "VenueName", "broken", "require")

Maker: TypeAlias = Callable[[str, str], TradeSource]
VenueName: TypeAlias = Literal["spot", "usd-m", "coin-m"]
Clause: TypeAlias = Callable[["Subject"], Awaitable[None]]

#: Nothing listens there.
NOWHERE = "127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class Subject:
    """The source that is checked."""

    maker: Maker
    venue: VenueName

    def at(self, host: str = NOWHERE) -> TradeSource:
        """Point it at a host."""
        return self.maker(f"ws://{host}", f"http://{host}")

    @asynccontextmanager
    async def transport(self) -> AsyncGenerator[Transport, None]:
        """Give a transport of it for the length of a block."""
        transport = self.at().transport()
        try:
            yield transport
        finally:
            await transport.aclose()


def require(holds: bool, clause: str) -> None:
    """Raise unless a clause holds."""
    if not holds:
        broken(clause)


def broken(clause: str, cause: BaseException | None = None) -> NoReturn:
    """Say which clause does not hold."""
    seen = "" if cause is None else f" ({type(cause).__name__}: {cause})"
    raise AssertionError(f"the source breaks its contract: {clause}{seen}") from cause
