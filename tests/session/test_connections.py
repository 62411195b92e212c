"""RECOVERY.md, "Connections and limits": connecting, subscribing, rotating, backing off."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from math import inf
from types import FunctionType, ModuleType

import pytest

from rangebar_anyio import ConnectionLostError
from rangebar_anyio._events import Connected, Disconnected, Rotated, Stalled, Waiting
from rangebar_anyio._reconnect import ReconnectPolicy
from rangebar_anyio._session import (
    Budget,
    Connect,
    ConnectFailure,
    Disconnect,
    Fail,
    Fetch,
    Lane,
    Live,
    SendPong,
    SendText,
    Session,
)
from rangebar_anyio._sources._binance_rules import BinanceRules, spot_rules, usd_futures_rules
from tests.feed.wire import event, frame, row
from tests.session.bench import CALM, Bench, from_ids, lane


def fail_to_connect(bench: Bench, status: int | None = None) -> None:
    bench.session.connect_failed(bench.one(Connect).conn, ConnectFailure("no", status), bench.now)
    bench.collect()


def connect_waits(bench: Bench) -> list[float]:
    """Seconds before each further attempt to connect."""
    return [event.seconds for event in bench.told(Waiting) if event.what == "connect"]


def test_backoff_doubles_up_to_a_minute() -> None:
    """Back-off: min(2**attempt * 1 s, 60 s), exactly that without jitter."""
    bench = Bench()

    for _ in range(9):
        fail_to_connect(bench)
        bench.wait(connect_waits(bench)[-1])

    waits = connect_waits(bench)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_jitter_takes_between_half_and_all_of_a_wait() -> None:
    bench = Bench(policy=ReconnectPolicy())

    for _ in range(30):
        fail_to_connect(bench)
        bench.wait(connect_waits(bench)[-1])

    waits = connect_waits(bench)
    assert all(30 <= wait <= 60 for wait in waits[6:])
    assert len(set(waits[6:])) > 20


def test_a_processed_trade_resets_the_backoff() -> None:
    bench = Bench()

    for _ in range(3):
        fail_to_connect(bench)
        bench.wait(8)

    conn = bench.connect()
    bench.live(conn, [100])
    bench.end(conn)
    assert bench.told(Waiting)[-1].seconds == 1


def test_a_connection_without_a_trade_does_not_reset_the_backoff() -> None:
    bench = Bench()

    for _ in range(3):
        bench.end(bench.connect())
        bench.wait(8)

    assert [event.seconds for event in bench.told(Waiting) if event.what == "connect"] == [1, 2, 4]


def test_connections_do_not_return_together() -> None:
    """The waits of several connections differ even without jitter."""
    bench = Bench([lane(f"S{n}") for n in range(4)], streams_per_connection=1)
    assert len(bench.all(Connect)) == 4

    for connect in bench.new(Connect):
        bench.session.connect_failed(connect.conn, ConnectFailure("no"), bench.now)

    bench.collect()
    bench.wait(10)
    assert len(set(bench.times(Connect)[4:])) == 4


def test_a_server_that_sends_one_trade_and_drops_costs_no_ban() -> None:
    """Attempts of one process share at most half of the exchange's limit: 150 in 5 minutes."""
    bench = Bench(policy=replace(CALM, first_delay_s=0.001, max_delay_s=0.001))
    number = 100

    while bench.now < 900:
        for connect in bench.new(Connect):
            bench.session.connected(connect.conn, bench.now)
            bench.live(connect.conn, [number])
            number += 1
            bench.end(connect.conn)

        bench.wait(0.5)

    times = bench.times(Connect)
    assert max(sum(at <= other < at + 300 for other in times) for at in times) == 150
    assert len(times) >= 450


@pytest.mark.parametrize("status", [403, 418, 429])
@pytest.mark.parametrize(
    ("retry_after_s", "wait_s"), [(None, 300.0), (7.0, 300.0), (3600.0, 3600.0), (1e300, 604_800.0)]
)
def test_a_refused_handshake_counts_as_used_up_for_five_minutes_or_longer(
    status: int, retry_after_s: float | None, wait_s: float
) -> None:
    bench = Bench([lane("A"), lane("B")], streams_per_connection=1)
    first, second = bench.new(Connect)
    bench.session.connect_failed(first.conn, ConnectFailure("no", status, retry_after_s), bench.now)
    bench.session.connect_failed(second.conn, ConnectFailure("no", None), bench.now)
    bench.collect()
    assert bench.told(Waiting)[0] == Waiting("connect", wait_s, "no")
    bench.wait(wait_s - 0.1)
    assert bench.new(Connect) == []
    bench.wait(1)
    assert len(bench.new(Connect)) == 2


