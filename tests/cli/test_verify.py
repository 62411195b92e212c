"""`rangebar-anyio verify-live`: an exchange as it should be, and one lie at a time."""

from __future__ import annotations

import json

import pytest

from rangebar_anyio import BinanceSpot, BinanceUsdFutures, ConnectionLostError, InvalidSymbolError, ProtocolError
from rangebar_anyio._sources._transport import HttpAnswer, Transport
from rangebar_anyio.cli._verify_checks import Verdict, verify_live
from rangebar_anyio.testing import Fault, FaultKind, Limits, Pace, SimulatedExchange, generate_tape
from tests.cli.conftest import Exchange, in_terminal, run

pytestmark = pytest.mark.anyio

HISTORY = 2_000
TAPE = generate_tape(4_000, first_agg_trade_id=0, halt_s=0)
LATE = generate_tape(4_000, first_agg_trade_id=5_000_000, halt_s=0)
CLAIMS = [
    "WebSocket gives the time unit asked for",
    "REST gives the time unit asked for",
    "WebSocket ids follow each other",
    "WebSocket and REST agree per id",
    "REST reaches back to the first trade",
]


def spot(*faults: Fault, tape: object = TAPE) -> SimulatedExchange:
    return SimulatedExchange(
        tape,  # type: ignore[arg-type]
        history=HISTORY,
        limits=Limits.none(),
        pace=Pace(trades_per_s=500),
        faults=faults,
        rest_lags_s=(0.1, 0.0),
    )


async def verdicts(
    exchange: SimulatedExchange, make: type[BinanceSpot | BinanceUsdFutures] = BinanceSpot
) -> list[Verdict]:
    async with exchange:
        source = make(exchange.ws_url, exchange.rest_url)
        return await verify_live(source.rules(), source.transport, "BTCUSDT", 30, 20.0)


def denied(found: list[Verdict]) -> list[str]:
    return [verdict.claim for verdict in found if not verdict.holds]


async def test_an_exchange_as_it_should_be() -> None:
    found = await verdicts(spot())

    assert [verdict.claim for verdict in found] == CLAIMS
    assert denied(found) == []
    assert "trade 0 of 2026-01-01" in found[-1].found


async def test_futures_give_milliseconds_and_may_have_lost_the_oldest() -> None:
    exchange = SimulatedExchange(
        LATE, venue="usd-m", history=HISTORY, limits=Limits.none(), pace=Pace(trades_per_s=500)
    )
    found = await verdicts(exchange, BinanceUsdFutures)

    assert denied(found) == []
    assert "milliseconds" in found[0].found
    assert "5,000,000" in found[-1].found


async def test_milliseconds_where_microseconds_were_asked_for() -> None:
    found = await verdicts(spot(Fault(FaultKind.WRONG_UNIT, at_trade=0)))
    assert set(CLAIMS[:2]) <= set(denied(found)) <= {*CLAIMS[:2]}


async def test_trades_that_the_socket_lost() -> None:
    found = await verdicts(spot(Fault(FaultKind.LOSE, at_trade=HISTORY + 10, value=3)))

    assert denied(found) == CLAIMS[2:4]
    assert "only REST has it" in found[3].details[0]


async def test_trades_that_rest_lost() -> None:
    found = await verdicts(spot(Fault(FaultKind.IDS_GONE, at_trade=0, ids=(HISTORY + 5, HISTORY + 6))))

    assert denied(found) == CLAIMS[3:4]
    assert found[3].details == (
        f"trade {HISTORY + 5}: only the socket has it",
        f"trade {HISTORY + 6}: only the socket has it",
    )


async def test_trades_on_which_the_two_sides_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Transport.get

    async def lie(self: Transport, *args: object, **options: object) -> HttpAnswer:
        answer = await honest(self, *args, **options)  # type: ignore[arg-type]
        rows = json.loads(answer.body)
        for row in rows:
            if row["a"] == HISTORY + 4:
                row["q"] = "0.00000001"

        return HttpAnswer(answer.status, answer.headers, json.dumps(rows).encode())

    monkeypatch.setattr(Transport, "get", lie)
    found = await verdicts(spot())

    assert denied(found) == CLAIMS[3:4]
    assert found[3].details[0].startswith(f"trade {HISTORY + 4}: quantity is ")
    assert "29 of 30" in found[3].found


async def test_a_past_that_rest_does_not_serve() -> None:
    found = await verdicts(spot(tape=LATE))

    assert denied(found) == CLAIMS[4:]
    assert "trade 5,000,000 of 2026-01-01" in found[4].found


async def test_what_cannot_be_asked() -> None:
    async with spot(Fault(FaultKind.REST_MALFORMED, at_trade=0, count=99)) as exchange:
        source = BinanceSpot(exchange.ws_url, exchange.rest_url)
        with pytest.raises(ProtocolError, match="REST answered with"):
            await verify_live(source.rules(), source.transport, "BTCUSDT", 30, 20.0)

    async with spot() as exchange:
        source = BinanceSpot(exchange.ws_url, exchange.rest_url)
        with pytest.raises(InvalidSymbolError):
            await verify_live(source.rules(), source.transport, "XUSDT", 30, 20.0)

    with pytest.raises(ConnectionLostError):
        await verify_live(source.rules(), source.transport, "BTCUSDT", 30, 20.0)


def test_the_command_shows_the_verdicts_and_counts_them(exchange: Exchange) -> None:
    done = run("verify-live", "btcusdt", "--trades", "3", *exchange.options)

    assert done.returncode == 0, done.stdout + done.stderr
    for claim in CLAIMS:
        assert claim in done.stdout

    assert done.stdout.count("✓ yes") == len(CLAIMS)

    wrong = run("verify-live", "XUSDT", *exchange.options)
    assert wrong.returncode == 2
    assert len(wrong.stderr.splitlines()) == 1


def test_an_exchange_that_is_not_there_could_not_be_asked() -> None:
    done = run("verify-live", "BTCUSDT", "--ws-url", "ws://127.0.0.1:9", "--rest-url", "http://127.0.0.1:9")

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "error: binance-spot@127.0.0.1:9: connection lost: REST: cannot reach 127.0.0.1:9 (connection refused)\n"
    )


def test_a_terminal_is_told_what_is_waited_for(exchange: Exchange) -> None:
    screen, code = in_terminal(100, ("verify-live", "BTCUSDT", "--trades", "3", *exchange.options))

    assert code == 0
    assert "listening for 3 trades, 60 s at most" in screen
    assert screen.count("✓ yes") == len(CLAIMS)
