"""The command line as one program: whatever ends it, people read one line, and scripts an exit code that is true."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable

import click

__all__ = ("exit_code_of",)

_INTERRUPTED = 130


def exit_code_of(run: Callable[[], object]) -> int:
    """Run a command and give the code to exit with, after everything that it wrote has left this process."""
    _ready_streams()
    return _flushed(_ended(run))


def _ready_streams() -> None:
    """Put something in the place of standard streams that are closed, and let no sign be one too many for an encoding.

    Without that the next file that is opened, a database for example, would become standard output. Writing to what is
    opened for reading fails as writing to what is closed does.
    """
    for fd, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, flags)

    # Whatever the types say: Python leaves out what was closed when it began.
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process

    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _ended(run: Callable[[], object]) -> int:
    try:
        code = run()
    except SystemExit as ended:
        code = ended.code
    except (KeyboardInterrupt, click.Abort):
        _say("stopped by Ctrl-C")
        return _INTERRUPTED
    except click.ClickException as error:
        # Its message is the help, and older versions of click do not have it.
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            _say(f"[bold red]error:[/] {_one_line(error)}")

        return error.exit_code
    except OSError as error:
        return _told(error)

    return code if isinstance(code, int) else 0


def _one_line(error: click.ClickException) -> str:
    from rich.markup import escape

    text = " ".join(error.format_message().split()).rstrip(".")
    if isinstance(error, (click.MissingParameter, click.NoSuchOption)) and error.ctx is not None:
        text += f"; see {error.ctx.command_path} --help"

    return escape(text)


def _say(text: str) -> None:
    from ._failures import standard_error

    standard_error().print(text)


def _told(error: OSError) -> int:
    from ._failures import standard_error, tell

    return tell(standard_error(), error)


def _flushed(code: int) -> int:
    """Hand over what is still in buffers, which Python would do at its end with a traceback and a code of its own."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _lead_nowhere(1)
        told = _told(error)
        code = code or told

    try:
        sys.stderr.flush()
    except OSError:
        _lead_nowhere(2)

    return code


def _lead_nowhere(fd: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, fd)
    os.close(nowhere)
