"""What differs between spot, USD-M and COIN-M: URLs, weights, units and limits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

__all__ = ("COIN_M", "SPOT", "USD_M", "VENUES", "Limits", "Venue")


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of an exchange, every one of which bites.

    Each may be `math.inf`, which switches it off; `Limits.none` switches all off.

    Attributes:
        messages_per_s: frames a client may send in any second (pings, pongs and text); one more disconnects.
        ban_after_disconnects: so many disconnects for too many messages, and handshakes are answered 403.
        streams_per_connection: streams one connection may carry.
        connects_per_window: connection attempts in any ``connect_window_s`` seconds; more are answered 429.
        weight_per_minute: request weight in one minute of the exchange's clock; more is answered 429.
        patience: requests that are still answered 429 within that minute; the next one is answered 418.
        ban_s: how long a 418 or 403 lasts, in seconds.
        agg_trades_weight: weight of one request for aggregate trades.
        page: most trades in one answer.
        ping_interval_s: seconds between the server's pings.
        pong_timeout_s: seconds within which the pong must come.
        connection_lifetime_s: age at which a connection is closed.
        backlog: messages that may wait for one client before it is disconnected as too slow.
    """

    messages_per_s: float = 5
    ban_after_disconnects: float = 5
    streams_per_connection: float = 1024
    connects_per_window: float = 300
    connect_window_s: float = 300.0
    weight_per_minute: float = 6000
    patience: float = 10
    ban_s: float = 120.0
    agg_trades_weight: int = 4
    page: int = 1000
    ping_interval_s: float = 20.0
    pong_timeout_s: float = 60.0
    connection_lifetime_s: float = 86_400.0
    backlog: float = 200_000

    @classmethod
    def none(cls) -> Limits:
        """Limits that never bite, and no pings."""
        return cls(
            messages_per_s=inf,
            ban_after_disconnects=inf,
            streams_per_connection=inf,
            connects_per_window=inf,
            weight_per_minute=inf,
            patience=inf,
            ping_interval_s=inf,
            connection_lifetime_s=inf,
            backlog=inf,
        )


@dataclass(frozen=True, slots=True)
class Venue:
    """One of the three markets.

    Attributes:
        name: ``"spot"``, ``"usd-m"`` or ``"coin-m"``.
        stream_prefix: what stands before ``/ws`` and ``/stream`` in the path.
        rest_root: what stands before ``/aggTrades`` in the path.
        futures: whether events and rows have the futures' keys; then times are milliseconds only.
        limits: the venue's own limits.
    """

    name: str
    stream_prefix: str
    rest_root: str
    futures: bool
    limits: Limits


_FUTURES_LIMITS = replace(
    Limits(),
    messages_per_s=10,
    weight_per_minute=2400,
    agg_trades_weight=20,
    ping_interval_s=180.0,
    pong_timeout_s=600.0,
)

SPOT = Venue("spot", "", "/api/v3", False, Limits())
USD_M = Venue("usd-m", "/market", "/fapi/v1", True, _FUTURES_LIMITS)
COIN_M = Venue("coin-m", "", "/dapi/v1", True, _FUTURES_LIMITS)
VENUES = {venue.name: venue for venue in (SPOT, USD_M, COIN_M)}