def test_a_refused_handshake_holds_every_stream_of_the_process_back() -> None:
    rules = spot_rules()
    budget = Budget(rules.limits)
    one, other = Bench(budget=budget), Bench(budget=budget)
    one.session.connect_failed(one.one(Connect).conn, ConnectFailure("no", 418, 500.0), one.now)
    conn = other.connect()
    other.end(conn)
    other.wait(499.9)
    assert other.new(Connect) == []
    other.wait(0.2)
    assert len(other.new(Connect)) == 1


def test_a_wait_of_another_status_is_no_order() -> None:
    bench = Bench()
    bench.session.connect_failed(bench.one(Connect).conn, ConnectFailure("no", 503, 3600.0), bench.now)
    bench.collect()
    bench.wait(1)
    assert len(bench.new(Connect)) == 1


def test_giving_up_after_so_many_attempts_is_a_choice() -> None:
    bench = Bench(policy=replace(CALM, max_attempts=3))

    for _ in range(4):
        fail_to_connect(bench)
        bench.wait(10)

    assert isinstance(bench.failure, ConnectionLostError)
    assert bench.failure.attempts == 3
    assert bench.session.next_deadline() is None


def test_attempts_to_replace_a_connection_that_delivers_are_not_counted() -> None:
    """They have a back-off of their own, which begins anew with the next rotation."""
    bench = Bench(policy=replace(CALM, max_attempts=3), rotate_after_s=50.0, rotate_spread_s=0.0)
    conn = bench.connect()
    bench.live(conn, [100])
    bench.wait(50)

    for _ in range(8):
        fail_to_connect(bench)
        bench.wait(connect_waits(bench)[-1])

    assert connect_waits(bench) == [1, 2, 4, 8, 16, 32, 60, 60]
    assert bench.all(Fail) == []
    bench.live(conn, [101])
    new = bench.connect()
    bench.live(new, [102])
    bench.wait(50)
    fail_to_connect(bench)
    assert connect_waits(bench)[-1] == 1

    # Once none is there, attempts count.
    bench.end(new)

    for _ in range(3):
        bench.wait(connect_waits(bench)[-1])
        fail_to_connect(bench)

    assert isinstance(bench.failure, ConnectionLostError)


def test_an_attempt_that_hangs_is_given_up() -> None:
    bench = Bench(connect_timeout_s=20.0)
    conn = bench.one(Connect).conn
    bench.wait(20)
    assert [gone.conn for gone in bench.all(Disconnect)] == [conn]
    bench.wait(1)
    assert bench.one(Connect).conn != conn


def test_subscribe_200_streams_at_a_time_three_times_a_second() -> None:
    """SUBSCRIBE: at most 3 messages a second of 200 streams."""
    bench = Bench([lane(f"S{n:04}") for n in range(1500)])
    assert len(bench.all(Connect)) == 2
    conn = bench.all(Connect)[0].conn
    bench.session.connected(conn, 0.0)
    bench.collect()
    bench.wait(5)
    sizes = [len(json.loads(sent.text)["params"]) for sent in bench.all(SendText)]
    assert sizes == [200, 200, 200, 200, 200, 24]
    times = bench.times(SendText)
    assert max(sum(at <= other < at + 1 for other in times) for at in times) == 3


def test_an_unanswered_subscribe_is_a_reconnect_after_ten_seconds() -> None:
    bench = Bench()
    conn = bench.one(Connect).conn
    bench.session.connected(conn, 0.0)
    bench.live(conn, [100])
    bench.wait(9.9)
    assert bench.all(Disconnect) == []
    bench.wait(0.2)
    assert bench.one(Disconnect).conn == conn
    bench.wait(1)
    assert bench.one(Connect).conn != conn


