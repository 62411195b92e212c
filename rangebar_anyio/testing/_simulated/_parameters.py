"""The parameters of a request for aggregate trades, and how the exchange refuses wrong ones."""

from __future__ import annotations

import json
import re

from ._playback import Published

__all__ = ("Refused", "illegal", "mandatory", "numbers", "window")

_MICROSECONDS_FROM = 10**14
_NUMBERS = ("fromId", "startTime", "endTime", "limit")


class Refused(Exception):
    """The request is wrong; carries the exchange's code and text."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.body = json.dumps({"code": code, "msg": message}, separators=(",", ":")).encode()


def mandatory(name: str) -> Refused:
    """A parameter that must be there and is not."""
    return Refused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str, legal: str) -> Refused:
    """A parameter with letters that do not belong there."""
    return Refused(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def numbers(parameters: dict[str, str]) -> dict[str, int]:
    """The numbers among the parameters of a request for trades; raises `Refused`."""
    unread = [name for name in parameters if name != "symbol" and name not in _NUMBERS]

    if unread:
        read = len(parameters) - len(unread)
        raise Refused(
            -1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(parameters)}'."
        )

    found: dict[str, int] = {}

    for name in _NUMBERS:
        text = parameters.get(name)

        if text is None:
            continue

        if not text:
            raise Refused(-1105, f"Parameter '{name}' was empty.")

        if not re.fullmatch(r"[0-9]{1,20}", text):
            raise illegal(name, "^[0-9]{1,20}$")

        found[name] = int(text)

    if "fromId" in found and ("startTime" in found or "endTime" in found):
        raise Refused(-1128, "Combination of optional parameters invalid.")

    if found.get("limit") == 0:
        raise mandatory("limit")

    if "endTime" in found and found.get("startTime", 0) > found["endTime"]:
        raise Refused(-1127, "More than the allowed interval between startTime and endTime.")

    return found


def window(published: Published, numbers: dict[str, int], known: int) -> tuple[int, int]:
    """The places of the tape that the parameters name, first and one past the last."""
    tape = published.tape
    first, last = 0, known

    if "fromId" in numbers:
        first = tape.index_of_id(numbers["fromId"])

    if "startTime" in numbers:
        first = tape.index_of_time(_first_us(numbers["startTime"]))

    if "endTime" in numbers:
        last = min(known, tape.index_of_time(_first_us(numbers["endTime"] + 1)))

    return first, max(first, last)


def _first_us(time: int) -> int:
    """A time of the query in microseconds; both units are taken and told apart by magnitude."""
    return time if time >= _MICROSECONDS_FROM else time * 1000
