"""`rangebar-anyio demo`: bars on the screen without a network."""

from __future__ import annotations

import click
from rich.console import Console

from .._sources._replay import Replay
from ._demo_tape import DEMO_TAPE
from ._outputs import open_output
from ._replay import replay_onto, screen_for

__all__ = ("command",)

_THRESHOLDS = (250, 1000)


@click.command("demo")
def command() -> None:
    """Replay a generated market that comes with the package, as a table.

    Its trades come in bursts that share a time stamp, calm and wild stretches alternate, and a halt of an hour and a
    flash crash are in it. The bars are computed while you look: nothing is prepared.
    """
    console = Console(highlight=False)
    console.print(
        "[bold]Range bars[/] of a generated market: 0.25 % wide and 1 % wide, from the same trades.", style=""
    )
    console.print(
        "Look for the halt (a bar that took an hour) and the flash crash (many bars in a minute).\n", style="dim"
    )
    replay = Replay([DEMO_TAPE], _THRESHOLDS)
    with open_output("table", None, screen_for("table", None)) as sink:
        replay_onto(replay, sink, Console(stderr=True, highlight=False))

    console.print("\nYour own: [bold]rangebar-anyio replay BTCUSDT-aggTrades-2025-01-01.zip --threshold 250[/]")
