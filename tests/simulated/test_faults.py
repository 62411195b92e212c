"""The schedule of faults, and what each does to the messages of a connection."""

from __future__ import annotations

import json
from collections import Counter
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangebar_anyio.testing import Fault, FaultKind, Limits, generate_market, generate_tape, random_faults
from rangebar_anyio.testing._simulated._connection import Connection
from rangebar_anyio.testing._simulated._door import Refusal
from rangebar_anyio.testing._simulated._exchange import Exchange
from rangebar_anyio.testing._simulated._faults import FaultBook
from rangebar_anyio.testing._simulated._wire_orders import Action, CloseOrder, WireOrder

TAPE = generate_tape(60, first_agg_trade_id=0)
MARKET = generate_market({"BTCUSDT": "60000", "ETHUSDT": "3000"}, 40)


def played(*faults: Fault, connections: int = 1) -> tuple[Exchange, list[Connection]]:
    exchange = Exchange([TAPE], faults=faults, limits=Limits.none())
    exchange.start(0.0)
    opened = [exchange.open("/ws/btcusdt@aggTrade", "", 0.0) for _ in range(connections)]
    exchange.publish(10, 1.0)
    return exchange, [item for item in opened if isinstance(item, Connection)]


def ids(connection: Connection) -> list[int]:
    return [json.loads(item)["a"] for item in connection.outbox if isinstance(item, str)]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(FaultKind.LOSE, at_trade=4), [0, 1, 2, 3, 5, 6, 7, 8, 9]),
        (Fault(FaultKind.LOSE, at_trade=4, value=3), [0, 1, 2, 3, 7, 8, 9]),
        (Fault(FaultKind.DUPLICATE, at_trade=4), [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9]),
        (Fault(FaultKind.DUPLICATE, at_trade=4, value=2), [0, 1, 2, 3, 4, 5, 6, 4, 7, 8, 9]),
        (Fault(FaultKind.REORDER, at_trade=4), [0, 1, 2, 3, 5, 4, 6, 7, 8, 9]),
        (Fault(FaultKind.REORDER, at_trade=4, value=3), [0, 1, 2, 3, 5, 6, 7, 4, 8, 9]),
        (Fault(FaultKind.MUTE, at_trade=4), [0, 1, 2, 3]),
        (Fault(FaultKind.MUTE, at_trade=4, lasts_trades=2), [0, 1, 2, 3, 6, 7, 8, 9]),
        (Fault(FaultKind.SYMBOL_SILENT, at_trade=4, lasts_trades=5), [0, 1, 2, 3, 9]),
        (Fault(FaultKind.SYMBOL_SILENT, at_trade=4, symbol="BTCUSDT"), [0, 1, 2, 3]),
        (Fault(FaultKind.SYMBOL_SILENT, at_trade=4, symbol="ETHUSDT"), list(range(10))),
        (Fault(FaultKind.FAR_ID, at_trade=4), [0, 1, 2, 3, 20_000_003, 4, 5, 6, 7, 8, 9]),
        (Fault(FaultKind.REST_ERROR, at_trade=4), list(range(10))),
    ],
)
def test_what_arrives(fault: Fault, expected: list[int]) -> None:
    exchange, [connection] = played(fault)

    assert ids(connection) == expected
    assert exchange.counters.faults == {str(fault.kind): 1}


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        (FaultKind.DROP, WireOrder(Action.DROP)),
        (FaultKind.RESET, WireOrder(Action.RESET)),
        (FaultKind.CUT_ALL, WireOrder(Action.RESET)),
        (FaultKind.CLOSE, CloseOrder(1001)),
    ],
)
def test_a_connection_ends_just_before_its_trade(kind: FaultKind, order: object) -> None:
    exchange, [connection] = played(Fault(kind, at_trade=4))

    assert connection.outbox.pop() == order
    assert ids(connection) == [0, 1, 2, 3]
    assert connection.ended
    assert exchange.counters.events_withheld == 6


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        (FaultKind.SILENCE, WireOrder(Action.SILENCE)),
        (FaultKind.CUT_FRAME, WireOrder(Action.CUT, -1)),
        (FaultKind.FRAGMENT, WireOrder(Action.FRAGMENT, 20)),
        (FaultKind.DRIBBLE, WireOrder(Action.DRIBBLE, 20)),
        (FaultKind.GARBAGE_FRAME, WireOrder(Action.WRITE, data=b"\xc1\x05hello")),
    ],
)
def test_orders_for_the_relay_stand_just_before_their_trade(kind: FaultKind, order: WireOrder) -> None:
    _, [connection] = played(Fault(kind, at_trade=4))

    assert connection.outbox[4] == order
    assert ids(connection) == list(range(10))


