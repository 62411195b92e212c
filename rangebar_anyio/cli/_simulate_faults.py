"""Faults as words of a command line: `drop@5000`, `rest-error@3s:502x4`, `rest-lag@4000:1500+3000`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..testing import Fault

__all__ = ("fault_kinds", "fault_of")

_FAULT = re.compile(
    r"(?P<kind>[a-z-]+)@(?P<at>\d+(?:\.\d+)?)(?P<at_s>s?)(?::(?P<value>\d+))?(?:x(?P<count>\d+))?"
    r"(?:\+(?P<lasts>\d+(?:\.\d+)?)(?P<lasts_s>s?))?"
)


def fault_of(text: str) -> Fault:
    """Read one fault.

    Raises:
        click.BadParameter: it cannot be read, or there is no such kind.
    """
    from ..testing import Fault, FaultKind

    match = _FAULT.fullmatch(text)
    if match is None:
        raise click.BadParameter(f"--fault {text!r} cannot be read; write KIND@TRADE or KIND@SECONDSs, like drop@5000")

    kinds = {str(kind): kind for kind in FaultKind if kind is not FaultKind.IDS_GONE}
    kind = kinds.get(match["kind"])
    if kind is None:
        raise click.BadParameter(f"--fault {text!r}: there is no {match['kind']!r}; these are: {', '.join(kinds)}")

    at, lasts = float(match["at"]), None if match["lasts"] is None else float(match["lasts"])
    return Fault(
        kind,
        at_trade=None if match["at_s"] else int(at),
        at_s=at if match["at_s"] else None,
        value=None if match["value"] is None else int(match["value"]),
        count=None if match["count"] is None else int(match["count"]),
        lasts_trades=None if lasts is None or match["lasts_s"] else int(lasts),
        lasts_s=lasts if match["lasts_s"] else None,
    )


def fault_kinds() -> str:
    """Name what can go wrong, one a line."""
    from ..testing import FaultKind

    return "\n".join(kind for kind in FaultKind if kind is not FaultKind.IDS_GONE)
