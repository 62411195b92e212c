"""The checks of `verify-live`. They read the exchange's JSON with Python's own parser, not with the engine's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

import anyio
import wsproto.events
from wsproto.connection import Connection, ConnectionType

from .._errors import ConnectionLostError, InvalidSymbolError, ProtocolError
from .._session._rules import Meaning, Request
from .._sources._binance_rules import BinanceRules, spot_rules
from .._sources._transport import ConnectRefused, RequestLost, Transport
from .._sources._websocket import RawWebSocket
from .._trade import EPOCH

__all__ = ("Verdict", "verify_live")

Row = Mapping[str, Any]

_REQUEST_S = 15.0
_AGAIN_S = 0.5
_SHOWN = 5
_MICROSECONDS_FROM = 10**14
#: What both sides say about a trade.
_FIELDS = {"p": "price", "q": "quantity", "f": "first trade", "l": "last trade", "T": "time", "m": "buyer is maker"}
_NUMBERS = frozenset("pq")
#: The first ids that the exchange's own documentation names.
_FIRST_IDS = (0, 1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a claim holds, what was found, and what contradicts it."""

    claim: str
    holds: bool
    found: str
    details: tuple[str, ...] = ()


async def verify_live(
    rules: BinanceRules,
    make_transport: Callable[[], Transport],
    symbol: str,
    trades: int,
    seconds: float,
    on_step: Callable[[str], object] = str,
) -> list[Verdict]:
    """Compare what the exchange does with what the library takes for granted; `on_step` hears what is waited for.

    Raises:
        InvalidSymbolError: the exchange does not know the symbol.
        ConnectionLostError: the exchange cannot be reached, or there were no trades in the time given.
        ProtocolError: it answers with something that cannot be read.
    """
    transport = make_transport()
    asker = _Asker(rules, transport)
    try:
        on_step("asking REST for the newest trade")
        newest = await asker.rows(rules.newest_request(symbol), symbol)
        on_step(f"listening for {trades:,} trades, {seconds:g} s at most")
        live = await _listen(rules, transport, symbol, trades, seconds)
        on_step("asking REST for the same trades, and for the oldest")
        served = await _served(rules, asker, symbol, live, seconds)
        oldest = await asker.rows(rules.page_request(symbol, 0), symbol)
    finally:
        await transport.aclose()

    return [
        _unit("WebSocket gives the time unit asked for", rules, live),
        _unit("REST gives the time unit asked for", rules, [*newest, *served, *oldest]),
        _consecutive(live),
        _agreement(live, served),
        _retention(rules, oldest),
    ]


class _Asker:
    """Sends requests, one after the other."""

    def __init__(self, rules: BinanceRules, transport: Transport) -> None:
        self._rules = rules
        self._transport = transport

    async def rows(self, request: Request, symbol: str) -> list[Row]:
        """Ask for trades."""
        venue = self._rules.venue
        try:
            answer = await self._transport.get(request.url, request.params, request.headers, timeout_s=_REQUEST_S)
        except RequestLost as lost:
            raise ConnectionLostError(venue, f"REST: {lost}") from lost

        verdict = self._rules.read_answer(answer.status, answer.headers, answer.body)
        if verdict.meaning is Meaning.UNKNOWN_SYMBOL:
            raise InvalidSymbolError(symbol, "is not known to the exchange", venue=venue)

        if verdict.meaning is not Meaning.OK:
            raise ConnectionLostError(venue, f"REST: {verdict.text}")

        return _rows(answer.body, venue)


def _rows(body: bytes, venue: str) -> list[Row]:
    try:
        rows = json.loads(body)
    except ValueError as error:
        raise ProtocolError(venue, f"REST answered with what is no JSON: {error}") from None

    if not isinstance(rows, list) or not all(_is_trade(row) for row in rows):
        raise ProtocolError(venue, f"REST answered with what is no list of trades: {body[:80]!r}")

    return rows


def _is_trade(value: Any) -> bool:
    return isinstance(value, dict) and type(value.get("a")) is int and type(value.get("T")) is int


# The socket.


async def _listen(rules: BinanceRules, transport: Transport, symbol: str, trades: int, seconds: float) -> list[Row]:
    """Take trades from the socket until there are enough or the time is up."""
    rows: list[Row] = []
    try:
        with anyio.move_on_after(seconds):
            async with transport.connect(rules.connect_url([symbol])) as socket:
                await socket.send_message(rules.subscribe_text(1, [symbol]))
                await _take(socket, rows, trades)
    except ConnectRefused as refused:
        raise ConnectionLostError(rules.venue, f"WebSocket: {refused.text}") from refused

    if not rows:
        raise ConnectionLostError(rules.venue, f"the socket brought no trade within {seconds:g} s")

    return rows[:trades]