def test_a_refused_subscribe_is_a_reconnect() -> None:
    bench = Bench()
    conn = bench.one(Connect).conn
    bench.session.connected(conn, 0.0)
    bench.collect()
    bench.read(conn, frame(b'{"code":2,"msg":"Invalid request: no","id":1}'))
    assert bench.one(Disconnect).conn == conn
    assert "Invalid request: no" in bench.told(Disconnected)[0].reason


def test_after_a_stall_only_the_newest_ping_is_answered() -> None:
    bench = Bench()
    conn = bench.connect()
    bench.read(conn, b"".join(frame(b"ping %d" % n, 9) for n in range(9)))
    assert bench.one(SendPong).payload == b"ping 8"


def test_pings_before_unread_bytes_wait_for_what_follows() -> None:
    """Pings after a stall: only the newest is answered, also when the reader's pause cut the read in pieces."""
    bench = Bench([lane("X", 1)], bar_capacity=1)
    conn = bench.connect()
    parts = [frame(b"ping %d" % n, 9) + b"".join(event(row(100 + n * 9 + k)) for k in range(9)) for n in range(5)]
    bench.read(conn, b"".join(parts))
    assert bench.session.is_paused
    assert bench.bars()
    assert not bench.session.is_paused
    assert [pong.payload for pong in bench.all(SendPong)] == [b"ping 4"]


def test_eof_without_a_close_is_a_disconnect_and_a_partial_frame_is_forgotten() -> None:
    """Connection numbers are never used again."""
    bench = Bench()
    conn = bench.connect()
    data = event(row(100))
    bench.read(conn, data[:20])
    bench.end(conn)
    bench.wait(1)
    other = bench.connect()
    assert other != conn
    bench.read(other, data)
    assert bench.expected() == 101
    # What comes late of the old one does no harm.
    bench.read(conn, data[20:])
    bench.end(conn)
    assert len(bench.told(Disconnected)) == 1


@pytest.mark.parametrize(
    "data",
    [frame(b"{}", 0x40 | 1), b"\x81\x82\0\0\0\0{}", frame(b"{}", 3), b"\x81\x7f" + (1 << 62).to_bytes(8, "big")],
    ids=["rsv bit", "masked", "unknown opcode", "oversized"],
)
def test_a_broken_frame_ends_the_connection(data: bytes) -> None:
    bench = Bench()
    conn = bench.connect()
    bench.live(conn, [100])
    bench.read(conn, data)
    closed = bench.one(Disconnect)
    assert closed.conn == conn
    assert closed.code in (1002, 1009)
    bench.wait(1)
    assert len(bench.new(Connect)) == 1


def test_a_clean_close_is_a_disconnect_like_any_other() -> None:
    """A clean stop after 24 h with no error."""
    bench = Bench()
    conn = bench.connect()
    bench.live(conn, [100])
    bench.read(conn, frame((1000).to_bytes(2, "big") + b"bye", 8))
    assert bench.told(Disconnected)[0].reason == "the server closed the connection (1000): bye"
    bench.wait(1)
    assert len(bench.new(Connect)) == 1


# Rotation.


def rotate(bench: Bench) -> tuple[int, int]:
    """Bring a bench to the moment at which the new connection's subscription was confirmed."""
    old = bench.connect()
    bench.live(old, [100])
    bench.wait(50)
    return old, bench.connect()


def test_the_old_connection_closes_five_seconds_after_the_new_one_delivers() -> None:
    """Rotation: after the new one's subscription is confirmed and it has brought a trade or a ping."""
    bench = Bench(rotate_after_s=50.0, rotate_spread_s=0.0)
    old, new = rotate(bench)
    bench.wait(10)
    assert bench.all(Disconnect) == []
    bench.live(old, [101])
    bench.live(new, [101, 102])
    bench.wait(0.25)
    bench.wait(4.9)
    assert bench.all(Disconnect) == []
    bench.wait(0.2)
    assert bench.one(Disconnect).conn == old
    assert bench.told(Rotated) == [Rotated(old, new, "age")]
    assert bench.told(Disconnected) == []
    bench.live(new, [103])
    assert bench.expected() == 104


