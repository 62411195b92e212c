"""Tapes, generated markets and archive files."""

from __future__ import annotations

import zipfile
from decimal import localcontext
from itertools import pairwise
from pathlib import Path

import pytest

from rangebar_anyio import RangeBarProcessor
from rangebar_anyio.testing import AggTrade, Tape, generate_market, generate_tape, read_archive_csv, write_archive_csv

HOUR_US = 3_600_000_000


def trade(number: int, time_us: int = 0) -> AggTrade:
    return AggTrade(number, 100, 5, number, number, time_us, True)


def test_a_tape_gives_back_what_was_put_in() -> None:
    rows = [AggTrade(3, 10**8, 5, 7, 9, 1000, True), AggTrade(5, 2 * 10**8, 6, 10, 10, 1000, False)]
    tape = Tape("BTCUSDT", rows)

    assert list(tape) == rows
    assert tape[1] == rows[1]
    assert len(tape) == 2
    assert tape == Tape("BTCUSDT", rows)
    assert tape != Tape("ETHUSDT", rows)


def test_a_tape_finds_ids_and_times() -> None:
    tape = Tape("X", [trade(3, 10), trade(5, 10), trade(6, 30)])

    assert [tape.index_of_id(n) for n in (0, 3, 4, 5, 6, 7)] == [0, 0, 1, 1, 2, 3]
    assert [tape.index_of_time(t) for t in (0, 10, 11, 30, 31)] == [0, 0, 2, 2, 3]


@pytest.mark.parametrize("wrong", [trade(5, 20), trade(4, 20), trade(6, 19)])
def test_a_tape_only_goes_forward(wrong: AggTrade) -> None:
    tape = Tape("X", [trade(5, 20)])

    with pytest.raises(ValueError, match="X: "):
        tape.append(wrong)

    assert len(tape) == 1


def test_a_market_is_the_same_for_the_same_seed() -> None:
    assert generate_tape(2_000, seed=4) == generate_tape(2_000, seed=4)
    assert generate_tape(2_000, seed=4) != generate_tape(2_000, seed=5)
    assert [tape.symbol for tape in generate_market({"BTCUSDT": "60000", "ETHUSDT": "3000"}, 10)] == [
        "BTCUSDT",
        "ETHUSDT",
    ]


def test_a_market_is_a_legal_tape() -> None:
    tape = generate_tape(20_000, first_agg_trade_id=0, tick_size="0.5", start_price="7.5")

    Tape("BTCUSDT", tape)  # would refuse ids and times out of order
    assert list(tape.trade_ids) == list(range(20_000))
    assert all(row.price_e8 > 0 and row.price_e8 % 50_000_000 == 0 and row.quantity_e8 > 0 for row in tape)
    assert all(a.last_trade_id + 1 == b.first_trade_id for a, b in pairwise(tape))


def test_a_market_has_bursts_clusters_a_crash_and_a_halt() -> None:
    tape = generate_tape(50_000, seed=1)
    times = list(tape.timestamps_us)
    waits = [b - a for a, b in pairwise(times)]

    assert sum(wait == 0 for wait in waits) > 10_000
    assert sum(wait >= HOUR_US for wait in waits) == 1
    assert HOUR_US not in range(*sorted((times[0], times[17_000])))

    crash = [row.price_e8 for row in list(tape)[29_900:30_300]]
    assert min(crash) < 0.95 * crash[0]

    calm = generate_tape(50_000, seed=1, flash_crash=False, halt_s=0)
    assert max(b - a for a, b in pairwise(calm.timestamps_us)) < HOUR_US / 60


def test_wild_and_calm_stretches_cluster() -> None:
    tape = generate_tape(60_000, seed=2, flash_crash=False)
    moves = [abs(b.price_e8 - a.price_e8) for a, b in pairwise(list(tape)[::10])]
    mean = sum(moves) / len(moves)
    together = sum((a - mean) * (b - mean) for a, b in pairwise(moves)) / sum((a - mean) ** 2 for a in moves)

    assert together > 0.05


@pytest.mark.parametrize(
    "options", [{"trades": -1}, {"trades_per_s": 0.0}, {"start_price": "0"}, {"tick_size": "0.000000001"}]
)
def test_numbers_that_make_no_market(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        generate_tape(**options)  # type: ignore[arg-type]


def test_an_archive_has_the_columns_of_the_exchange(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-aggTrades-2025-01-01.csv"
    write_archive_csv(Tape("BTCUSDT", [AggTrade(7, 9_342_950_000_000, 1_000, 8, 9, 1_735_689_600_123_456, True)]), path)

    assert path.read_text() == "7,93429.50000000,0.00001000,8,9,1735689600123456,True,True\n"


def test_an_archive_comes_back_as_it_went(tmp_path: Path) -> None:
    tape = generate_tape(1_000)
    path = tmp_path / "BTCUSDT-aggTrades-2025-01-01.csv"
    write_archive_csv(tape, path)
    assert read_archive_csv(path) == tape

    packed = path.with_suffix(".zip")

    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(path, path.name)

    assert read_archive_csv(packed) == tape


def test_a_futures_archive_has_a_header_and_milliseconds(tmp_path: Path) -> None:
    path = tmp_path / "ETHUSDT.csv"
    path.write_text(
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
        "1,2500.1,3,1,2,1700000000123,false\n"
    )

    assert list(read_archive_csv(path)) == [
        AggTrade(1, 250_010_000_000, 300_000_000, 1, 2, 1_700_000_000_123_000, False)
    ]
    assert read_archive_csv(path).symbol == "ETHUSDT"
    assert read_archive_csv(path, symbol="OTHER").symbol == "OTHER"


@pytest.mark.parametrize(
    "line", ["2,1.123456789,1,1,1,1700000000123,true", "2,1", "2,-1,1,1,1,1,true", "1,1,1,1,1,5,true"]
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "X.csv"
    path.write_text(f"1,1,1,1,1,1700000000123,true\n{line}\n")

    with pytest.raises(ValueError, match="line 2"):
        read_archive_csv(path)


def test_a_tape_gives_trades_and_the_bars_that_a_stream_must_give() -> None:
    """Exactly, whatever the decimal context of the program is."""
    tape = generate_tape(2_000)
    with localcontext(prec=3):
        trades = [row.to_trade() for row in tape]
        with RangeBarProcessor(50, symbol=tape.symbol) as processor:
            wanted = processor.push_many(trades[100:])

        assert tape.bars(50, from_id=tape.trade_ids[100]) == wanted != tape.bars(50)

    assert [(trade.price_e8, trade.quantity_e8) for trade in trades] == [
        (row.price_e8, row.quantity_e8) for row in tape
    ]
