"""Requests as an exchange answers them: the trades that were asked for, and what it counts them as."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from rangebar_anyio._session import Found, Meaning, Request, VenueRules
from rangebar_anyio._sources._base import TradeSource
from rangebar_anyio._sources._transport import HttpAnswer, Transport
from rangebar_anyio._sources._websocket import RawWebSocket

from .._simulated._server import SimulatedExchange
from .._tape import Tape
from ._market import make_tape
from ._subject import Clause, Subject, broken, require

__all__ = ("CLAUSES",)

_SYMBOL = "BTCUSDT"
_FIRST_ID = 1000
#: No venue's page is longer, and a tape should be.
_MOST_ROWS = 10_000
_TIMEOUT_S = 20.0
_EVENTS_S = 20.0
_MESSAGE_ID = 71


async def _answers(subject: Subject) -> None:
    """Requests for an id, for a time and for the newest trade are answered with those trades."""
    page_rows = subject.at().rules().page_rows
    tape = make_tape(_SYMBOL, min(page_rows, _MOST_ROWS) + 50, _FIRST_ID)
    async with SimulatedExchange(tape, venue=subject.venue, history=len(tape), starts="at-once") as exchange:
        source = subject.maker(exchange.ws_url, exchange.rest_url)
        transport = source.transport()
        try:
            asker = _Asker(source, transport)
            await _by_id(asker, tape, page_rows)
            await _newest(asker, tape)
            await _by_time(asker, tape)
            await _unknown(asker)
        finally:
            await transport.aclose()

        counted = exchange.counters.weight_used
        require(
            asker.weight == counted,
            f"requests weigh what the exchange counts them as: {counted} for {asker.requests}, not {asker.weight}",
        )


class _Asker:
    """Sends requests, and keeps count of what they should weigh."""

    def __init__(self, source: TradeSource, transport: Transport) -> None:
        self.rules: VenueRules = source.rules()
        self._transport = transport
        self.weight = 0
        self.requests = 0

    async def ask(self, request: Request) -> HttpAnswer:
        self.weight += request.weight
        self.requests += 1
        answer = await self._transport.get(request.url, request.params, request.headers, timeout_s=_TIMEOUT_S)
        _check_weight(self.rules, answer)
        return answer

    async def trades(self, request: Request) -> list[Found]:
        answer = await self.ask(request)
        verdict = self.rules.read_answer(answer.status, answer.headers, answer.body)
        require(verdict.meaning is Meaning.OK, f"the exchange answers {request}, and does not say {verdict.text!r}")
        try:
            return list(self.rules.read_trades(answer.body))
        except ValueError as error:
            broken(f"read_trades() reads what the exchange answers: {answer.body[:80]!r}", error)


def _check_weight(rules: VenueRules, answer: HttpAnswer) -> None:
    used = rules.used_weight(answer.headers)
    told = answer.headers.get("x-mbx-used-weight-1m")
    require(str(used) == told, f"used_weight() reads the weight that an answer tells: {told}, not {used!r}")
    for nonsense in ("", "many", "-1", "1e9", "²", "9" * 5000):
        try:
            found = rules.used_weight(dict.fromkeys(answer.headers, nonsense))
        except Exception as error:  # noqa: BLE001 - a source may raise what it likes, and must not
            broken(f"used_weight() of {nonsense[:20]!r} raises nothing", error)

        require(found is None, f"used_weight() of {nonsense[:20]!r} is None, not {found!r}")


async def _by_id(asker: _Asker, tape: Tape, page_rows: int) -> None:
    for first in (0, 30):
        found = await asker.trades(asker.rules.page_request(_SYMBOL, tape.trade_ids[first]))
        wanted = list(tape.trade_ids[first : first + page_rows])
        ids = [trade.trade_id for trade in found]
        require(ids[:1] == wanted[:1], f"a page begins with the id it was asked for: {wanted[0]}, not {ids[:1]}")
        require(ids == wanted, f"a page has page_rows trades if there are: {len(wanted)}, not {len(ids)}")
        times = [trade.time_us for trade in found]
        clause = "read_trades() gives times in microseconds, whatever the unit of the answer"
        require(times == list(tape.timestamps_us[first : first + page_rows]), clause)

    beyond = await asker.trades(asker.rules.page_request(_SYMBOL, tape.trade_ids[-1] + 1))
    require(beyond == [], "a page from an id that is not there yet is empty")


async def _newest(asker: _Asker, tape: Tape) -> None:
    found = await asker.trades(asker.rules.newest_request(_SYMBOL))
    ids = [trade.trade_id for trade in found]
    wanted = tape.trade_ids[-1]
    require(ids[-1:] == [wanted], f"newest_request() brings the newest trade, {wanted}, as its last, not {ids[-1:]}")


async def _by_time(asker: _Asker, tape: Tape) -> None:
    # A time with trades, and one between two of them.
    for time_us in (tape.timestamps_us[20], tape.timestamps_us[20] + 1):
        found = await asker.trades(asker.rules.time_request(_SYMBOL, time_us))
        first = next((trade.trade_id for trade in found if trade.time_us >= time_us), None)
        wanted = tape.trade_ids[tape.index_of_time(time_us)]
        require(first == wanted, f"time_request() brings the first trade that is not earlier: {wanted}, not {first}")


async def _unknown(asker: _Asker) -> None:
    answer = await asker.ask(asker.rules.page_request("NOSUCHUSDT", 0))
    meaning = asker.rules.read_answer(answer.status, answer.headers, answer.body).meaning
    clause = f"the answer about a symbol that is not listed means UNKNOWN_SYMBOL, not {meaning.name}"
    require(meaning is Meaning.UNKNOWN_SYMBOL, clause)


async def _events(subject: Subject) -> None:
    """A connection brings the trades of every symbol that it was subscribed to, and the answer to its subscription."""
    tapes = [make_tape(symbol, 20, _FIRST_ID) for symbol in (_SYMBOL, "ETHUSDT", "BNBUSDT")]
    names = [tape.symbol for tape in tapes]
    async with SimulatedExchange(tapes, venue=subject.venue, starts="by-hand") as exchange:
        source = subject.maker(exchange.ws_url, exchange.rest_url)
        transport, rules = source.transport(), source.rules()
        try:
            async with transport.connect(rules.connect_url(names)) as socket:
                await socket.send_message(rules.subscribe_text(_MESSAGE_ID, names))
                answer = await _read_until(socket, [b'"id":%d' % _MESSAGE_ID])
                exchange.start()
                found = await _read_until(socket, [b'"s":"%b"' % name.encode() for name in names], answer)
        finally:
            await transport.aclose()

    require(b'"id":%d' % _MESSAGE_ID in answer, "a subscription is answered by the exchange")
    silent = [name for name in names if b'"s":"%b"' % name.encode() not in found]
    require(not silent, f"a connection brings the trades of all its symbols, also those of {silent}")


async def _read_until(socket: RawWebSocket, wanted: Sequence[bytes], found: bytes = b"") -> bytes:
    """Read until all of this has come, or for a while."""
    with anyio.move_on_after(_EVENTS_S):
        while not all(text in found for text in wanted):
            data = await socket.read(65_536)
            if not data:
                break

            found += data

    return found


CLAUSES: tuple[Clause, ...] = (_answers, _events)
