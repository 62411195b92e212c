"""Binance's three markets as sources of trades."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from ._binance_rules import BinanceRules, coin_futures_rules, spot_rules, usd_futures_rules

if TYPE_CHECKING:
    import httpx

    from ._transport import Transport

__all__ = ("BinanceCoinFutures", "BinanceSpot", "BinanceUsdFutures")

#: Ends of the paths that the exchange documents, which people copy with the server's name.
_ADDED = frozenset(("ws", "stream", "market", "public", "api", "fapi", "dapi", "v1", "v3", "aggTrades"))


@dataclass(frozen=True, slots=True)
class _Binance:
    """Where a market is reached, and through which client."""

    ws_url: str | None = None
    rest_url: str | None = None
    client: httpx.AsyncClient | None = None
    venue: str | None = None

    def __post_init__(self) -> None:
        _check_url("ws_url", self.ws_url, ("ws", "wss"))
        _check_url("rest_url", self.rest_url, ("http", "https"))

    def rules(self) -> BinanceRules:
        """Return the facts of the market."""
        raise NotImplementedError  # pragma: no cover - each market has its own

    def transport(self) -> Transport:
        """Return what opens sockets and sends requests."""
        # Here, not above: a program that only replays never loads an HTTP client.
        from ._transport import Transport

        return Transport(self.client)


def _check_url(name: str, url: str | None, schemes: tuple[str, str]) -> None:
    if url is None:
        return

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{name} {url!r} is no address: {error}") from None

    if parts.scheme not in schemes or not host or any(sign.isspace() for sign in url):
        raise ValueError(f"{name} must begin with {schemes[0]}:// or {schemes[1]}:// and name a host, not {url!r}")

    if port == 0:
        raise ValueError(f"{name} {url!r} is no address: port 0 is none")

    # A path may lead through a proxy, but not to where the library goes from there by itself.
    last = parts.path.rstrip("/").rpartition("/")[2]
    if last in _ADDED or parts.query or parts.fragment:
        raise ValueError(f"{name} is the server alone, not {url!r}; write {parts.scheme}://{parts.netloc}")


@dataclass(frozen=True, slots=True)
class BinanceSpot(_Binance):
    """Binance's spot market.

    Args:
        ws_url: base of the WebSocket, `wss://stream.binance.com:9443` by default.
        rest_url: base of REST, `https://api.binance.com` by default.
        client: an httpx client to connect through (proxies, TLS contexts, headers); it is used and left open. Its
            pool must have room for the sockets: `httpx.Limits(max_connections=None)`.
        venue: the name that positions are stored under; by default `binance-spot`, with `@host:port` behind it for
            another server.

    Raises:
        ValueError: a URL of another scheme, without a host or a port that exists, or with more than the server.

    Example:
        ```python
        source = BinanceSpot(ws_url="wss://data-stream.binance.vision", rest_url="https://data-api.binance.vision")
        ```
    """

    name: ClassVar[str] = "binance-spot"

    def rules(self) -> BinanceRules:
        """Return the facts of the market."""
        return spot_rules(self.ws_url, self.rest_url, self.venue)


@dataclass(frozen=True, slots=True)
class BinanceUsdFutures(_Binance):
    """Binance's USD-M futures; parameters as for `BinanceSpot`, the venue is `binance-usdm`."""

    name: ClassVar[str] = "binance-usdm"

    def rules(self) -> BinanceRules:
        """Return the facts of the market."""
        return usd_futures_rules(self.ws_url, self.rest_url, self.venue)


@dataclass(frozen=True, slots=True)
class BinanceCoinFutures(_Binance):
    """Binance's COIN-M futures; parameters as for `BinanceSpot`, the venue is `binance-coinm`."""

    name: ClassVar[str] = "binance-coinm"

    def rules(self) -> BinanceRules:
        """Return the facts of the market."""
        return coin_futures_rules(self.ws_url, self.rest_url, self.venue)
