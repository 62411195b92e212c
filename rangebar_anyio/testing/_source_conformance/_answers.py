"""What an answer means, whatever a server or something before it makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import TypeVar

from rangebar_anyio._session import Meaning, VenueRules, Verdict

from ._subject import Clause, Subject, broken, require

__all__ = ("CLAUSES",)

T = TypeVar("T")

_UNKNOWN = b'{"code":-1121,"msg":"Invalid symbol."}'
_ILLEGAL = b'{"code":-1100,"msg":"Illegal characters found in parameter."}'
_OVERLOADED = b'{"code":-1003,"msg":"Too much request weight used."}'
_INTERNAL = b'{"code":-1001,"msg":"Internal error."}'
_NO_ERRORS = (b"", b"<html>", b"\xff\xfe", b"[]", b"null", b"{", b'{"code":"x"}', b'{"code":true}', b"[" * 100_000)
#: Not a list of trades, in any market.
_NO_TRADES = (
    *(b"", b"{", b"<html>", b"\xff\xfe", b"null", b"7", b'{"a":1}', b"[7]", b"[null]", b"[{}]"),
    *(b'[{"a":1}]', b'[{"T":1}]', b'[{"a":"1","T":1}]', b'[{"a":1,"T":"1"}]', b'[{"a":-1,"T":1}]'),
    b"[" * 100_000,
)


def _ask(call: Callable[[], T], what: str) -> T:
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - a source may raise what it likes, and must not
        broken(f"{what} raises nothing", error)


def _read(rules: VenueRules, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Verdict:
    return _ask(lambda: rules.read_answer(status, headers or {}, body), f"read_answer({status}, ..., {body[:40]!r})")


def _means(rules: VenueRules, status: int, body: bytes, *meanings: Meaning) -> None:
    found = _read(rules, status, body).meaning
    wanted = " or ".join(meaning.name for meaning in meanings)
    require(found in meanings, f"status {status} with {body[:60]!r} means {wanted}, not {found.name}")


async def _meanings(subject: Subject) -> None:
    """What can be asked again, what cannot, and what has to be waited for are told apart."""
    rules = subject.at().rules()
    _means(rules, 200, b"[]", Meaning.OK)
    _means(rules, 400, _UNKNOWN, Meaning.UNKNOWN_SYMBOL)
    _means(rules, 400, _ILLEGAL, Meaning.REFUSED)
    _means(rules, 403, b"<html>", Meaning.FIREWALL)
    for status in (500, 502, 503, 504):
        _means(rules, status, _INTERNAL, Meaning.BROKEN)

    for body in _NO_ERRORS:
        _means(rules, 503, body, Meaning.BROKEN)
        _means(rules, 400, body, Meaning.BROKEN, Meaning.REFUSED)
        _means(rules, 429, body, Meaning.TOO_MANY)


async def _bans(subject: Subject) -> None:
    """A server that says how long to wait is obeyed; one that does not is waited for all the same."""
    rules = subject.at().rules()
    for status in (418, 429):
        _means(rules, status, _OVERLOADED, Meaning.TOO_MANY)
        wait_s = _read(rules, status, _OVERLOADED, {"retry-after": "17"}).wait_s
        require(wait_s == 17, f"status {status} with retry-after: 17 has to be waited for 17 s, not {wait_s!r}")
        for headers in ({}, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, {"retry-after": "9" * 400}):
            wait_s = _read(rules, status, b"", headers).wait_s
            clause = f"status {status} with {str(headers)[:60]} has to be waited for some seconds, not {wait_s!r}"
            require(wait_s is not None and isfinite(wait_s) and wait_s > 0, clause)


async def _weights(subject: Subject) -> None:
    """An answer that tells no weight is no error."""
    rules = subject.at().rules()
    used = _ask(lambda: rules.used_weight({}), "used_weight() of an answer without headers")
    require(used is None, f"used_weight() of an answer without headers is None, not {used!r}")


async def _no_trades(subject: Subject) -> None:
    """What is no list of trades is a ValueError."""
    rules = subject.at().rules()
    require(list(rules.read_trades(b"[]")) == [], "read_trades() of an empty list is an empty list")
    for body in _NO_TRADES:
        try:
            rules.read_trades(body)
        except (ValueError, RecursionError):
            continue
        except Exception as error:  # noqa: BLE001 - a source may raise what it likes, and must not
            broken(f"read_trades({body[:40]!r}) raises ValueError", error)

        broken(f"read_trades({body[:40]!r}) raises ValueError")


CLAUSES: tuple[Clause, ...] = (_meanings, _bans, _weights, _no_trades)