def test_a_damaged_event_is_lost() -> None:
    _, [connection] = played(Fault(FaultKind.DAMAGED_EVENT, at_trade=4))
    damaged = connection.outbox[4]
    assert isinstance(damaged, str)

    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(damaged)

    del connection.outbox[4]
    assert ids(connection) == [0, 1, 2, 3, 5, 6, 7, 8, 9]


def test_garbage_comes_between_and_nothing_is_lost() -> None:
    _, [connection] = played(Fault(FaultKind.GARBAGE_JSON, at_trade=4))
    texts = [item for item in connection.outbox if isinstance(item, str)]

    assert len(texts) > 20
    assert [json.loads(text)["a"] for text in texts[:4] + texts[-6:]] == list(range(10))


def test_the_last_event_is_not_held_for_ever() -> None:
    exchange, [connection] = played(Fault(FaultKind.REORDER, at_trade=59, value=5))
    exchange.publish(50, 1.0)

    assert ids(connection) == list(range(60))


def test_a_fault_can_strike_one_connection() -> None:
    _, [first, second] = played(Fault(FaultKind.LOSE, at_trade=4, value=6, connection=1), connections=2)

    assert len(ids(first)) == 10
    assert len(ids(second)) == 4


def test_a_new_connection_helps_against_silence_unless_new_ones_are_struck_too() -> None:
    for new_too, expected in ((False, [10, 11]), (True, [])):
        exchange, _ = played(Fault(FaultKind.MUTE, at_trade=4, new_too=new_too))
        late = exchange.open("/ws/btcusdt@aggTrade", "", 2.0)
        assert isinstance(late, Connection)
        exchange.publish(2, 2.0)
        assert ids(late) == expected


def test_faults_that_wait_for_a_time() -> None:
    exchange, [connection] = played(Fault(FaultKind.MUTE, at_s=5.0, lasts_s=2.0))

    assert exchange.advance(4.9) == 5.0
    assert exchange.advance(5.0) == 7.0
    assert connection.mute
    assert exchange.advance(7.0) == inf
    assert not connection.mute


def test_nothing_waits_for_a_time_before_the_tape_plays() -> None:
    book = FaultBook([Fault(FaultKind.DROP, at_s=1.0)])

    assert book.next_time() == inf
    assert book.take_due(0, 1e9) == []
    book.began_at = 100.0
    assert book.next_time() == 101.0
    assert len(book.take_due(0, 101.0)) == 1


def test_a_fault_at_the_end_of_the_tape_and_one_that_outlives_it() -> None:
    exchange, [connection] = played(Fault(FaultKind.DROP, at_trade=60), Fault(FaultKind.MUTE, at_trade=55))
    exchange.publish(100, 2.0)

    assert connection.outbox.pop() == WireOrder(Action.DROP)
    assert ids(connection) == list(range(55))
    rows = json.loads(exchange.request("/api/v3/aggTrades", "symbol=BTCUSDT&fromId=55", {}, 2.0).body)
    assert [row["a"] for row in rows] == [55, 56, 57, 58, 59]


