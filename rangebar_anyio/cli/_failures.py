"""What goes wrong, in one line on standard error and an exit code: 2 for what was asked, 1 for what the world did."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, NoReturn, cast

from rich.console import Console
from rich.markup import escape

from .._errors import RangeBarError
from .._sources._archive import ArchiveError
from ._interrupts import StoppedBySignal, name_of, signals_raise

__all__ = ("PipeConsole", "failures_on", "leave_quietly", "pipe_console", "standard_error", "tell")

#: What goes wrong with files, and not with a network.
_OF_FILES = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT)


class PipeConsole(Console):
    """A console whose reader may leave before the end, which is no failure."""

    def on_broken_pipe(self) -> None:
        """End with code 0, where rich would end with 1."""
        leave_quietly()


def pipe_console(**options: Any) -> Console:
    """Return a console on standard output for what a command is asked for."""
    # In a pipe nothing is as wide as a line.
    return PipeConsole(highlight=False, soft_wrap=not sys.stdout.isatty(), **options)


class _Lossy:
    """Standard error for messages: one that cannot be written is lost, and ends nothing."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            sys.stderr.write(text)

        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def standard_error() -> Console:
    """Return a console on standard error for messages, which are never wrapped.

    What it is given may be lost, when the disk of a log is full for example: no work ends because of that.
    """
    return Console(file=cast("IO[str]", _Lossy()), highlight=False, soft_wrap=True)


@contextmanager
def failures_on(console: Console, *, interrupted: int | None = None) -> Iterator[None]:
    """Turn the errors of a block into a line and an exit code.

    Somebody who reads our output and stops reading (`| head -1`) has what was wanted: no error, code 0. Ctrl-C and
    other signals that end commands are one line, and the code `interrupted` or that of the signal.
    """
    try:
        with signals_raise():
            yield
    except KeyboardInterrupt as stopped:
        number = stopped.number if isinstance(stopped, StoppedBySignal) else signal.SIGINT
        console.print(f"stopped by {name_of(number)}")
        sys.exit(128 + number if interrupted is None else interrupted)
    except (RangeBarError, ValueError, OSError) as error:
        sys.exit(tell(console, error))


def tell(console: Console, error: Exception) -> int:
    """Say in a line what went wrong, and give the exit code for it; a reader that left is not worth a word."""
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        leave_quietly()

    console.print(f"[bold red]error:[/] {escape(_text_of(error))}", soft_wrap=True)
    for note in getattr(error, "__notes__", ()):
        console.print(f"[dim]{escape(note)}[/]", soft_wrap=True)

    return 2 if isinstance(error, (ArchiveError, ValueError)) else 1


def _text_of(error: Exception) -> str:
    if not isinstance(error, OSError) or not error.strerror:
        return str(error) or type(error).__name__

    if error.filename is None and error.errno == errno.EBADF:
        return "standard output is closed"

    # Our files name themselves, so that what has no name is where everything else goes.
    nameless = "standard output" if error.errno in _OF_FILES else ""
    where = nameless if error.filename is None else os.fsdecode(error.filename)
    problem = error.strerror[0].lower() + error.strerror[1:]
    return f"{where}: {problem}" if where else problem


def leave_quietly() -> NoReturn:
    """End with code 0 although standard output is a pipe that nobody reads any more."""
    # What is still in the buffer would fail again when Python flushes it at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)
