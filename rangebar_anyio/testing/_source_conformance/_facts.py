"""The facts of a market: the same each time, and numbers that a session can work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from rangebar_anyio._session import VenueRules

from ._subject import Clause, Subject, require

__all__ = ("CLAUSES",)

_NAMES = ["BTCUSDT", "ETHUSDT"]
_TIME_US = 1_700_000_000_123_456
_FACTS = (
    "venue",
    "servers",
    "limits",
    "page_rows",
    "streams_per_connection",
    "streams_per_message",
    "message_interval_s",
    "connection_lifetime_s",
    "ping_interval_s",
)
_METHODS: Mapping[str, Callable[[VenueRules], Any]] = {
    "connect_url": lambda rules: rules.connect_url(_NAMES),
    "subscribe_text": lambda rules: rules.subscribe_text(7, _NAMES),
    "page_request": lambda rules: rules.page_request("BTCUSDT", 1234),
    "newest_request": lambda rules: rules.newest_request("BTCUSDT"),
    "time_request": lambda rules: rules.time_request("BTCUSDT", _TIME_US),
    "read_answer": lambda rules: rules.read_answer(503, {}, b'{"code":-1001,"msg":"Internal error."}'),
}


async def _same_each_time(subject: Subject) -> None:
    """Rules are facts: asked again they say the same."""
    source = subject.at()
    first, again, other = source.rules(), source.rules(), subject.at().rules()
    for name in _FACTS:
        values = [getattr(rules, name) for rules in (first, again, other)]
        require(values[0] == values[1] == values[2], f"rules().{name} is the same each time, not {values}")

    for name, ask in _METHODS.items():
        answers = [ask(first), ask(first), ask(again), ask(other)]
        require(all(answer == answers[0] for answer in answers), f"{name}() depends on its arguments alone")


async def _numbers(subject: Subject) -> None:
    """Limits and intervals are positive and finite."""
    rules = subject.at().rules()
    require(rules.venue != "", "venue is a name, for positions are stored under it")
    limits = rules.limits
    whole = {
        "limits.weight": limits.weight,
        "limits.heaviest": limits.heaviest,
        "limits.connects": limits.connects,
        "page_rows": rules.page_rows,
        "streams_per_connection": rules.streams_per_connection,
        "streams_per_message": rules.streams_per_message,
    }
    for name, number in whole.items():
        require(type(number) is int and number >= 1, f"{name} is a whole number of 1 or more, not {number!r}")

    seconds = {
        "limits.connect_window_s": limits.connect_window_s,
        "connection_lifetime_s": rules.connection_lifetime_s,
        "ping_interval_s": rules.ping_interval_s,
    }
    for name, length_s in seconds.items():
        require(isfinite(length_s) and length_s > 0, f"{name} is above 0 and finite, not {length_s!r}")

    pause_s = rules.message_interval_s
    require(isfinite(pause_s) and pause_s >= 0, f"message_interval_s is at least 0 and finite, not {pause_s!r}")
    require(limits.heaviest <= limits.weight, "the heaviest request fits into a minute's weight")


CLAUSES: tuple[Clause, ...] = (_numbers, _same_each_time)
