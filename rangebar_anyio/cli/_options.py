"""Options that several commands share, and what they mean."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .._errors import InvalidThresholdError
from ._files import is_special

if TYPE_CHECKING:
    from .._sources._binance import BinanceCoinFutures, BinanceSpot, BinanceUsdFutures

__all__ = (
    "MARKETS",
    "FiniteRange",
    "Threshold",
    "backend_option",
    "default_format",
    "lane_options",
    "run_async",
    "source_of",
    "start_of",
    "threshold_option",
)

MARKETS = ("spot", "usdm", "coinm")

_ENDINGS = {
    ".csv": "csv",
    ".json": "jsonl",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "table",
}

_T = TypeVar("_T")
_Function = TypeVar("_Function", bound=Callable[..., Any])
_BACKENDS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "trio": {"backend": "trio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
}


class FiniteRange(click.FloatRange):
    """A range of numbers without those that compare with none."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number, and refuse `nan` and `inf`."""
        number = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value} is no number that ends", param, ctx)

        return number


class Threshold(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """A threshold in decimal basis points; what is none is answered as the library answers it."""

    name = "dbps"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ARG002
        """Read a threshold."""
        try:
            value = int(value)
        except ValueError:
            pass
        else:
            if 1 <= value <= 100_000:
                return int(value)

        several = "; several are --threshold 100 --threshold 250" if "," in str(value) else ""
        raise click.UsageError(f"--threshold: {InvalidThresholdError(value)}{several}")


def threshold_option(function: _Function) -> _Function:
    """Add `--threshold`."""
    return click.option(
        "--threshold",
        "thresholds",
        type=Threshold(),
        multiple=True,
        default=(250,),
        show_default=True,
        help="Width of the bars in decimal basis points: 250 is 0.25 %. Give it more than once for several.",
    )(function)


def source_options(function: _Function) -> _Function:
    """Add `--market`, `--ws-url` and `--rest-url`."""
    for option in (
        click.option("--rest-url", help="Base of REST requests at another server, without a path."),
        click.option("--ws-url", help="Base of WebSockets at another server, without a path."),
        click.option("--market", type=click.Choice(MARKETS), default="spot", show_default=True),
    ):
        function = option(function)

    return function


def backend_option(function: _Function) -> _Function:
    """Add `--backend`."""
    choice = click.Choice(tuple(_BACKENDS))
    return click.option("--backend", type=choice, default="asyncio", show_default=True, help="Event loop.")(function)


def lane_options(function: _Function) -> _Function:
    """Add everything that says which bars are wanted and from where."""
    for option in (
        backend_option,
        click.option("--seconds", type=FiniteRange(min=0), help="End after so many seconds."),
        click.option("--max-bars", type=click.IntRange(min=1), help="End after so many bars."),
        click.option("--restart", is_flag=True, help="Forget where the database stands and begin anew."),
        click.option(
            "--start",
            "starts",
            multiple=True,
            help="Where symbols begin that the database does not know: a time (2026-01-02T10:00Z), the id of a trade, "
            "or 'live'. For one of several symbols: SYMBOL=ID, as often as wanted.",
        ),
        source_options,
        threshold_option,
        click.argument("symbols", nargs=-1, required=True),
    ):
        function = option(function)

    return function


def source_of(
    market: str, ws_url: str | None, rest_url: str | None
) -> BinanceSpot | BinanceUsdFutures | BinanceCoinFutures:
    """Make the source that the options name.

    Raises:
        ValueError: a URL of another scheme.
    """
    from .._sources import _binance

    match market:
        case "usdm":
            return _binance.BinanceUsdFutures(ws_url, rest_url)
        case "coinm":
            return _binance.BinanceCoinFutures(ws_url, rest_url)
        case _:
            return _binance.BinanceSpot(ws_url, rest_url)


def start_of(texts: Sequence[str], symbols: Sequence[str]) -> Any:
    """Read `--start` as `open_stream(start=)` wants it.

    Raises:
        click.BadParameter: it is neither a time nor an id, or an id for several symbols.
    """
    if not texts:
        return "resume"

    if len(texts) == 1 and "=" not in texts[0]:
        start = _start(texts[0])
        if isinstance(start, int) and len(symbols) > 1:
            each = " ".join(f"--start {symbol}={start}" for symbol in symbols)
            raise click.BadParameter(f"an id is for one symbol; write {each}")

        return start

    if len(texts) > 1 and len(symbols) == 1:
        raise click.BadParameter(f"{symbols[0]} has one --start, not {len(texts)}")

    pairs = [text.partition("=") for text in texts]
    if not all(separator and name for name, separator, _ in pairs):
        raise click.BadParameter("several starts name their symbols: --start BTCUSDT=ID --start ETHUSDT=ID")

    names = [name.upper() for name, _, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise click.BadParameter(f"{twice} has several starts; give --start {twice}=ID once")

    return {name: _start(value) for name, (_, _, value) in zip(names, pairs, strict=True)}


def _start(text: str) -> int | str | datetime:
    if text in ("live", "resume"):
        return text

    if text.isascii() and text.isdigit():
        return int(text)

    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"--start {text!r} is no time (2026-01-02T10:00Z), no id of a trade and not 'live'"
        ) from None

    if time.tzinfo is not None and time > datetime.now(UTC):
        raise click.BadParameter(f"--start {text!r} lies in the future; for what comes from now on leave it out")

    if time.tzinfo is None:
        remedy = f"{text}Z" if "T" in text or " " in text else f"{text}T00:00Z"
        raise click.BadParameter(f"--start {text!r} has no time zone; for UTC write {remedy}")

    return time


def run_async(function: Callable[..., Any], *args: Any, backend: str) -> Any:
    """Run an async function on the event loop that `--backend` names."""
    import anyio

    if backend != "asyncio" and find_spec(backend) is None:
        raise click.UsageError(f"--backend {backend} needs {backend}: pip install 'rangebar-anyio[{backend}]'")

    return anyio.run(function, *args, **_BACKENDS[backend])


def default_format(output: str | None, forms: Sequence[str] = ("table", "jsonl", "csv", "parquet")) -> str:
    """Guess the format from the file's name, or from what standard output is.

    Raises:
        click.UsageError: the name ends like that of another kind of file.
    """
    if output is None:
        return "table" if "table" in forms and sys.stdout.isatty() else "jsonl"

    ending = os.path.splitext(output)[1].lower()
    if not ending or is_special(output):
        return "jsonl"

    form = _ENDINGS.get(ending)
    if form is None or form not in forms:
        raise click.UsageError(f"-o {output}: no format has files that end in {ending}; say which with --format")

    return form
