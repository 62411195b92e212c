"""What a session sends: addresses, subscriptions, requests."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from rangebar_anyio._session import Request, VenueRules

from ._subject import NOWHERE, Clause, Subject, broken, require

__all__ = ("CLAUSES",)

_TIME_US = 1_700_000_000_123_456


def _symbols(count: int) -> list[str]:
    return [f"X{number}USDT" for number in range(count)]


async def _addresses(subject: Subject) -> None:
    """Sockets and requests go to the addresses that the maker was given."""
    rules = subject.at().rules()
    for count in (1, 2, rules.streams_per_connection):
        url = rules.connect_url(_symbols(count))
        parts = urlsplit(url)
        require(parts.scheme in ("ws", "wss"), f"connect_url() begins with ws:// or wss://, not as {url[:100]!r}")
        require(parts.netloc == NOWHERE, f"connect_url() leads to the ws_url of the maker, not to {parts.netloc!r}")

    for request in _requests(rules, "BTCUSDT"):
        parts = urlsplit(request.url)
        require(parts.scheme in ("http", "https"), f"a request begins with http:// or https://, not as {request.url!r}")
        require(parts.netloc == NOWHERE, f"a request leads to the rest_url of the maker, not to {parts.netloc!r}")
        require(not parts.query and not parts.fragment, "a request has its query in params, not in its URL")


def _requests(rules: VenueRules, symbol: str) -> list[Request]:
    return [rules.page_request(symbol, 0), rules.newest_request(symbol), rules.time_request(symbol, _TIME_US)]


async def _subscriptions(subject: Subject) -> None:
    """A subscription is JSON with the id of its message, by which its answer is known."""
    rules = subject.at().rules()
    for number, count in ((1, 1), (2, 2), (7_000, rules.streams_per_message)):
        symbols = _symbols(count)
        message = _message(rules.subscribe_text(number, symbols))
        require(message.get("id") == number, f"subscribe_text({number}, ...) carries the id {number}")
        text = json.dumps(message).lower()
        require(all(name.lower() in text for name in symbols), "subscribe_text() names every symbol that it was given")


def _message(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except ValueError as error:
        broken("subscribe_text() is JSON", error)

    if not isinstance(message, dict):
        broken("subscribe_text() is a JSON object")

    return message


async def _requests_carry(subject: Subject) -> None:
    """A request names what it asks for, and weighs no more than the heaviest."""
    rules = subject.at().rules()
    heaviest = rules.limits.heaviest
    for request in _requests(rules, "BTCUSDT"):
        pairs = [*request.params, *request.headers]
        are_texts = all(isinstance(text, str) for pair in pairs for text in pair)
        require(are_texts, f"params and headers are pairs of texts, not {pairs}")
        weight = request.weight
        require(type(weight) is int and 1 <= weight <= heaviest, f"a request weighs 1 to {heaviest}, not {weight!r}")

    require(_requests(rules, "BTCUSDT") != _requests(rules, "ETHUSDT"), "a request names its symbol")
    asked = [rules.page_request("BTCUSDT", number) for number in (0, 999, 5_000_000_000)]
    require(len(set(asked)) == 3, "page_request() names the id that it asks for")
    times = [rules.time_request("BTCUSDT", time_us) for time_us in (0, _TIME_US, _TIME_US + 1_000)]
    require(len(set(times)) == 3, "time_request() names the time that it asks for")


CLAUSES: tuple[Clause, ...] = (_addresses, _subscriptions, _requests_carry)
