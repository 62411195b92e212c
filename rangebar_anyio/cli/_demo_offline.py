"""`rangebar-anyio demo --offline`: bars on the screen without a network."""

from __future__ import annotations

from .._sources._replay import Replay
from ._demo_tape import DEMO_TAPE
from ._failures import pipe_console, standard_error
from ._outputs import open_output
from ._replay import replay_onto, screen_for

__all__ = ("run_offline",)

_THRESHOLDS = (250, 1000)


def run_offline() -> None:
    """Replay the tape that comes with the package: nothing is prepared, the bars are computed while one looks."""
    console = pipe_console()
    console.print(
        "[bold]Range bars[/] of a generated market: 0.25 % wide and 1 % wide, from the same trades.", style=""
    )
    console.print(
        "Look for the halt (a bar that took an hour) and the flash crash (many bars in a minute).\n", style="dim"
    )
    replay = Replay([DEMO_TAPE], _THRESHOLDS)
    with open_output("table", None, screen_for("table", None)) as sink:
        replay_onto(replay, sink, standard_error())

    console.print("\nYour own: [bold]rangebar-anyio replay BTCUSDT-aggTrades-2025-01-01.zip --threshold 250[/]")
