"""What a stream is doing right now: numbers sampled from it, and the lines that show them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.text import Text

from .._bar import Bar
from .._events import CatchingUp, GapFilled, StreamEvent, Waiting
from .._session import StreamStats
from .._stream import BarStream, LastTrade
from ._format import plain
from ._table import compact, counted, percent, took

__all__ = ("StatusLines", "meter")

Lane = tuple[str, int]

_WINDOW_S = 3.0
#: A page of lanes stays so long when there are more than fit.
_PAGE_S = 3.0
#: Nothing came for so long: how far behind the last trade was says nothing any more.
_QUIET_S = 3.0
#: So long a request may take.
_ANSWER_S = 20.0
_TOO_LATE_US = 3_600_000_000
_LONGEST_METER = 16
_SHORTEST_METER = 11
_PRICE_WIDTH = 12
_SYMBOL_WIDTH = 10
_LABEL_WIDTH = 9


class _Window:
    """Values of the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, now: float, value: int) -> None:
        self._samples.append((now, value))
        while len(self._samples) > 2 and now - self._samples[1][0] > _WINDOW_S:
            self._samples.popleft()

    @property
    def rate(self) -> float:
        """Growth a second."""
        if len(self._samples) < 2:
            return 0.0

        (since, first), (now, last) = self._samples[0], self._samples[-1]
        return (last - first) / (now - since) if now > since else 0.0

    @property
    def least(self) -> int | None:
        """The smallest value, for what only the best case measures well."""
        if not self._samples:
            return None

        now = self._samples[-1][0]
        return min(value for at, value in self._samples if now - at <= _WINDOW_S)


