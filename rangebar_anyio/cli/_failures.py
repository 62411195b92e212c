"""What goes wrong, in one line on standard error and an exit code: 2 for what was asked, 1 for what the world did."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.console import Console
from rich.markup import escape

from .._errors import RangeBarError
from .._sources._archive import ArchiveError

__all__ = ("PipeConsole", "failures_on", "leave_quietly", "pipe_console", "standard_error")


class PipeConsole(Console):
    """A console whose reader may leave before the end, which is no failure."""

    def on_broken_pipe(self) -> None:
        """End with code 0, where rich would end with 1."""
        leave_quietly()


def pipe_console(**options: Any) -> Console:
    """Return a console on standard output for what a command is asked for."""
    # In a pipe nothing is as wide as a line.
    return PipeConsole(highlight=False, soft_wrap=not sys.stdout.isatty(), **options)


def standard_error() -> Console:
    """Return a console on standard error for messages, which are never wrapped."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def failures_on(console: Console) -> Iterator[None]:
    """Turn the errors of a block into a line and an exit code.

    Somebody who reads our output and stops reading (`| head -1`) has what was wanted: no error, code 0. Ctrl-C is one
    line and code 130.
    """
    try:
        yield
    except KeyboardInterrupt:
        console.print("stopped by Ctrl-C")
        sys.exit(130)
    except (RangeBarError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            leave_quietly()

        text = str(error) or type(error).__name__
        console.print(f"[bold red]error:[/] {escape(text)}", soft_wrap=True)
        for note in getattr(error, "__notes__", ()):
            console.print(f"[dim]{escape(note)}[/]", soft_wrap=True)

        sys.exit(2 if isinstance(error, (ArchiveError, ValueError)) else 1)


def leave_quietly() -> NoReturn:
    """End with code 0 although standard output is a pipe that nobody reads any more."""
    # What is still in the buffer would fail again when Python flushes it at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)