def reachable(session: Session) -> int:
    """Objects that a session holds, whatever holds them."""
    seen, waiting = {id(session)}, [session]
    while waiting:
        fresh = [found for found in gc.get_referents(waiting.pop()) if id(found) not in seen]
        seen.update(map(id, fresh))
        # What classes, functions' modules and the like refer to is everybody's.
        waiting += [found for found in fresh if not isinstance(found, type | ModuleType | FunctionType)]

    return len(seen)


def test_nothing_is_kept_of_connections_that_are_gone() -> None:
    """In bounded memory: a year of rotations and losses leaves what the first ones left."""
    bench = Bench(rotate_after_s=50.0, rotate_spread_s=0.0)
    held, conn = [], bench.connect()
    for number in range(120):
        bench.live(conn, [100 + 2 * number])
        bench.wait(50)
        conn = bench.connect()
        bench.live(conn, [101 + 2 * number])
        bench.wait(6)
        bench.serve(101 + 2 * number)
        if number % 2:
            bench.end(conn)
            bench.wait(2)
            conn = bench.connect()
            bench.serve(101 + 2 * number)

        bench.bars()
        held.append(reachable(bench.session))

    # Deadlines that were moved stay in their heap for a while, so the number is not always the same.
    assert min(held[-20:]) <= max(held[10:40])


def test_a_ping_is_enough_for_a_new_connection_to_count_as_delivering() -> None:
    bench = Bench(rotate_after_s=50.0, rotate_spread_s=0.0)
    old, new = rotate(bench)
    bench.read(new, frame(b"", 9))
    bench.wait(5.5)
    assert bench.one(Disconnect).conn == old


def test_server_shutdown_opens_the_new_connection_at_once() -> None:
    bench = Bench()
    old = bench.connect()
    bench.read(old, frame(b'{"e":"serverShutdown","E":1770123456789}'))
    assert bench.times(Connect)[-1] == bench.now
    new = bench.connect()
    bench.live(new, [100])
    bench.wait(6)
    assert bench.told(Rotated) == [Rotated(old, new, "shutdown")]


def test_a_shutdown_of_the_newcomer_is_remembered() -> None:
    bench = Bench(rotate_after_s=50.0, rotate_spread_s=0.0)
    _, new = rotate(bench)
    bench.live(new, [101])
    bench.read(new, frame(b'{"e":"serverShutdown","E":1770123456789}'))
    bench.wait(6)
    assert bench.told(Rotated)[0].new == new
    assert len(bench.new(Connect)) == 1


def test_a_new_connection_that_fails_leaves_the_old_one() -> None:
    bench = Bench(rotate_after_s=50.0, rotate_spread_s=0.0)
    old = bench.connect()
    bench.live(old, [100])
    bench.wait(50)
    fail_to_connect(bench)
    bench.wait(1)
    new = bench.connect()
    assert bench.all(Disconnect) == []
    bench.live(new, [101])
    bench.wait(6)
    assert bench.one(Disconnect).conn == old


def test_an_old_connection_that_ends_early_is_not_replaced_twice() -> None:
    bench = Bench(rotate_after_s=50.0, rotate_spread_s=0.0)
    old, new = rotate(bench)
    bench.end(old)
    bench.wait(20)
    assert bench.new(Connect) == []
    bench.live(new, [101])
    assert bench.expected() == 102


def test_a_newcomer_that_brings_nothing_is_given_up() -> None:
    bench = Bench(rotate_after_s=50.0, rotate_spread_s=0.0)
    old, new = rotate(bench)
    bench.wait(61)
    assert bench.one(Disconnect).conn == new
    assert bench.session._links.get(old) is not None
    assert len(bench.new(Connect)) == 1


# Half-open sockets.


@pytest.mark.parametrize("rules", [spot_rules(), usd_futures_rules(), replace(spot_rules(), ping_interval_s=7.0)])
def test_a_connection_without_a_byte_for_three_intervals_of_pings_is_replaced(rules: BinanceRules) -> None:
    """A half-open socket in a market without a trade: no read will ever say so."""
    bench = Bench([lane("X"), lane("Y")], rules=rules)
    old = bench.connect()
    interval_s = rules.ping_interval_s
    bench.wait(interval_s * 0.9)
    bench.ping(old)
    bench.wait(interval_s * 2.9)
    assert bench.new(Connect) == []
    bench.wait(interval_s * 0.21)
    # The old one stays until the new one delivers.
    assert bench.all(Disconnect) == []
    new = bench.connect()
    bench.wait(interval_s * 0.9)
    bench.ping(new)
    bench.wait(5.5)
    assert bench.one(Disconnect).conn == old
    assert bench.told(Rotated) == [Rotated(old, new, "silent")]

    # Of the new one as much is expected.
    bench.wait(interval_s * 4.1)
    assert bench.new(Connect) != []


