"""The event decoder against Python's own JSON reader."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rangebar_anyio import _native

ffi = _native.ffi
lib: Any = _native.lib

TRADE: dict[str, Any] = {
    "e": "aggTrade",
    "E": 1672515782136,
    "s": "BNBBTC",
    "a": 12345,
    "p": "0.001",
    "q": "100",
    "f": 100,
    "l": 105,
    "T": 1672515782136,
    "m": True,
    "M": True,
}


def decode(text: bytes) -> Any:
    event = ffi.new("RbEvent *")
    assert lib.rb_message_decode(text, len(text), event) == lib.RB_OK
    return event


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def test_the_documented_event() -> None:
    event = decode(compact(TRADE))
    assert event.kind == lib.RB_EVENT_TRADE
    tick = event.tick
    assert (tick.agg_trade_id, tick.price_e8, tick.quantity_e8) == (12345, 100_000, 10_000_000_000)
    assert (tick.first_trade_id, tick.last_trade_id, tick.is_buyer_maker) == (100, 105, 1)
    assert tick.timestamp_us == event.event_time_us == 1_672_515_782_136_000
    assert event.has_microseconds == 0


def test_replies_and_warnings() -> None:
    reply = decode(b'{"result":null,"id":7}')
    assert (reply.kind, reply.has_reply_id, reply.reply_id, reply.is_error) == (lib.RB_EVENT_REPLY, 1, 7, 0)
    refusal = decode(b'{"code":2,"msg":"no","id":"x"}')
    assert (refusal.has_reply_id, refusal.is_error, refusal.error_code) == (0, 1, 2)
    assert decode(b'{"e":"serverShutdown","E":1770123456789}').kind == lib.RB_EVENT_SHUTDOWN
    assert decode(compact({**TRADE, "p": "-1"})).kind == lib.RB_EVENT_REJECTED
    assert lib.rb_message_decode(b"{}", 2, ffi.NULL) == lib.RB_ERR_NULL
    assert lib.rb_message_decode(ffi.NULL, 2, ffi.new("RbEvent *")) == lib.RB_ERR_NULL


def e8(text: str) -> int:
    return int(Decimal(text).scaleb(8))


PRICES = st.decimals("0.00000001", "99999999", places=8).map(lambda value: format(value, "f"))
OTHER_KEYS = st.text(max_size=3).filter(lambda key: key not in TRADE and key not in ("data", "stream"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300)
@given(data=st.data())
def test_any_writing_of_a_trade_is_read(data: st.DataObject) -> None:
    first = data.draw(st.integers(0, 2**40))
    time = data.draw(st.integers(10**12, 2 * 10**12) | st.integers(10**15, 2 * 10**15))
    trade = {
        **TRADE,
        "a": data.draw(st.integers(0, 2**63 - 1)),
        "p": data.draw(PRICES),
        "q": data.draw(PRICES),
        "f": first,
        "l": first + data.draw(st.integers(0, 1000)),
        "T": time,
        "m": data.draw(st.booleans()),
        **data.draw(st.dictionaries(OTHER_KEYS, JSON, max_size=3)),
    }
    keys = data.draw(st.permutations(list(trade)))
    value: Any = {key: trade[key] for key in keys}

    if data.draw(st.booleans()):
        value = {"stream": "bnbbtc@aggTrade", "data": value}

    text = json.dumps(
        value,
        ensure_ascii=data.draw(st.booleans()),
        indent=data.draw(st.sampled_from([None, 1])),
    )
    event = decode(text.encode("utf-8", "surrogatepass"))
    assert event.kind == lib.RB_EVENT_TRADE
    tick = event.tick
    assert (tick.agg_trade_id, tick.price_e8, tick.quantity_e8) == (trade["a"], e8(trade["p"]), e8(trade["q"]))
    assert (tick.first_trade_id, tick.last_trade_id) == (trade["f"], trade["l"])
    assert tick.is_buyer_maker == trade["m"]
    assert tick.timestamp_us == (time if time >= 10**14 else time * 1000)
    assert event.has_microseconds == (time >= 10**14)


def is_json(text: bytes) -> bool:
    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        json.loads(text.decode("utf-8"), parse_constant=refuse)
    except ValueError:
        return False

    return True


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a JSON text in which some characters are others."""
    value = draw(st.one_of(JSON, st.just(TRADE), st.just({"stream": "x", "data": TRADE})))
    text = list(json.dumps(value, separators=draw(st.sampled_from([(",", ":"), (", ", " : ")]))))

    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        text[at : at + draw(st.integers(0, 2))] = draw(st.text('{}[]",:\\u0123456789.eE+-tfn \n', max_size=2))

    return "".join(text).encode()


@settings(max_examples=1000)
@given(text=damaged())
def test_what_is_json_is_what_python_says(text: bytes) -> None:
    assert (decode(text).kind != lib.RB_EVENT_NOT_JSON) == is_json(text)


@pytest.mark.parametrize("depth", [1, 64, 65, 100_000])
def test_depth_is_bounded(depth: int) -> None:
    expected = lib.RB_EVENT_OTHER if depth <= 64 else lib.RB_EVENT_NOT_JSON
    assert decode(b"[" * depth + b"]" * depth).kind == expected
