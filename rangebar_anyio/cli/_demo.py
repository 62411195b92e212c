"""`rangebar-anyio demo`: live bars from an exchange that misbehaves, compared with the bars of the whole tape."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ._failures import failures_on, pipe_console, standard_error
from ._options import backend_option, run_async

if TYPE_CHECKING:
    from rich.console import Console

    from ._demo_live import Outcome

__all__ = ("command",)


@click.command("demo")
@click.option("--offline", is_flag=True, help="Replay a recorded day instead: no network, not even to this machine.")
@backend_option
def command(offline: bool, backend: str) -> None:
    """Watch range bars come live from a simulated exchange that misbehaves.

    The exchange runs in a process of its own on this machine. It plays three symbols, cuts the connections, lets its
    REST database fall behind, turns a connection into a zombie and announces its shutdown. At the end the bars that
    came are compared with those that the whole tape gives offline: exit code 1 if they are not identical.
    """
    with failures_on(standard_error()):
        if offline:
            from ._demo_offline import run_offline

            run_offline()
            return

        _needs_hypercorn()
        from ._demo_live import run_demo

        console = pipe_console()
        _introduce(console)
        outcome = run_async(run_demo, console, backend=backend)
        _conclude(console, outcome)
        sys.stdout.flush()

    sys.exit(0 if outcome.is_identical else 1)


def _needs_hypercorn() -> None:
    from ._simulate import needs_hypercorn

    try:
        needs_hypercorn()
    except click.ClickException as missing:
        raise click.ClickException(f"{missing.message}; or see `rangebar-anyio demo --offline`") from None


def _introduce(console: Console) -> None:
    console.print("[bold]Range bars, live[/], from an exchange on this machine that misbehaves on purpose.")
    console.print("Three symbols, bars of 0.25 % and 1 %. Whatever happens, no trade may be lost.\n", style="dim")


def _conclude(console: Console, outcome: Outcome) -> None:
    console.print()
    for happened, text in outcome.troubles:
        mark = "[green]✓[/]" if happened else "[dim]–[/]"
        console.print(f" {mark} {text}", style="" if happened else "dim")

    console.print()
    if outcome.stopped_by:
        console.print(f"Stopped by {outcome.stopped_by} before the end of the tape.", style="yellow")

    for difference in outcome.differences:
        console.print(difference, style="red", markup=False)

    answer = "[bold green]yes[/]" if outcome.is_identical else "[bold red]no[/]"
    so_far = " so far" if outcome.stopped_by else ""
    console.print(f"[bold]bars identical to offline{so_far}:[/] {answer} ({outcome.equal:,} of {outcome.expected:,})")
    if outcome.is_identical and not outcome.stopped_by and console.is_terminal:
        console.print("\nYour own: [bold]rangebar-anyio stream BTCUSDT --threshold 250[/]")