@pytest.mark.parametrize("data", [frame(b"hi", 9), frame(b"{}"), event(row(50))[:30]], ids=str)
def test_any_byte_shows_that_a_connection_is_there(data: bytes) -> None:
    bench = Bench()
    conn = bench.connect()

    for at in range(len(data)):
        bench.wait(55)
        bench.read(conn, data[at : at + 1])

        while bench.serve(99):
            pass

    assert bench.new(Connect) == []


def test_a_reader_who_is_away_makes_no_connection_silent() -> None:
    bench = Bench([lane("X", 5), lane("Y", 5)], bar_capacity=3)
    conn = bench.connect()

    while bench.serve(99):
        pass

    bench.wait(59)
    bench.live(conn, range(100, 200), "X")
    bench.wait(6000)
    assert bench.session.is_paused
    bench.bars()

    # Not even what came meanwhile is at hand at once.
    bench.wait(9)
    bench.ping(conn)
    bench.wait(50)
    assert bench.all(Disconnect) == []
    assert len(bench.all(Connect)) == 1
    bench.wait(30)
    assert len(bench.all(Connect)) == 2


def test_where_something_eats_the_pings_a_quiet_connection_is_replaced_once() -> None:
    """Two connections in a row without one: then lacking them says nothing."""
    bench = Bench()
    old = bench.connect()
    bench.wait(70)
    new = bench.connect()

    for _ in range(600):
        bench.wait(10)
        bench.serve(99)

    assert bench.told(Rotated) == [Rotated(old, new, "silent")]
    assert len(bench.all(Connect)) == 2
    assert [gone.conn for gone in bench.all(Disconnect)] == [old]
    assert bench.told(Disconnected) == []

    # Once one has come through, lacking them means something again.
    bench.ping(new)
    bench.wait(90)
    assert len(bench.all(Connect)) == 3


def test_a_silent_connection_that_comes_back_is_not_given_up_for_one_that_is_silent() -> None:
    bench = Bench()
    old = bench.connect()
    bench.wait(70)
    new = bench.connect()

    for _ in range(6):
        bench.wait(10)
        bench.ping(old)

    bench.wait(5)
    assert bench.one(Disconnect).conn == new
    assert bench.session._links.get(old) is not None


def test_an_exchange_that_never_pings_has_no_silent_connections() -> None:
    bench = Bench(rules=replace(spot_rules(), ping_interval_s=inf))
    bench.connect()
    bench.wait(5000)
    assert len(bench.all(Connect)) == 1


