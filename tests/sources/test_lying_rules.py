"""Rules that lie in one way each: the shipped check says in which."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from itertools import count
from typing import Any

import pytest

from rangebar_anyio import BinanceSpot
from rangebar_anyio._session import Found, Limits, Meaning, Request, Verdict
from rangebar_anyio._sources._binance_rules import BinanceRules
from rangebar_anyio.testing import check_trade_source
from rangebar_anyio.testing._source_conformance import _requests, _whole
from tests.sources.wrapped import Wrapped

pytestmark = pytest.mark.anyio


def lying(rules: BinanceRules, **methods: Callable[..., Any]) -> Any:
    """Give rules whose methods are these."""
    kind = type("Lying", (BinanceRules,), {name: staticmethod(call) for name, call in methods.items()})
    return kind(**{field.name: getattr(rules, field.name) for field in fields(rules)})


def in_place_of(method: str, call: Callable[..., Any]) -> Callable[[BinanceRules], Any]:
    """Rules with one method that calls this, with the honest rules first."""
    return lambda rules: lying(rules, **{method: partial(call, rules)})


def having(**facts: Any) -> Callable[[BinanceRules], Any]:
    return lambda rules: replace(rules, **facts)


def allowing(**limits: Any) -> Callable[[BinanceRules], Any]:
    return lambda rules: replace(rules, limits=replace(rules.limits, **limits))


def meaning(of: Meaning, **changed: Any) -> Callable[[BinanceRules], Any]:
    """Rules that take answers of one meaning for something else."""

    def read(rules: BinanceRules, *args: Any) -> Verdict:
        verdict = rules.read_answer(*args)
        return replace(verdict, **changed) if verdict.meaning is of else verdict

    return in_place_of("read_answer", read)


def request(method: str, change: Callable[[Request], Request]) -> Callable[[BinanceRules], Any]:
    return in_place_of(method, lambda rules, *args: change(getattr(rules, method)(*args)))


def asking(method: str, **params: str | None) -> Callable[[BinanceRules], Any]:
    """Requests with other parameters; None leaves one out."""

    def change(asked: Request) -> Request:
        merged = {**dict(asked.params), **params}
        return replace(asked, params=tuple((name, text) for name, text in merged.items() if text is not None))

    return request(method, change)


def found(change: Callable[[Found], Found]) -> Callable[[BinanceRules], Any]:
    return in_place_of("read_trades", lambda rules, body: [change(trade) for trade in rules.read_trades(body)])


def _banned(rules: BinanceRules, status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    verdict, text = rules.read_answer(status, headers, body), headers.get("retry-after", "")
    return replace(verdict, wait_s=float(text)) if text.isdigit() else verdict


def _by_another_name(body: bytes) -> list[Found]:
    rows = json.loads(body)
    if rows != []:
        raise ValueError("no trade has a field 'id'")

    return []


_numbers = count()

RULES: dict[str, tuple[Callable[[BinanceRules], Any], str]] = {
    # Facts.
    "no venue": (having(venue=""), "venue is a name"),
    "venue changes": (lambda rules: replace(rules, venue=f"v{next(_numbers)}"), "venue is the same each time"),
    "limits change": (
        lambda rules: replace(rules, limits=Limits(6000, 4, 300 + next(_numbers), 300.0)),
        "limits is the same each time",
    ),
    "no weight": (allowing(weight=0), "limits.weight is a whole number"),
    "half a connect": (allowing(connects=0.5), "limits.connects is a whole number"),
    "too heavy": (allowing(heaviest=6001), "heaviest request fits"),
    "no window": (allowing(connect_window_s=0.0), "limits.connect_window_s is above 0"),
    "no rows": (having(page_rows=0), "page_rows is a whole number"),
    "no streams": (having(streams_per_connection=0), "streams_per_connection is a whole number"),
    "no streams a message": (having(streams_per_message=0), "streams_per_message is a whole number"),
    "negative pause": (having(message_interval_s=-1.0), "message_interval_s is at least 0"),
    "no ping": (having(ping_interval_s=float("nan")), "ping_interval_s is above 0 and finite"),
    "endless life": (having(connection_lifetime_s=float("inf")), "connection_lifetime_s is above 0 and finite"),
    # Texts.
    "text of the moment": (
        in_place_of("subscribe_text", lambda rules, *args: f"{rules.subscribe_text(*args)}{' ' * next(_numbers)}"),
        "subscribe_text() depends on its arguments alone",
    ),
    "another scheme": (
        in_place_of("connect_url", lambda rules, names: rules.connect_url(names).replace("ws:", "http:")),
        "connect_url() begins with ws://",
    ),
    "the exchange's address": (
        in_place_of("connect_url", lambda _, names: BinanceSpot().rules().connect_url(names)),
        "connect_url() leads to the ws_url",
    ),
    "the exchange's requests": (
        in_place_of("newest_request", lambda _, name: BinanceSpot().rules().newest_request(name)),
        "a request leads to the rest_url",
    ),
    "another scheme for requests": (
        request("page_request", lambda asked: replace(asked, url=asked.url.replace("http:", "ftp:"))),
        "a request begins with http://",
    ),
    "query in the URL": (
        request("page_request", lambda asked: replace(asked, url=asked.url + "?limit=1000")),
        "has its query in params",
    ),
    "subscription without an id": (
        in_place_of("subscribe_text", lambda rules, _, names: rules.subscribe_text(1, names)),
        "carries the id 2",
    ),
    "subscription that is no JSON": (
        in_place_of("subscribe_text", lambda _, number, names: f"SUBSCRIBE {number} {names}"),
        "subscribe_text() is JSON",
    ),
    "subscription that is a list": (
        in_place_of("subscribe_text", lambda _, number, names: json.dumps([number, names])),
        "subscribe_text() is a JSON object",
    ),
    "subscription to the first only": (
        in_place_of("subscribe_text", lambda rules, number, names: rules.subscribe_text(number, names[:1])),
        "names every symbol",
    ),
    "number as a parameter": (
        request("page_request", lambda asked: replace(asked, params=(*asked.params, ("x", 1)))),  # type: ignore[arg-type]
        "pairs of texts",
    ),
    "request that weighs nothing": (
        request("page_request", lambda asked: replace(asked, weight=0)),
        "a request weighs 1 to 4",
    ),
    "request heavier than the heaviest": (allowing(heaviest=3), "a request weighs 1 to 3"),
    "one symbol for all": (
        lambda rules: lying(
            rules,
            page_request=lambda _, number: rules.page_request("BTCUSDT", number),
            newest_request=lambda _: rules.newest_request("BTCUSDT"),
            time_request=lambda _, time_us: rules.time_request("BTCUSDT", time_us),
        ),
        "a request names its symbol",
    ),
    "page from anywhere": (asking("page_request", fromId="7"), "page_request() names the id"),
    "time of anywhere": (asking("time_request", startTime="7"), "time_request() names the time"),
    # Answers.
    "errors are trades": (meaning(Meaning.BROKEN, meaning=Meaning.OK), "status 500"),
    "errors are final": (meaning(Meaning.BROKEN, meaning=Meaning.REFUSED), "status 500"),
    "refusals are asked again": (meaning(Meaning.REFUSED, meaning=Meaning.BROKEN), "means REFUSED, not BROKEN"),
    "unknown symbols are asked again": (meaning(Meaning.UNKNOWN_SYMBOL, meaning=Meaning.BROKEN), "UNKNOWN_SYMBOL"),
    "the firewall is asked again": (meaning(Meaning.FIREWALL, meaning=Meaning.BROKEN), "means FIREWALL"),
    "bans are asked again": (meaning(Meaning.TOO_MANY, meaning=Meaning.BROKEN), "means TOO_MANY"),
    "bans of one second": (meaning(Meaning.TOO_MANY, wait_s=1.0), "waited for 17 s, not 1.0"),
    "bans for ever": (in_place_of("read_answer", lambda rules, *args: _banned(rules, *args)), "some seconds, not inf"),
    "error body taken apart blindly": (
        in_place_of(
            "read_answer",
            lambda rules, status, headers, body: (json.loads(body), rules.read_answer(status, headers, body))[1],
        ),
        "raises nothing",
    ),
    "weight taken blindly": (in_place_of("used_weight", lambda _, headers: int(headers["x"])), "used_weight()"),
    "weight of nothing": (
        in_place_of("used_weight", lambda rules, headers: rules.used_weight(headers) or 0),
        "used_weight() of an answer without headers is None, not 0",
    ),
    "weight of nonsense is none": (
        in_place_of("used_weight", lambda rules, headers: (rules.used_weight(headers) or 0) if headers else None),
        "used_weight() of '' is None, not 0",
    ),
    "weight never seen": (in_place_of("used_weight", lambda *_: None), "used_weight() reads the weight"),
    "weight of nonsense": (
        in_place_of("used_weight", lambda _, headers: int(headers.get("x-mbx-used-weight-1m", 0) or 0) or None),
        "raises nothing",
    ),
    "no trades are one": (
        in_place_of("read_trades", lambda rules, body: rules.read_trades(body) or [Found(0, 0, "us")]),
        "read_trades() of an empty list is an empty list",
    ),
    "trades by another name": (
        in_place_of("read_trades", lambda _, body: _by_another_name(body)),
        "read_trades() reads",
    ),
    "no list of trades is empty": (
        in_place_of("read_trades", lambda rules, body: rules.read_trades(body) if body[:1] == b"[" else []),
        "raises ValueError",
    ),
    "no list of trades is a KeyError": (
        in_place_of("read_trades", lambda _, body: [Found(row["a"], row["T"], "us") for row in json.loads(body)]),
        "raises ValueError",
    ),
    # What an exchange makes of it.
    "requests to another path": (having(rest_path="/api/v1/aggTrades"), "does not say 'HTTP 404'"),
    "page of the last id for later ones": (
        in_place_of("page_request", lambda rules, name, first: rules.page_request(name, min(first, 2049))),
        "a page from an id that is not there yet is empty",
    ),
    "pages of half the rows": (asking("page_request", limit="500"), "a page has page_rows trades"),
    "more rows than there are": (having(page_rows=1500), "a page has page_rows trades"),
    "page from the id before": (
        in_place_of("page_request", lambda rules, name, first: rules.page_request(name, max(0, first - 1))),
        "a page begins with the id",
    ),
    "times in milliseconds": (
        found(lambda trade: replace(trade, time_us=trade.time_us // 1000)),
        "gives times in microseconds",
    ),
    "oldest for newest": (asking("newest_request", fromId="1000"), "brings the newest trade"),
    "the second after": (
        in_place_of("time_request", lambda rules, name, time_us: rules.time_request(name, time_us + 1_000_000)),
        "the first trade that is not earlier",
    ),
    "requests that weigh less": (
        lambda rules: replace(rules, page_weight=2),
        "requests weigh what the exchange counts",
    ),
    # From end to end.
    "one connection in five minutes": (allowing(connects=1), "connects again after a cut"),
    "two units": (
        in_place_of("connect_url", lambda rules, names: rules.connect_url(names).partition("?")[0]),
        "a stream",
    ),
    "another stream": (
        lambda rules: lying(
            rules,
            connect_url=lambda names: rules.connect_url(names).replace("aggTrade", "trade"),
            subscribe_text=lambda *args: rules.subscribe_text(*args).replace("aggTrade", "trade"),
        ),
        "the trades of all its symbols, also those of ['BTCUSDT', 'ETHUSDT', 'BNBUSDT']",
    ),
    "subscription to another stream": (
        in_place_of("subscribe_text", lambda rules, *args: rules.subscribe_text(*args).replace("aggTrade", "trade")),
        "the trades of all its symbols, also those of ['ETHUSDT', 'BNBUSDT']",
    ),
}


#: What these would wait for in vain is not waited for as long as on a slow machine.
HURRIED: dict[str, tuple[Any, str, float]] = {
    "another stream": (_requests, "_EVENTS_S", 5.0),
    "subscription to another stream": (_requests, "_EVENTS_S", 5.0),
    "one connection in five minutes": (_whole, "_WAIT_S", 5.0),
    "two units": (_whole, "_WAIT_S", 5.0),
}


@pytest.mark.parametrize("anyio_backend", ["trio"])
@pytest.mark.parametrize("name", RULES)
async def test_rules_that_lie_are_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in HURRIED:
        monkeypatch.setattr(*HURRIED[name])

    change, said = RULES[name]
    with pytest.raises(AssertionError, match=r"^the source breaks its contract: ") as caught:
        await check_trade_source(lambda ws_url, rest_url: Wrapped(ws_url, rest_url, change))

    assert said in str(caught.value)
