"""The command line, `rangebar-anyio`."""

from __future__ import annotations

import importlib
import sys
from functools import partial
from typing import Any

import click

__all__ = ("main",)

#: Name of each command and the module it lives in: imported only when it runs, so that none waits for the others.
_COMMANDS = {
    "demo": "_demo",
    "stream": "_stream",
    "record": "_record",
    "export": "_export",
    "status": "_status",
    "replay": "_replay",
    "verify-live": "_verify",
    "simulate": "_simulate",
}


class _LazyGroup(click.Group):
    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run the program, and exit as all of its commands do."""
        run = partial(super().main, *args, standalone_mode=False, **extra)
        if not standalone_mode:
            return run()

        from ._program import exit_code_of

        sys.exit(exit_code_of(run))

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None

        command: click.Command = importlib.import_module(f"{__name__}.{module}").command
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rangebar-anyio", prog_name="rangebar-anyio")
def main() -> None:
    """Range bars, live and from recorded trades."""
