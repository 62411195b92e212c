"""Faults as words of a command line: `drop@5000`, `rest-error@3s:502x4`, `rest-lag@4000:1500+3000`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..testing import Fault, FaultKind

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

    value = None if match["value"] is None else int(match["value"])
    _check_value(text, kind, value)
    if match["count"] is not None and int(match["count"]) == 0:
        raise click.BadParameter(f"--fault {text!r}: x0 would be never; write x1 or more")

    at, lasts = float(match["at"]), None if match["lasts"] is None else float(match["lasts"])
    return Fault(
        kind,
        at_trade=None if match["at_s"] else int(at),
        at_s=at if match["at_s"] else None,
        value=value,
        count=None if match["count"] is None else int(match["count"]),
        lasts_trades=None if lasts is None or match["lasts_s"] else int(lasts),
        lasts_s=lasts if match["lasts_s"] else None,
    )


def _check_value(text: str, kind: FaultKind, value: int | None) -> None:
    if value is None:
        return

    _, meaning, values = _KINDS[kind]
    if not meaning:
        raise click.BadParameter(f"--fault {text!r}: {kind} takes no :VALUE")

    if value not in values:
        raise click.BadParameter(f"--fault {text!r}: {meaning} is from {values[0]:,} to {values[-1]:,}")


def fault_kinds() -> str:
    """Say what can go wrong, one a line, and what `:VALUE` means where there is one."""
    width = max(map(len, _KINDS))
    lines = []
    for kind, (what, meaning, values) in _KINDS.items():
        value = f"  [:VALUE {meaning}, {values[0]:,} to {values[-1]:,}]" if meaning else ""
        lines.append(f"{kind:<{width}}  {what}{value}")

    return "\n".join(lines)


_MANY = range(1, 1_000_001)
_MS = range(600_001)
_STATUS = range(400, 600)

#: What each kind does, what its value means, and which values there are.
_KINDS: dict[str, tuple[str, str, range]] = {
    "drop": ("the connection ends without a close frame", "", _MANY),
    "reset": ("the connection is reset", "", _MANY),
    "close": ("the connection is closed properly", "close code", range(1000, 5000)),
    "cut-frame": ("a reset in the middle of the next event", "bytes of it that arrive", _MANY),
    "cut-all": ("every TCP connection is reset", "", _MANY),
    "server-shutdown": ("the end is announced, and comes after +LASTING, else 10 s", "", _MANY),
    "silence": ("nothing comes any more on the connection, not even its end", "", _MANY),
    "mute": ("pings come, but no trades", "", _MANY),
    "symbol-silent": ("no trades of any symbol that is subscribed", "", _MANY),
    "lose": ("the next trades do not come", "how many", _MANY),
    "duplicate": ("the next trade comes again", "after how many others", range(1_000_001)),
    "reorder": ("the next trade comes late", "after how many others", _MANY),
    "garbage-json": ("messages that are no events", "how many", _MANY),
    "garbage-frame": ("bytes that are no frame", "which sort", range(6)),
    "damaged-event": ("the next trade is cut short", "", _MANY),
    "far-id": ("a trade with an id far ahead", "how far", range(1, 2**40)),
    "fragment": ("trades in fragments with pings between", "how many", _MANY),
    "dribble": ("trades in writes of one to seven bytes", "how many", _MANY),
    "wrong-unit": ("milliseconds where microseconds were asked for", "", _MANY),
    "refuse": ("nothing listens on the ports", "", _MANY),
    "tls-failure": ("a fatal TLS alert, then the end", "", _MANY),
    "handshake-error": ("handshakes are answered with an HTTP error", "status", _STATUS),
    "rest-error": ("requests are answered with an HTTP error", "status", _STATUS),
    "rest-slow": ("an answer comes late", "milliseconds", _MS),
    "rest-timeout": ("no answer comes, and the connection ends", "after milliseconds", _MS),
    "rest-malformed": ("an answer that is no JSON", "which sort", range(4)),
    "rest-cut": ("a reset in the middle of an answer", "", _MANY),
    "rest-lag": ("the database behind REST is late", "milliseconds", _MS),
    "rest-stale": ("every second answer is from a late replica", "milliseconds", _MS),
}