def test_rotations_are_spread_and_before_24_hours() -> None:
    bench = Bench([lane(f"S{n}") for n in range(8)], streams_per_connection=1)
    connects = bench.new(Connect)

    for connect in connects:
        bench.session.connected(connect.conn, 0.0)
        bench.collect()
        bench.read(connect.conn, frame(b'{"result":null,"id":%d}' % json.loads(bench.new(SendText)[0].text)["id"]))

    for _ in range(86_400 // 50):
        bench.wait(50)

        for connect in connects:
            bench.ping(connect.conn)

    again: dict[str, float] = {}

    for at, action in bench.log:
        if isinstance(action, Connect) and at > 0:
            again.setdefault(action.url, at)

    times = sorted(again.values())
    assert len(set(times)) == 8
    assert times[-1] < 86_400 - 600
    assert times[-1] - times[0] > 600


def test_after_a_suspend_each_passed_deadline_is_looked_at_once() -> None:
    bench = Bench(quiet_after_s=30.0, snapshot_every_s=30.0)
    conn = bench.connect()
    bench.live(conn, [100])

    while bench.serve(100):
        pass

    bench.wait(10)
    before = len(bench.all(Fetch))
    bench.jump(36_000)
    assert len(bench.all(Fetch)) == before + 1
    assert len(bench.times(Connect)) == 1


def test_one_connection_for_1024_streams() -> None:
    bench = Bench([lane(f"S{n:04}", threshold) for n in range(1025) for threshold in (50, 100)])
    assert len(bench.all(Connect)) == 2
    assert bench.all(Connect)[0].url == "wss://stream.binance.com:9443/ws/s0000@aggTrade?timeUnit=MICROSECOND"


def test_connected_says_for_how_many_symbols() -> None:
    bench = Bench([lane("A"), lane("B"), Lane("B", 70, Live())])
    conn = bench.connect()
    assert bench.told(Connected) == [Connected(conn, 2)]


def test_stop_ends_everything_and_asks_for_nothing_more() -> None:
    bench = Bench(snapshot_every_s=30.0)
    conn = bench.connect()
    bench.session.stop()
    bench.collect()
    assert bench.one(Disconnect).conn == conn
    bench.read(conn, event(row(100)))
    bench.wait(100)
    assert [at for at, action in bench.log if at > 0] == []
    assert bench.session.next_deadline() is None
    assert bench.all(Fail) == []


def test_every_connection_asks_rest_once_it_is_confirmed() -> None:
    """REST is asked after every (re)connect."""
    bench = Bench()
    bench.serve(99)
    conn = bench.connect()
    assert from_ids(bench.serve(99)) == [100]
    bench.live(conn, [100])
    bench.end(conn)
    bench.wait(1)
    bench.connect()
    assert from_ids(bench.serve(105)) == [101]
    assert bench.expected() == 106


# No connection.


def without_socket(bench: Bench, seconds: float, *, per_s: float) -> list[int]:
    """Refuse every handshake for so long, while REST knows ``per_s`` new trades a second; return the ids asked for."""
    begun, asked = bench.now, list[int]()

    while bench.now < begun + seconds:
        for connect in bench.new(Connect):
            bench.session.connect_failed(connect.conn, ConnectFailure("no", 403), bench.now)

        bench.collect()
        asked += from_ids(bench.serve(100 + int((bench.now - begun) * per_s)))
        bench.wait(1)

    return asked


def test_without_a_connection_bars_go_on_by_what_rest_has() -> None:
    """Every 30 seconds as long as it has any: an hour's outage of the sockets is no outage of the bars."""
    bench = Bench()
    conn = bench.connect()
    bench.serve(99)
    bench.live(conn, [100])
    bench.end(conn)
    asked = without_socket(bench, 3600, per_s=0.5)
    assert 90 <= len(asked) <= 125
    assert (bench.expected() or 0) > 100 + 3600 * 0.5 - 20

    # Nothing was wrong with a connection, and the first one to come goes on from there.
    assert bench.told(Stalled) == []
    before = len(bench.all(Connect))

    while len(bench.all(Connect)) == before:
        bench.wait(1)

    bench.live(bench.connect(), [1901])
    bench.serve(1901)
    assert bench.expected() == 1902


def test_without_a_connection_a_quiet_market_is_asked_about_ever_later() -> None:
    bench = Bench()
    asked = without_socket(bench, 7200, per_s=0)
    assert 10 <= len(asked) <= 16


def test_polling_is_no_reason_to_replace_a_connection_that_is_being_opened() -> None:
    bench = Bench(connect_timeout_s=600.0)
    begun = len(bench.all(Connect))

    while bench.now < 200:
        bench.serve(100 + int(bench.now))
        bench.wait(1)

    assert (bench.expected() or 0) > 250
    assert len(bench.all(Connect)) == begun


def test_futures_have_their_own_url_and_no_time_unit() -> None:
    rules = spot_rules(ws_url="ws://127.0.0.1:9/", rest_url="http://127.0.0.1:8/")
    assert rules.venue == "binance-spot@127.0.0.1:9"
    assert rules.connect_url(["BTCUSDT"]) == "ws://127.0.0.1:9/ws/btcusdt@aggTrade?timeUnit=MICROSECOND"
    assert rules.page_request("BTCUSDT", 5).url == "http://127.0.0.1:8/api/v3/aggTrades"
