"""Events of a stream in words."""

from __future__ import annotations

from .. import _events as events
from ._table import counted

__all__ = ("EventLines", "event_style", "event_text")

_CALM = (events.Connected, events.GapFilled, events.CatchingUp, events.Rotated, events.ReaderBack)
_BAD = (events.GapUnfillable, events.SymbolUnlisted, events.TradesDiffer, events.TradeRejected)


def event_style(event: events.StreamEvent) -> str:
    """Give the colour of an event: green for what is well again, red for what is lost, yellow for the rest."""
    if isinstance(event, _BAD):
        return "red"

    return "green" if isinstance(event, _CALM) else "yellow"


class EventLines:
    """Events as lines: an attempt to connect that came to nothing is one with the wait for the next."""

    def __init__(self) -> None:
        self._failed = ""

    def line(self, event: events.StreamEvent) -> str | None:
        """Say what happened, or nothing yet."""
        match event:
            case events.Disconnected(_, reason, False):
                self._failed = reason
                return None
            case events.Waiting("connect", seconds, reason) if reason == self._failed:
                return f"{reason}; trying again in {seconds:.1f} s"
            case _:
                return event_text(event)


def event_text(event: events.StreamEvent) -> str:
    """Say in one line what happened."""
    match event:
        case events.Connected(connection, symbols):
            return f"connection {connection} is open for {counted(symbols, 'symbol')}"
        case events.Disconnected(connection, reason, True):
            return f"connection {connection} ended: {reason}"
        case events.Disconnected(connection, reason):
            return f"connection {connection} did not open: {reason}"
        case events.Waiting("request", 0.0, reason):
            return f"a request failed: {reason}; trying again"
        case events.Waiting(what, seconds, reason):
            return f"next {what} in {seconds:.1f} s: {reason}"
        case events.GapFound(symbol, first, last):
            return f"{_ids(symbol, first, last)} missing, being fetched"
        case events.GapFilled(symbol, first, last, seconds):
            return f"{_ids(symbol, first, last)} fetched in {seconds:.1f} s"
        case events.GapUnfillable(symbol, first, last):
            return f"{_ids(symbol, first, last)} cannot be had: the exchange has them no more"
        case events.CatchingUp(symbol, done, total):
            return f"{symbol} catching up: {done:,} of {total:,} trades"
        case events.Rotated(old, new, reason):
            return f"connection {new} took over from {old} ({reason})"
        case events.Stalled(connection, symbol):
            return f"connection {connection} is open but brings no trades of {symbol}: being replaced"
        case events.ReaderAway(seconds):
            return f"all room for bars is full since {seconds:.1f} s: reading has stopped"
        case events.ReaderBack(seconds):
            return f"there is room for bars again after {seconds:.1f} s"
        case _:
            return _rarer(event)


def _rarer(event: events.StreamEvent) -> str:
    match event:
        case events.SymbolUnlisted(symbol):
            return f"the exchange no longer lists {symbol}; the others go on"
        case events.TradesDiffer(symbol, trade_id, count):
            return f"two unlike copies of {counted(count, 'trade')} of {symbol} from id {trade_id}: the first ones stay"
        case events.TradeRejected(symbol, trade_id, reason, count, text):
            return (
                f"{counted(count, 'trade')} of {symbol} from id {trade_id} cannot be trades ({reason}): {text[:80]!r}"
            )
        case events.FrameRejected(connection, reason, count, text):
            return f"connection {connection} brought {counted(count, 'message')} of no use ({reason}): {text[:80]!r}"
        case events.SnapshotIgnored(symbol, threshold, reason):
            return f"{symbol} at {threshold} dbps: the stored forming bar cannot be used ({reason}): fetching"
        case events.PositionForgotten(symbol, threshold, origin, skipped, repeated):
            what = f"skips trades {skipped[0]} to {skipped[1]}" if skipped else ""
            again = f"repeats trades {repeated[0]} to {repeated[1]}" if repeated else ""
            after = what or again or "skips and repeats nothing"
            return f"{symbol} at {threshold} dbps begins anew after trade {origin}: {after}"
        case _:
            return repr(event)


def _ids(symbol: str, first: int, last: int) -> str:
    return f"{symbol} trade {first}" if first == last else f"{symbol} trades {first} to {last} ({last - first + 1:,})"