class _Rest:
    """Whether requests fail, since when and why, as far as events and counters tell."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._until = 0.0
        self._reason = ""
        self._counts = (0, 0)

    def failed(self, reason: str, wait_s: float, now: float) -> None:
        """Hear that requests fail, and when the next one is sent."""
        self._since = now if self._since is None else self._since
        self._until = max(self._until, now + wait_s + _ANSWER_S)
        self._reason = reason

    def answered(self) -> None:
        """Hear that a request was answered."""
        self._since = None

    def tick(self, stats: StreamStats, now: float) -> None:
        """Look at the counters: trades that were fetched are an answer, and so is a while without failures."""
        fetched, failures = stats.fetched_trades, stats.request_failures
        if failures > self._counts[1]:
            self._until = max(self._until, now + _ANSWER_S)

        if fetched > self._counts[0] or now > self._until:
            self.answered()

        self._counts = fetched, failures

    def trouble(self, now: float) -> str:
        """Say what is wrong, or nothing."""
        return "" if self._since is None else f", but REST fails since {seconds(now - self._since)}: {self._reason}"


@dataclass
class StatusLines:
    """Samples a stream with `tick`, and shows it with `render`.

    Args:
        lanes: symbol and threshold of each.
        began_at: the clock at the start, seconds.
    """

    lanes: Sequence[Lane]
    began_at: float
    hint: str = "Ctrl-C ends"
    bars: int = 0
    _now: float = 0.0
    _page: Sequence[Lane] = ()
    _stats: StreamStats | None = None
    _trades: _Window = field(default_factory=_Window)
    _delays: _Window = field(default_factory=_Window)
    _newest_at: float | None = None
    _rest: _Rest = field(default_factory=_Rest)
    _last: dict[str, LastTrade | None] = field(default_factory=dict)
    _up: dict[str, bool] = field(default_factory=dict)
    _catching_up: dict[str, tuple[int, int]] = field(default_factory=dict)

    def on_event(self, event: StreamEvent, now: float) -> None:
        """Remember how far a catch-up is, and whether requests fail."""
        match event:
            case CatchingUp(symbol, done, total) if done >= total:
                self._catching_up.pop(symbol, None)
            case CatchingUp(symbol, done, total):
                self._catching_up[symbol] = done, total
            case Waiting("request", wait_s, reason):
                self._rest.failed(reason, wait_s, now)
            case GapFilled():
                self._rest.answered()

    def tick(self, stream: BarStream, now: float, wall_us: int, height: int) -> None:
        """Take a sample of what a screen of `height` lines has room for.

        `wall_us` is the time of day, which the delay behind the exchange is measured with.
        """
        self._now = now
        self._stats = stats = stream.stats
        self._page = self._paged(height)
        self._rest.tick(stats, now)
        self._trades.add(now, stats.live_trades + stats.fetched_trades)
        for symbol in dict.fromkeys(symbol for symbol, _ in self._page):
            before, last = self._last.get(symbol), stream.last_trade(symbol)
            if last is None or last == before:
                continue

            self._delays.add(now, wall_us - last.time_us)
            self._newest_at = now
            if before is not None and last.price != before.price:
                self._up[symbol] = last.price > before.price

            self._last[symbol] = last

    @property
    def _symbol_width(self) -> int:
        return max([_SYMBOL_WIDTH, *(len(symbol) for symbol, _ in self._page)])

    def _paged(self, height: int) -> Sequence[Lane]:
        room = max(1, min(8, height // 3))
        pages = max(1, -(-len(self.lanes) // room))
        first = int((self._now - self.began_at) / _PAGE_S) % pages * room
        return self.lanes[first : first + room]

    def render(self, stream: BarStream, width: int) -> list[Text]:
        """Give the lines: one for each lane, in turns when they do not fit, and one about the whole."""
        lines = [self._lane(lane, stream.forming(*lane), width) for lane in self._page]
        return lines if self._stats is None else [*lines, self._whole(self._stats, width)]

    # --- one lane ----------------------------------------------------------------------------------------------------

    def _lane(self, lane: Lane, forming: Bar | None, width: int) -> Text:
        symbol, threshold = lane
        last = self._last.get(symbol)
        up = self._up.get(symbol)
        style = "bold" if up is None else f"bold {'green' if up else 'red'}"
        price = "waiting for a trade" if last is None else _price(plain(last.price))
        line = Text.assemble((f"{symbol:<{self._symbol_width}} ", "bold"), (f"{percent(threshold):>6} ", "cyan"))
        line.append(f"{price:>{_PRICE_WIDTH}} ", style)
        if last is not None:
            line.append_text(_progress(forming, threshold, width - line.cell_len))

        line.truncate(width)
        return line

    # --- the whole ---------------------------------------------------------------------------------------------------

    def _whole(self, stats: StreamStats, width: int) -> Text:
        shown = len(self._page)
        cells = [
            self._state(stats.connections),
            Text(f"{self._trades.rate:,.0f} trades/s"),
            Text(self._delay()),
            Text(counted(self.bars, "bar")),
            Text(counted(stats.disconnects + stats.rotations, "reconnect")),
            Text(f"{counted(stats.gaps_filled, 'gap')} filled"),
        ]
        if stats.missing_trades:
            cells.append(Text(f"{counted(stats.missing_trades, 'trade')} missing", style="yellow"))

        cells.append(Text(took(int((self._now - self.began_at) * 1e6)), style="dim"))
        if shown < len(self.lanes):
            cells.append(Text(f"{shown} of {len(self.lanes)} lanes", style="dim"))

        cells.append(Text(self.hint, style="dim"))
        while len(cells) > 1 and sum(cell.cell_len + 3 for cell in cells) - 3 > width:
            cells.pop()

        line = Text(" · ", style="dim").join(cells)
        line.truncate(width)
        return line

    def _state(self, connections: int) -> Text:
        trouble = self._rest.trouble(self._now)
        if self._catching_up:
            done, total = (sum(numbers) for numbers in zip(*self._catching_up.values(), strict=True))
            return Text(f"● catching up {done / max(1, total):.0%}{trouble}", style="bold yellow")

        if not connections:
            return Text("○ connecting", style="bold red")

        return Text(f"● live{trouble}", style="bold yellow" if trouble else "bold green")

    def _delay(self) -> str:
        delay_us = self._delays.least
        if delay_us is None or self._newest_at is None:
            return "no trades yet"

        if self._now - self._newest_at >= _QUIET_S:
            return f"last trade {seconds(self._now - self._newest_at)} ago"

        if abs(delay_us) > _TOO_LATE_US:
            newest = max((last for last in self._last.values() if last is not None), key=lambda last: last.time_us)
            return f"exchange time {newest.time:%Y-%m-%d %H:%M:%S}"

        return f"{took(max(0, delay_us))} behind"


def seconds(duration_s: float) -> str:
    """Return a duration in whole seconds, or as `took` does when it is long."""
    return f"{duration_s:.0f} s" if duration_s < 100 else took(int(duration_s * 1e6))


def _progress(forming: Bar | None, threshold: int, width: int) -> Text:
    """Draw where the forming bar stands between the two prices that close it; what does not fit is left out."""
    if forming is None:
        return Text("opens with the next trade", style="dim")

    reach = threshold / 100_000
    share = max(-1.0, min(1.0, (forming.close - forming.open) / (forming.open * reach)))
    lower, upper = (_price(_rounded(forming.open * (1 + sign * reach))) for sign in (-1, 1))
    lower, upper = f"{lower:>{_LABEL_WIDTH}}", f"{upper:<{_LABEL_WIDTH}}"
    labels = len(lower) + len(upper) + 2
    so_far = f" {share:>+5.0%}"
    more = f" {forming.individual_trade_count:>7,} trades {compact(forming.volume):>9}"
    for tail in (so_far + more, so_far):
        room = width - labels - len(tail)
        if room >= _SHORTEST_METER:
            line = Text(f"{lower} ", style="dim") + meter(share, min(_LONGEST_METER, (room - 1) // 2))
            line.append(f" {upper}{tail}", style="dim")
            return line

    # A narrow screen: the meter alone.
    return meter(share, max(3, min(_LONGEST_METER, (width - 1) // 2)))


def meter(share: float, half: int) -> Text:
    """Draw -1..1 as a line that grows from the middle to one of its ends, `half` characters to each side."""
    filled = min(half, round(abs(share) * half))
    if share < 0:
        left = Text.assemble(("─" * (half - filled), "dim"), ("━" * filled, "red"))
        return left + Text.assemble(("┼", "bold"), ("─" * half, "dim"))

    right = Text.assemble(("━" * filled, "green"), ("─" * (half - filled), "dim"))
    return Text.assemble(("─" * half, "dim"), ("┼", "bold")) + right


def _price(text: str) -> str:
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:<02}"


def _rounded(value: float) -> str:
    """Write a price with two decimals, or with five digits that mean something if it is small."""
    return f"{value:.2f}" if value >= 100 else f"{value:.5g}"
