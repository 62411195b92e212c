"""What a stream needs of a source: the facts of its market, and a way to reach it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .._session import VenueRules
    from ._transport import Transport

__all__ = ("TradeSource",)


class TradeSource(Protocol):
    """A market that `open_stream` can take trades from.

    `BinanceSpot`, `BinanceUsdFutures` and `BinanceCoinFutures` are sources. A program can write one that wraps them or
    derives from them, say to send everything through a transport of its own: `open_stream` calls the two methods once
    each and asks for nothing else. What sockets bring is decoded as Binance's trades, so this is not yet an interface
    for other venues, and the types of rules and transports are not public. What is said here and in `VenueRules` and
    `Transport` is what `rangebar_anyio.testing.check_trade_source` holds a source against.
    """

    def rules(self) -> VenueRules:
        """Return the facts of the market: addresses, limits, the texts of requests, the meaning of answers.

        They are the same each time; each of their methods depends on its arguments alone and does no I/O. Whatever an
        answer is made of, `read_answer` and `used_weight` raise nothing, and `read_trades` nothing but `ValueError` or
        `RecursionError`.
        """
        ...

    def transport(self) -> Transport:
        """Return what opens sockets and sends requests: a new one each time, which the stream closes.

        What fails raises `ConnectRefused` or `RequestLost` and nothing else; what is left, cancelled or given up leaves
        no connection behind.
        """
        ...
