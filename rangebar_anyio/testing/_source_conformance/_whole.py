"""From end to end: a stream whose connection is cut gives the bars of the whole tape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import anyio

from rangebar_anyio import Bar, ReconnectPolicy, SessionConfig, open_stream
from rangebar_anyio._sources._base import TradeSource

from .._simulated._faults import Fault, FaultKind
from .._simulated._playback import Pace
from .._simulated._server import SimulatedExchange
from .._simulated._venue import Limits
from ._market import make_tape
from ._subject import Clause, Subject, broken, require

__all__ = ("CLAUSES",)

_THRESHOLD_DBPS = 250
_SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT")
_TRADES = 150
_HISTORY = 200
_CUT_AT = 330
_WAIT_S = 60.0
_HASTY = SessionConfig(
    policy=ReconnectPolicy(first_delay_s=0.05, max_delay_s=0.2, connect_share=1.0, weight_share=1.0),
    connect_timeout_s=10.0,
    subscribe_timeout_s=10.0,
    request_timeout_s=10.0,
    quiet_after_s=0.5,
    quiet_after_max_s=2.0,
    stalled_grace_s=0.5,
)


async def _bars(subject: Subject) -> None:
    """A stream over one cut connects again, and gives every bar of the tape, once and in order."""
    tapes = [make_tape(symbol, _TRADES, 1000 * at) for at, symbol in enumerate(_SYMBOLS, 1)]
    wanted = {tape.symbol: tape.bars(_THRESHOLD_DBPS) for tape in tapes}
    exchange = SimulatedExchange(
        tapes,
        venue=subject.venue,
        history=_HISTORY,
        limits=Limits.none(),
        pace=Pace(trades_per_s=500),
        faults=[Fault(FaultKind.DROP, at_trade=_CUT_AT)],
    )
    async with exchange:
        source = subject.maker(exchange.ws_url, exchange.rest_url)
        found: dict[str, list[Bar]] = {symbol: [] for symbol in _SYMBOLS}
        try:
            with anyio.fail_after(_WAIT_S):
                await _read(source, {tape.symbol: tape.trade_ids[0] for tape in tapes}, found, wanted, exchange)
        except TimeoutError as error:
            counters = exchange.counters
            came = f"{_counts(found)} over {counters.connections} connections in {_WAIT_S:g} s"
            broken(f"a stream connects again after a cut and brings every bar, {_counts(wanted)}, not {came}", error)
        except Exception as error:  # noqa: BLE001 - whatever a stream ends with, the source made it
            broken("a stream goes on after a cut", error)

        require(found == wanted, "a stream brings the bars of the whole tape, as they are offline")
        with anyio.move_on_after(_LEAVING_S):
            await exchange.wait_until(lambda counters: counters.open_connections == 0)

        require(exchange.counters.open_connections == 0, "a stream that is left has no connection left")


#: What closing a socket and hearing of it may take.
_LEAVING_S = 15.0


async def _read(
    source: TradeSource,
    start: Mapping[str, int],
    found: dict[str, list[Bar]],
    wanted: Mapping[str, Sequence[Bar]],
    exchange: SimulatedExchange,
) -> None:
    async with open_stream(_SYMBOLS, threshold_dbps=_THRESHOLD_DBPS, source=source, start=start, config=_HASTY) as bars:
        while any(len(found[symbol]) < len(wanted[symbol]) for symbol in wanted):
            bar = await bars.receive()
            found[bar.symbol].append(bar)

        # What a socket missed comes by REST too, so the bars alone do not show that there is one.
        await exchange.wait_until(lambda counters: counters.faults["drop"] == 1 and counters.connections >= 2)


def _counts(bars: Mapping[str, Sequence[Bar]]) -> str:
    return ", ".join(f"{len(some)} of {symbol}" for symbol, some in bars.items())


CLAUSES: tuple[Clause, ...] = (_bars,)
