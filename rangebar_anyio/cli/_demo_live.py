"""The demo's client: it watches a stream until the tape's end, and compares."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio
from rich.console import Console

from .. import _events as events
from .._bar import Bar
from .._reconnect import ReconnectPolicy
from .._session import SessionConfig, StreamStats
from .._sources._binance import BinanceSpot
from .._stream import BarStream, open_stream
from ..testing._tape import Tape
from ._demo_child import DemoExchange
from ._demo_market import HISTORY, THRESHOLDS, demo_tapes
from ._follow import Ended, follow
from ._screen import Screen, open_screen
from ._table import TablePrinter

__all__ = ("Outcome", "compare", "run_demo")

Lane = tuple[str, int]

_WIDE = 1000
_LOOK_S = 0.2
#: Nothing new for so long means that nothing will come, on any machine.
_GIVE_UP_S = 60.0

#: The real numbers are minutes and hours; nobody wants to watch those.
_QUICK = SessionConfig(
    policy=ReconnectPolicy(first_delay_s=0.3, max_delay_s=2.0, jitter=False),
    quiet_after_s=1.0,
    quiet_after_max_s=2.0,
    stalled_grace_s=0.5,
    overlap_s=1.0,
)


@dataclass(slots=True)
class Outcome:
    """What the demo came to; `equal` and `expected` are bars, `troubles` say whether each was seen."""

    expected: int = 0
    equal: int = 0
    is_identical: bool = False
    stopped_by: str = ""
    differences: list[str] = field(default_factory=list)
    troubles: list[tuple[bool, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Seen:
    """What came, and what happened."""

    bars: dict[Lane, list[Bar]]
    happened: list[events.StreamEvent] = field(default_factory=list)


async def run_demo(console: Console) -> Outcome:
    """Start the exchange, watch its stream on the console, and compare what came with the bars of the tapes."""
    tapes = demo_tapes()
    lanes = [(tape.symbol, threshold) for tape in tapes for threshold in THRESHOLDS]
    seen = _Seen({lane: [] for lane in lanes})
    async with DemoExchange.run() as exchange:
        with open_screen(console, lanes, quiet=False, live=True) as screen:
            ended = await _watch(tapes, exchange, seen, console, screen)

    wanted = {(tape.symbol, threshold): tape.bars(threshold) for tape in tapes for threshold in THRESHOLDS}
    # Only people may end it early; whatever else does is a failure, and bars will be missing.
    by_people = "" if ended.why in (_AT_THE_END, _SILENCE) else ended.why
    outcome = compare(wanted, seen.bars, stopped_by=by_people)
    if ended.why == _SILENCE:
        outcome.differences.append(_SILENCE)

    outcome.troubles = _troubles(seen.happened, ended.stats)
    return outcome


_AT_THE_END = "the end of the tape"
_SILENCE = f"nothing came for {_GIVE_UP_S:g} s"


async def _watch(
    tapes: Sequence[Tape],
    exchange: DemoExchange,
    seen: _Seen,
    console: Console,
    screen: Screen,
) -> Ended:
    printer = TablePrinter(console, None if console.is_terminal else _WIDE)

    def on_event(event: events.StreamEvent) -> None:
        seen.happened.append(event)
        screen.on_event(event)

    async def consume(bars: BarStream) -> None:
        async for bar in bars:
            seen.bars[bar.symbol, bar.threshold_dbps].append(bar)
            printer.write(bar)
            console.file.flush()
            screen.on_bar()

    opening = open_stream(
        [tape.symbol for tape in tapes],
        threshold_dbps=THRESHOLDS,
        source=BinanceSpot(exchange.ws_url, exchange.rest_url),
        start={tape.symbol: tape[0].agg_trade_id for tape in tapes},
        on_event=on_event,
        config=_QUICK,
    )
    ends = {tape.symbol: tape[len(tape) - 1].agg_trade_id for tape in tapes}

    async def narrate(_bars: BarStream) -> str:
        while True:
            screen.say(f"! the exchange {await exchange.next_fault()}", "bold magenta")

    return await follow(opening, consume, screen, beside=(_Tail(ends).reached, narrate))


class _Tail:
    """Knows when the tape is over: every last trade is in the bars, and every bar was taken."""

    def __init__(self, ends: dict[str, int]) -> None:
        self._ends = ends
        self._position: tuple[int, ...] = ()
        self._since = time.monotonic()

    async def reached(self, bars: BarStream) -> str:
        while not self._is_over(bars):
            await anyio.sleep(_LOOK_S)
            if time.monotonic() - self._since > _GIVE_UP_S:
                return _SILENCE

        return _AT_THE_END

    def _is_over(self, bars: BarStream) -> bool:
        last = {symbol: bars.last_trade(symbol) for symbol in self._ends}
        position = tuple(-1 if trade is None else trade.agg_trade_id for trade in last.values())
        if position != self._position:
            self._position, self._since = position, time.monotonic()

        return position == tuple(self._ends.values()) and bars.stats.bars_waiting == 0


def compare(wanted: dict[Lane, list[Bar]], got: dict[Lane, list[Bar]], *, stopped_by: str = "") -> Outcome:
    """Hold what came against what should have come, lane by lane, bar by bar, in order.

    A run that was stopped before its end is identical as far as it went.
    """
    outcome = Outcome(expected=sum(map(len, wanted.values())), stopped_by=stopped_by, is_identical=True)
    for lane, bars in wanted.items():
        came = got.get(lane, [])
        equal = next((n for n, (a, b) in enumerate(zip(came, bars, strict=False)) if a != b), min(len(came), len(bars)))
        outcome.equal += equal
        if equal < len(came) or (equal < len(bars) and not stopped_by):
            outcome.is_identical = False
            outcome.differences.append(_difference(lane, equal, came, bars))

    return outcome


def _difference(lane: Lane, at: int, came: Sequence[Bar], bars: Sequence[Bar]) -> str:
    left = repr(came[at]) if at < len(came) else "nothing"
    right = repr(bars[at]) if at < len(bars) else "nothing"
    return f"{lane[0]} at {lane[1]} dbps, bar {at}: came {left}, offline {right}"


def _troubles(happened: Sequence[events.StreamEvent], stats: StreamStats | None) -> list[tuple[bool, str]]:
    cuts = [event for event in happened if isinstance(event, events.Disconnected) and event.was_open]
    stalls = [event for event in happened if isinstance(event, events.Stalled)]
    rotations = [event for event in happened if isinstance(event, events.Rotated) and event.reason == "shutdown"]
    filled = [event for event in happened if isinstance(event, events.GapFilled)]
    slowest = max((event.seconds for event in filled), default=0.0)
    fetched = 0 if stats is None else stats.fetched_trades
    lag = (
        f"a REST database that lags: {len(filled)} gaps filled, {fetched:,} trades fetched "
        f"({HISTORY:,} of them history), the slowest gap in {slowest:.1f} s"
    )
    return [
        (bool(cuts), "a cut: the connection was lost, and opened again"),
        (bool(stalls), "a zombie: a connection that lived and brought nothing was found out and replaced"),
        (bool(rotations), "a rotation: the next connection delivered before the old one closed"),
        (bool(filled), lag),
    ]