def test_the_network_s_faults() -> None:
    exchange, _ = played(
        Fault(FaultKind.REFUSE, at_trade=2, side="ws", lasts_s=3.0),
        Fault(FaultKind.TLS_FAILURE, at_trade=3, side="rest", count=2),
        Fault(FaultKind.HANDSHAKE_ERROR, at_trade=4, count=2, value=502),
        Fault(FaultKind.CUT_ALL, at_trade=5, side="rest"),
    )

    assert exchange.refusing("ws", 3.9)
    assert not exchange.refusing("rest", 3.9)
    assert not exchange.refusing("ws", 4.0)
    assert [exchange.take_tls_failure("rest", 1.0) for _ in range(3)] == [True, True, False]
    assert [exchange.open("/ws", "", 1.0) for _ in range(2)] == [Refusal(502)] * 2
    assert isinstance(exchange.open("/ws", "", 1.0), Connection)
    assert exchange.cut_all == ["rest"]


def test_a_wrong_unit_is_that_of_new_connections() -> None:
    exchange, _ = played(Fault(FaultKind.WRONG_UNIT, at_trade=5, lasts_trades=20))
    units = []

    for _ in range(2):
        connection = exchange.open("/ws/btcusdt@aggTrade", "timeUnit=MICROSECOND", 1.0)
        assert isinstance(connection, Connection)
        units.append(connection.microseconds)
        exchange.publish(20, 1.0)

    assert units == [False, True]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": FaultKind.DROP},
        {"kind": FaultKind.DROP, "at_trade": 1, "at_s": 1.0},
        {"kind": FaultKind.DROP, "at_trade": 1, "ids": (1, 2)},
        {"kind": FaultKind.IDS_GONE, "at_trade": 1},
    ],
)
def test_faults_that_say_nothing_clear(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"at_trade|ids"):
        Fault(**wrong)


def test_random_schedules_repeat_themselves_and_know_every_kind() -> None:
    schedule = random_faults(7, range(10, 50), 2_000)

    assert schedule == random_faults(7, range(10, 50), 2_000)
    assert schedule != random_faults(8, range(10, 50), 2_000)
    assert {fault.kind for fault in schedule} == set(FaultKind) - {FaultKind.IDS_GONE}
    assert all(10 <= (fault.at_trade or 0) < 50 for fault in schedule)


@given(seed=st.integers(0, 2**32), steps=st.lists(st.integers(1, 20), max_size=12))
def test_whatever_goes_wrong_rest_has_every_trade_and_no_event_is_made_up(seed: int, steps: list[int]) -> None:
    total = sum(len(tape) for tape in MARKET)
    kinds = [kind for kind in FaultKind if kind not in (FaultKind.IDS_GONE, FaultKind.FAR_ID, FaultKind.GARBAGE_JSON)]
    faults = random_faults(seed, range(total), 12, kinds=kinds, symbols=["BTCUSDT", "ETHUSDT"])
    exchange = Exchange(MARKET, faults=faults, limits=Limits.none())
    exchange.start(0.0)
    connections: list[Connection] = []

    for now, step in enumerate([*steps, total]):
        answer = exchange.open("/ws/btcusdt@aggTrade/ethusdt@aggTrade", "timeUnit=MICROSECOND", float(now))
        connections += [answer] if isinstance(answer, Connection) else []
        exchange.publish(step, float(now))

    real = {(tape.symbol, row.agg_trade_id) for tape in MARKET for row in tape}
    assert sum(exchange.counters.faults.values()) == 12

    for connection in connections:
        sent = Counter(_seen(connection))
        assert sent.keys() <= real
        assert sum(sent.values()) <= len(real) + 12

    for tape in MARKET:
        assert _fetched(exchange, tape.symbol, tape.trade_ids[0]) == list(tape.trade_ids)


def _seen(connection: Connection) -> list[tuple[str, int]]:
    seen = []

    for item in connection.outbox:
        if isinstance(item, str) and item.endswith("}") and '"aggTrade"' in item:
            event = json.loads(item)
            seen.append((event["s"], event["a"]))

    return seen


def _fetched(exchange: Exchange, symbol: str, first_id: int) -> list[int]:
    """Ask as a patient client does, long after the tape has ended."""
    for _ in range(100):
        answer = exchange.request("/api/v3/aggTrades", f"symbol={symbol}&fromId={first_id}&limit=1000", {}, 1e6)

        if answer.status == 200 and not answer.cut and answer.body[-2:] == b"}]":
            return [row["a"] for row in json.loads(answer.body)]

    raise AssertionError("REST never recovered")
