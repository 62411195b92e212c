"""`rangebar-anyio verify-live`: does the exchange do what the library takes for granted?"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from .._errors import ConnectionLostError, ProtocolError
from ._failures import failures_on, pipe_console, standard_error, tell
from ._options import FiniteRange, backend_option, run_async, source_of, source_options

if TYPE_CHECKING:
    from rich.console import Console

    from ._verify_checks import Verdict

__all__ = ("command",)


@click.command("verify-live")
@click.argument("symbol")
@source_options
@click.option(
    "--trades", type=click.IntRange(min=1), default=50, show_default=True, help="To compare, from the socket."
)
@click.option("--seconds", type=FiniteRange(min=1), default=60.0, show_default=True, help="To wait for them.")
@backend_option
def command(
    symbol: str, market: str, ws_url: str | None, rest_url: str | None, trades: int, seconds: float, backend: str
) -> None:
    """Check on the exchange itself what the library takes for granted.

    Five things that its tests cannot know: that WebSocket and REST each give times in the unit that is asked for, that
    ids on the WebSocket follow each other, that both agree about every trade, field by field, and how far back REST
    serves trades. A minute of listening and a handful of requests.

    Exit code 0 when all of it holds, 1 when not, 2 when it could not be asked.
    """
    console, status = pipe_console(), standard_error()
    with failures_on(status), _unasked(status):
        from ._verify_checks import verify_live

        source = source_of(market, ws_url, rest_url)
        with status.status("connecting") as waiting:
            asked = (source.rules(), source.transport, symbol.upper(), trades, seconds, waiting.update)
            verdicts = run_async(verify_live, *asked, backend=backend)

        rules = source.rules()
        _show(console, rules.venue, symbol.upper(), verdicts)
        sys.stdout.flush()

    sys.exit(0 if all(verdict.holds for verdict in verdicts) else 1)


@contextmanager
def _unasked(status: Console) -> Iterator[None]:
    """Tell an exchange that could not be asked from one that gave a wrong answer, by the exit code."""
    try:
        yield
    except (ConnectionLostError, ProtocolError) as error:
        tell(status, error)
        sys.exit(2)


def _show(console: Console, venue: str, symbol: str, verdicts: Sequence[Verdict]) -> None:
    console.print(f"[bold]{escape(symbol)}[/] on {escape(venue)}")
    for verdict in verdicts:
        mark = "[bold green]✓ yes[/]" if verdict.holds else "[bold red]✗ no [/]"
        console.print(f"{mark}  {verdict.claim:<44} {escape(verdict.found)}")
        for line in verdict.details:
            console.print(f"       {escape(line)}", style="red")
