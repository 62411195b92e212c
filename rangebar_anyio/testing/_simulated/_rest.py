"""The REST side, sans-IO: a request in, an answer out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl

from .._tape import AggTrade
from ._counters import Counters
from ._faults import FaultBook, FaultKind
from ._meters import WeightMeter
from ._parameters import Refused, illegal, mandatory, numbers, window
from ._playback import Playback, Published
from ._texts import rows_text
from ._venue import Limits, Venue

__all__ = ("RestAnswer", "RestSide")

_EXCHANGE_INFO_WEIGHT = 20
_SYMBOL = re.compile(r"[A-Z0-9\-_.]{1,20}")


@dataclass(frozen=True, slots=True)
class RestAnswer:
    """An answer, and what shall happen to it on its way.

    Attributes:
        status: HTTP status; 0 for none at all: the connection ends after the delay.
        body: the body.
        headers: besides the usual ones.
        delay_s: wait so long before answering.
        cut: send half of the body and reset the connection.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut: bool = False


class RestSide:
    """Answers requests from what is public, as far as the database and the faults let it.

    Args:
        venue: URLs and units.
        limits: weights.
        playback: what is public.
        faults: what goes wrong.
        counters: where answers are counted.
        lags_s: how far behind the databases are; each request goes to the next one in turn.
        keeps: how many trades of a symbol, the newest, are served; ``None`` for all.
        listed: symbols that exist and have no trade.
    """

    def __init__(
        self,
        venue: Venue,
        limits: Limits,
        playback: Playback,
        faults: FaultBook,
        counters: Counters,
        *,
        lags_s: tuple[float, ...] = (0.0,),
        keeps: int | None = None,
        listed: frozenset[str] = frozenset(),
    ) -> None:
        if keeps is not None and keeps < 1:
            raise ValueError(f"rest_keeps must be at least 1, or None for all, not {keeps!r}")

        self._venue = venue
        self._limits = limits
        self._playback = playback
        self._faults = faults
        self._counters = counters
        self._lags_s = lags_s
        self._keeps = keeps
        self._listed = listed
        self._meter = WeightMeter(limits)
        self._asked = 0

    def answer(self, path: str, query: str, headers: Mapping[str, str], now: float, time_us: int) -> RestAnswer:
        """Answer a GET request.

        Args:
            path: without the query.
            query: without the question mark.
            headers: names in lower case.
            now: seconds on the clock of the exchange's meters.
            time_us: what the exchange's own clock shows.
        """
        self._counters.requests += 1
        answer = self._limited(path, query, headers, now, time_us)
        answer = self._faulty(answer, now)
        self._counters.answers[answer.status] += 1
        return answer

    def _limited(self, path: str, query: str, headers: Mapping[str, str], now: float, time_us: int) -> RestAnswer:
        root, _, name = path.rpartition("/")
        weight = {"aggTrades": self._limits.agg_trades_weight, "exchangeInfo": _EXCHANGE_INFO_WEIGHT}.get(name, 1)
        status, wait_s = self._meter.charge(weight, now)
        self._counters.weight_used += weight
        used = {"X-MBX-USED-WEIGHT-1M": str(self._meter.used), "X-MBX-USED-WEIGHT": str(self._meter.used)}

        if status != 200:
            text = "Too much request weight used; please use WebSocket Streams." if status == 429 else "IP banned."
            return RestAnswer(status, Refused(-1003, text).body, {**used, "Retry-After": str(wait_s)})

        if root != self._venue.rest_root:
            return RestAnswer(404, b"<html><body><h2>404 Not found</h2></body></html>", used)

        try:
            return RestAnswer(200, self._body(name, query, headers, now, time_us), used)
        except Refused as refused:
            return RestAnswer(400, refused.body, used)

    def _body(self, name: str, query: str, headers: Mapping[str, str], now: float, time_us: int) -> bytes:
        micro = self._microseconds(headers, now)
        parameters = dict(parse_qsl(query, keep_blank_values=True))

        match name:
            case "ping":
                return b"{}"
            case "time":
                return b'{"serverTime":%d}' % (time_us if micro else time_us // 1000)
            case "exchangeInfo":
                return self._exchange_info(parameters, time_us)
            case "aggTrades":
                rows = self._rows(parameters, now)
                return rows_text(rows, microseconds=micro, futures=self._venue.futures).encode()
            case _:
                raise Refused(-1000, "An unknown error occurred while processing the request.")

    def _microseconds(self, headers: Mapping[str, str], now: float) -> bool:
        asked = headers.get("x-mbx-time-unit", "").upper() == "MICROSECOND" and not self._venue.futures
        wrong = asked and self._faults.find(FaultKind.WRONG_UNIT, self._playback.position, now)
        return asked and not wrong

    def _exchange_info(self, parameters: dict[str, str], time_us: int) -> bytes:
        names = [*self._playback.published, *sorted(self._listed)]

        if "symbol" in parameters:
            names = [self._symbol(parameters)]

        symbols = [{"symbol": name, "status": "TRADING"} for name in names]
        info = {"timezone": "UTC", "serverTime": time_us // 1000, "rateLimits": [], "symbols": symbols}
        return json.dumps(info, separators=(",", ":")).encode()

    def _symbol(self, parameters: dict[str, str]) -> str:
        symbol = parameters.get("symbol", "")

        if not symbol:
            raise mandatory("symbol")

        if not _SYMBOL.fullmatch(symbol):
            raise illegal("symbol", "^[A-Z0-9-_.]{1,20}$")

        if symbol not in self._playback.published and symbol not in self._listed:
            raise Refused(-1121, "Invalid symbol.")

        return symbol

    # Aggregate trades.

    def _rows(self, parameters: dict[str, str], now: float) -> list[AggTrade]:
        symbol = self._symbol(parameters)
        asked = numbers(parameters)
        limit = min(asked.get("limit", self._limits.page // 2), self._limits.page)
        published = self._playback.published.get(symbol)

        if published is None:
            return []

        known = published.known(now, self._lag_s(symbol, now))
        first, last = window(published, asked, known)
        first = first if self._keeps is None else min(last, max(first, published.count - self._keeps))
        gone = self._gone(symbol, now)

        if "fromId" in asked or "startTime" in asked:
            return self._take(published, range(first, last), limit, gone)

        return self._take(published, range(last - 1, first - 1, -1), limit, gone)[::-1]

    def _take(self, published: Published, indices: range, limit: int, gone: list[tuple[int, int]]) -> list[AggTrade]:
        if not gone:
            return [published.tape[index] for index in indices[:limit]]

        rows: list[AggTrade] = []

        for index in indices:
            number = published.tape.trade_ids[index]

            if not any(low <= number <= high for low, high in gone):
                rows.append(published.tape[index])

            if len(rows) == limit:
                break

        return rows

    def _gone(self, symbol: str, now: float) -> list[tuple[int, int]]:
        position = self._playback.position
        return [
            running.fault.ids
            for running in self._faults.running
            if running.fault.ids is not None
            and not running.over(position, now)
            and running.fault.strikes(symbol=symbol)
        ]

    def _lag_s(self, symbol: str, now: float) -> float:
        """Lag of the database that this request meets."""
        position = self._playback.position
        lag_s = self._lags_s[self._asked % len(self._lags_s)]
        stale = self._faults.find(FaultKind.REST_STALE, position, now, symbol=symbol)
        behind = self._faults.find(FaultKind.REST_LAG, position, now, symbol=symbol)

        if stale is not None and self._asked % 2 == 0:
            lag_s = max(lag_s, stale.strike().number(5000) / 1000)

        if behind is not None:
            lag_s = max(lag_s, behind.strike().number(1000) / 1000)

        self._asked += 1
        return lag_s

    # Faults.

    def _faulty(self, answer: RestAnswer, now: float) -> RestAnswer:
        position = self._playback.position

        for kind, spoil in _SPOILERS.items():
            running = self._faults.find(kind, position, now)

            if running is not None:
                answer = spoil(answer, running.strike().value)

        return answer


def _malformed(answer: RestAnswer, value: int | None) -> RestAnswer:
    half = answer.body[: len(answer.body) // 2]
    bodies = (half, b"<html><body>Just a moment...</body></html>", b"", b'{"a":1}')
    return replace(answer, status=200, body=bodies[(value or 0) % len(bodies)])


def _error(answer: RestAnswer, value: int | None) -> RestAnswer:
    return replace(answer, status=value or 503, body=b'{"code":-1001,"msg":"Internal error."}')


def _slow(answer: RestAnswer, value: int | None) -> RestAnswer:
    return replace(answer, delay_s=(500 if value is None else value) / 1000)


def _timeout(answer: RestAnswer, value: int | None) -> RestAnswer:
    return replace(answer, status=0, delay_s=(10_000 if value is None else value) / 1000)


def _cut(answer: RestAnswer, _: int | None) -> RestAnswer:
    return replace(answer, cut=True)


_SPOILERS = {
    FaultKind.REST_ERROR: _error,
    FaultKind.REST_MALFORMED: _malformed,
    FaultKind.REST_SLOW: _slow,
    FaultKind.REST_CUT: _cut,
    FaultKind.REST_TIMEOUT: _timeout,
}
