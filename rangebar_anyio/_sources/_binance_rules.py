"""The facts of Binance's three markets: addresses, limits, the texts of requests, the meaning of answers. Pure.

Every request and every subscription of the library is written here. What no machine of the project could check
against the exchange itself is what ``rangebar-anyio verify-live SYMBOL`` checks: that both sides honour the time unit
asked for, that socket and REST agree per id, and how far back REST reaches.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from .._session._rules import Found, Limits, Meaning, Request, Verdict

_MICROSECONDS_FROM = 10**14
#: The engine believes no id from here on.
_IDS_END = 2**61
#: No such symbol, and one that is not traded at the moment.
_UNKNOWN_SYMBOL = (-1121, -1122)
_OUR_FAULT_FROM = -1100
_DEFAULT_WAIT_S = 60.0
_BAN_WAIT_S = 120.0
_LEAST_WAIT_S = 1.0
_FAR_FUTURE_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class BinanceRules:
    """One market of Binance, at its own addresses or at those of a server that behaves like it.

    Attributes:
        market: the market's own name.
        venue: the name that lanes are stored under.
        ws_url: base of the sockets, without a path beyond ``stream_prefix``.
        rest_url: base of the requests.
        stream_prefix: what stands before ``/ws``.
        rest_path: path of the aggregate trades.
        asks_microseconds: whether the market can give microseconds, and is asked to.
        page_weight: weight of one request for trades.
        limits: what one address may use.
        ping_interval_s: seconds between the server's pings.
        message_interval_s: seconds between two messages of ours.
        reaches_back: how far back REST serves ids, for people.
    """

    market: str
    venue: str
    ws_url: str
    rest_url: str
    stream_prefix: str
    rest_path: str
    asks_microseconds: bool
    page_weight: int
    limits: Limits
    ping_interval_s: float
    message_interval_s: float = 1 / 3
    page_rows: int = 1000
    streams_per_connection: int = 1024
    streams_per_message: int = 200
    connection_lifetime_s: float = 86_400.0
    reaches_back: str = ""

    @property
    def servers(self) -> tuple[str, str]:
        """Whose limits connections and requests count into, whatever name the user gave the venue."""
        return _named(self.market, self.ws_url), _named(self.market, self.rest_url)

    def connect_url(self, symbols: Sequence[str]) -> str:
        """Name the raw stream of the first symbol; a unit can only be asked for here, not when subscribing."""
        query = "?timeUnit=MICROSECOND" if self.asks_microseconds else ""
        return f"{self.ws_url.rstrip('/')}{self.stream_prefix}/ws/{quote(_stream(symbols[0]), safe='@')}{query}"

    def subscribe_text(self, message_id: int, symbols: Sequence[str]) -> str:
        """Subscribe; naming a stream again that the URL named already is harmless and gets the confirmation."""
        message = {"method": "SUBSCRIBE", "params": [_stream(symbol) for symbol in symbols], "id": message_id}
        return json.dumps(message, separators=(",", ":"))

    def page_request(self, symbol: str, from_id: int) -> Request:
        """Ask for the trades from an id on, which comes first in the answer if it is served."""
        return self._request(("symbol", symbol), ("fromId", str(from_id)), ("limit", str(self.page_rows)))

    def newest_request(self, symbol: str) -> Request:
        """Ask for the newest trade."""
        return self._request(("symbol", symbol), ("limit", "1"))

    def time_request(self, symbol: str, time_us: int) -> Request:
        """Ask for the first trades from the millisecond of a time on; earlier ones within it have to be skipped."""
        start_ms = str(time_us // 1000)
        return self._request(("symbol", symbol), ("startTime", start_ms), ("limit", str(self.page_rows)))

    def _request(self, *params: tuple[str, str]) -> Request:
        headers = (("X-MBX-TIME-UNIT", "MICROSECOND"),) if self.asks_microseconds else ()
        return Request(self.rest_url.rstrip("/") + self.rest_path, params, headers, self.page_weight)

    def read_answer(self, status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
        """Read status and error body. A 403 comes from the firewall; 5xx and what looks like it may be asked again."""
        if status == 200:
            return Verdict(Meaning.OK)

        code, message = _error(body)
        text = f"HTTP {status}" + (f": {message} ({code})" if code is not None else "")

        if status in (418, 429):
            return Verdict(
                Meaning.TOO_MANY, text, _retry_after(headers, _BAN_WAIT_S if status == 418 else _DEFAULT_WAIT_S)
            )

        if status == 403:
            return Verdict(Meaning.FIREWALL, text)

        if status == 400 and code in _UNKNOWN_SYMBOL:
            return Verdict(Meaning.UNKNOWN_SYMBOL, text)

        # Codes from -1000 to -1099 are the server's trouble, whatever the status.
        return Verdict(
            Meaning.REFUSED if status < 500 and code is not None and code <= _OUR_FAULT_FROM else Meaning.BROKEN, text
        )

    def used_weight(self, headers: Mapping[str, str]) -> int | None:
        """Read ``X-MBX-USED-WEIGHT-1M``."""
        text = headers.get("x-mbx-used-weight-1m", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None

    def read_trades(self, body: bytes) -> list[Found]:
        """Read ids and times of an answer; ``ValueError`` for one that is no list of trades."""
        rows = json.loads(body)

        if not isinstance(rows, list):
            raise ValueError("not a list of trades")

        return [_found(row) for row in rows]


def _stream(symbol: str) -> str:
    return f"{symbol.lower()}@aggTrade"


def _found(row: Any) -> Found:
    trade_id, time = (row.get("a"), row.get("T")) if isinstance(row, dict) else (None, None)

    if type(trade_id) is not int or type(time) is not int or not 0 <= trade_id < _IDS_END or time < 0:
        raise ValueError("a row is not a trade")

    if time < _MICROSECONDS_FROM:
        return Found(trade_id, time * 1000, "ms")

    return Found(trade_id, time, "us")


def _error(body: bytes) -> tuple[int | None, str]:
    try:
        error = json.loads(body)
    except (ValueError, RecursionError):
        return None, ""

    code = error.get("code") if isinstance(error, dict) else None
    return (code, str(error.get("msg", ""))[:200]) if type(code) is int else (None, "")


def _retry_after(headers: Mapping[str, str], default_s: float) -> float:
    text = headers.get("retry-after", "")

    # A date instead of seconds is not what the exchange sends; a proxy may.
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        return default_s

    # Nobody is asked again at once: going on after a 429 ends in a ban.
    return min(max(float(text), _LEAST_WAIT_S), _FAR_FUTURE_S)


_OWN: Mapping[str, Collection[str]] = {
    "binance-spot": {
        *("stream.binance.com:9443", "stream.binance.com:443", "data-stream.binance.vision:443"),
        *("api.binance.com:443", "api-gcp.binance.com:443", "data-api.binance.vision:443"),
        *(f"api{number}.binance.com:443" for number in range(1, 5)),
    },
    "binance-usdm": {"fstream.binance.com:443", "fapi.binance.com:443"},
    "binance-coinm": {"dstream.binance.com:443", "dapi.binance.com:443"},
}
_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}


def _named(market: str, *urls: str) -> str:
    """Give a server that is not the exchange's own another name, so that its trades never mix with the exchange's.

    However an address is written, it has one name; a user name or a password in it is nothing to keep in a database.
    """
    foreign = next((server for url in urls if (server := _foreign(market, url)) is not None), None)
    return market if foreign is None else f"{market}@{foreign}"


def _foreign(market: str, url: str) -> str | None:
    parts = urlsplit(url)
    usual = _PORTS.get(parts.scheme)
    host, port = parts.hostname or "", parts.port or usual

    if f"{host}:{port}" in _OWN[market]:
        return None

    host = f"[{host}]" if ":" in host else host
    return host if port == usual else f"{host}:{port}"


def spot_rules(ws_url: str | None = None, rest_url: str | None = None, venue: str | None = None) -> BinanceRules:
    """Give the rules of the spot market."""
    ws_url, rest_url = ws_url or "wss://stream.binance.com:9443", rest_url or "https://api.binance.com"
    return BinanceRules(
        market="binance-spot",
        venue=venue or _named("binance-spot", ws_url, rest_url),
        ws_url=ws_url,
        rest_url=rest_url,
        stream_prefix="",
        rest_path="/api/v3/aggTrades",
        asks_microseconds=True,
        page_weight=4,
        limits=Limits(weight=6000, heaviest=4, connects=300, connect_window_s=300.0),
        ping_interval_s=20.0,
        reaches_back="the first trade",
    )


def usd_futures_rules(ws_url: str | None = None, rest_url: str | None = None, venue: str | None = None) -> BinanceRules:
    """Give the rules of the USD-M futures."""
    ws_url, rest_url = ws_url or "wss://fstream.binance.com", rest_url or "https://fapi.binance.com"
    return _futures("binance-usdm", venue, ws_url, rest_url, "/market", "/fapi/v1/aggTrades")


def coin_futures_rules(
    ws_url: str | None = None, rest_url: str | None = None, venue: str | None = None
) -> BinanceRules:
    """Give the rules of the COIN-M futures."""
    ws_url, rest_url = ws_url or "wss://dstream.binance.com", rest_url or "https://dapi.binance.com"
    return _futures("binance-coinm", venue, ws_url, rest_url, "", "/dapi/v1/aggTrades")


def _futures(market: str, venue: str | None, ws_url: str, rest_url: str, prefix: str, path: str) -> BinanceRules:
    return BinanceRules(
        market=market,
        venue=venue or _named(market, ws_url, rest_url),
        ws_url=ws_url,
        rest_url=rest_url,
        stream_prefix=prefix,
        rest_path=path,
        asks_microseconds=False,
        page_weight=20,
        limits=Limits(weight=2400, heaviest=20, connects=300, connect_window_s=300.0),
        ping_interval_s=180.0,
        reaches_back="less far than spot's; older ids are answered from a later one",
    )


__all__ = ("BinanceRules", "coin_futures_rules", "spot_rules", "usd_futures_rules")