async def _take(socket: RawWebSocket, rows: list[Row], trades: int) -> None:
    frames, text = Connection(ConnectionType.CLIENT), ""
    while len(rows) < trades:
        data = await socket.read(65_536)
        if not data:
            return

        frames.receive_data(data)
        for event in frames.events():
            if isinstance(event, wsproto.events.Ping):
                await socket.send_pong(bytes(event.payload))
            elif isinstance(event, wsproto.events.TextMessage):
                text += event.data
                if event.message_finished:
                    rows += _events(text)
                    text = ""


def _events(text: str) -> list[Row]:
    try:
        message = json.loads(text)
    except ValueError:
        return []

    event = message.get("data", message) if isinstance(message, dict) else None
    return [event] if isinstance(event, dict) and event.get("e") == "aggTrade" and _is_trade(event) else []


async def _served(rules: BinanceRules, asker: _Asker, symbol: str, live: Sequence[Row], seconds: float) -> list[Row]:
    """Ask REST for the same trades; its database may need a moment to have them."""
    first, last = live[0]["a"], live[-1]["a"]
    rows: list[Row] = []
    with anyio.move_on_after(seconds):
        while True:
            # Pages are joined at their ends, as the library does it.
            page = await asker.rows(rules.page_request(symbol, rows[-1]["a"] + 1 if rows else first), symbol)
            rows += page
            if rows and rows[-1]["a"] >= last:
                break

            if len(page) < rules.page_rows:
                await anyio.sleep(_AGAIN_S)

    return [row for row in rows if row["a"] <= last]


# Verdicts.


def _unit(claim: str, rules: BinanceRules, rows: Sequence[Row]) -> Verdict:
    wanted = "microseconds" if rules.asks_microseconds else "milliseconds"
    wrong = [row for row in rows if _unit_of(row) != wanted]
    details = tuple(f"trade {row['a']} has the time {row['T']}: {_unit_of(row)}" for row in wrong[:_SHOWN])
    return Verdict(claim, not wrong, f"{wanted}, {len(rows) - len(wrong):,} of {len(rows):,} trades", details)


def _unit_of(row: Row) -> str:
    return "microseconds" if row["T"] >= _MICROSECONDS_FROM else "milliseconds"


def _consecutive(live: Sequence[Row]) -> Verdict:
    steps = [(before["a"], row["a"]) for before, row in pairwise(live) if row["a"] != before["a"] + 1]
    details = tuple(f"trade {after} came after trade {before}" for before, after in steps[:_SHOWN])
    found = f"{len(live):,} trades, {live[0]['a']} to {live[-1]['a']}"
    return Verdict("WebSocket ids follow each other", not steps, found, details)


def _agreement(live: Sequence[Row], served: Sequence[Row]) -> Verdict:
    by_socket, by_rest = ({row["a"]: row for row in rows} for rows in (live, served))
    details = [f"trade {number}: only REST has it" for number in sorted(by_rest.keys() - by_socket.keys())]
    details += [f"trade {number}: only the socket has it" for number in sorted(by_socket.keys() - by_rest.keys())]
    both = sorted(by_socket.keys() & by_rest.keys())
    unlike = [text for number in both if (text := _difference(by_socket[number], by_rest[number]))]
    details += unlike
    found = f"{len(both) - len(unlike):,} of {len(by_socket.keys() | by_rest.keys()):,} trades are the same"
    return Verdict("WebSocket and REST agree per id", not details, found, tuple(details[:_SHOWN]))


def _difference(live: Row, served: Row) -> str:
    for key, name in _FIELDS.items():
        left, right = _value(key, live), _value(key, served)
        if left != right:
            return f"trade {live['a']}: {name} is {live.get(key)!r} on the socket, {served.get(key)!r} at REST"

    return ""


def _value(key: str, row: Row) -> object:
    if key in _NUMBERS:
        return _number(row.get(key))

    if key == "T":
        # Unlike units are a verdict of their own.
        return row[key] // 1000 if _unit_of(row) == "microseconds" else row[key]

    return row.get(key)


def _number(value: object) -> object:
    """Read `1.50` and `1.5` as equal, and leave what is no number as it is."""
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return value


def _retention(rules: BinanceRules, oldest: Sequence[Row]) -> Verdict:
    reaches_all = rules.reaches_back == spot_rules().reaches_back
    claim = "REST reaches back to the first trade" if reaches_all else "REST goes on from a later id than it lost"
    if not oldest:
        return Verdict(claim, False, "no answer for the oldest trades")

    first = oldest[0]
    time_us = first["T"] * (1 if _unit_of(first) == "microseconds" else 1000)
    found = f"trade {first['a']:,} of {EPOCH + timedelta(microseconds=time_us):%Y-%m-%d %H:%M:%S} UTC"
    holds = first["a"] in _FIRST_IDS or not reaches_all
    details = () if holds else ("a start before that begins there; what lies before counts as missing",)
    return Verdict(claim, holds, f"oldest served: {found}", details)
