"""What the soak plays: simulated days of trades, each with faults in its first half, and the bars that must come."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from math import inf

import numpy

from rangebar_anyio import Bar, RangeBarProcessor, ReconnectPolicy, SessionConfig
from rangebar_anyio.testing import Fault, FaultKind, Limits, Tape, generate_tape, random_faults

__all__ = (
    "CONFIG",
    "DAY_S",
    "DAY_TRADES",
    "LIMITS",
    "RATE",
    "SYMBOLS",
    "THRESHOLDS",
    "Digest",
    "faults",
    "tapes",
    "wanted",
)

#: A day has so many seconds, and its last part is calm.
DAY_S = 30
RATE = 500
DAY_TRADES = DAY_S * RATE
CALM_FROM = 0.5
SYMBOLS = {"BTCUSDT": "60000", "ETHUSDT": "3000"}
THRESHOLDS = (100, 250)
FAULTS_A_DAY = 12
#: Not among them: ids that are gone and milliseconds, which are errors by design.
KINDS = tuple(kind for kind in FaultKind if kind not in (FaultKind.IDS_GONE, FaultKind.WRONG_UNIT))

#: The exchange ends a connection after a day; the stream rotates before, twice a day.
LIMITS = Limits(
    messages_per_s=inf,
    ban_after_disconnects=inf,
    connects_per_window=inf,
    weight_per_minute=inf,
    ping_interval_s=1.0,
    pong_timeout_s=5.0,
    connection_lifetime_s=DAY_S,
)
CONFIG = SessionConfig(
    policy=ReconnectPolicy(first_delay_s=0.02, max_delay_s=0.5, connect_share=1.0, weight_share=1.0),
    connect_timeout_s=1.0,
    subscribe_timeout_s=1.0,
    request_timeout_s=1.0,
    rotate_after_s=DAY_S / 2,
    rotate_spread_s=DAY_S / 10,
    overlap_s=0.2,
    overlap_gap_wait_s=0.05,
    quiet_after_s=1.0,
    quiet_after_max_s=5.0,
    stalled_grace_s=0.3,
    snapshot_every_s=1.0,
)


def tapes(days: int) -> list[Tape]:
    """Make the market: the same for the same number of days."""
    count = days * DAY_TRADES // len(SYMBOLS)
    return [
        generate_tape(
            count,
            symbol=name,
            start_price=price,
            step_volatility=0.0003,
            trades_per_s=RATE / len(SYMBOLS),
            flash_crash=False,
            halt_s=0,
        )
        for name, price in SYMBOLS.items()
    ]


def faults(days: int) -> list[Fault]:
    """Make the same number of random faults for each day."""
    made: list[Fault] = []
    for day in range(days):
        first = day * DAY_TRADES
        places = range(first + 1, first + int(DAY_TRADES * CALM_FROM))
        made += random_faults(day, places, FAULTS_A_DAY, kinds=KINDS, symbols=list(SYMBOLS), longest_s=1.0)

    # What lasts for a number of trades must not reach into the calm part.
    return [fault for fault in made if fault.lasts_trades is None or _ends_in_time(fault)]


def _ends_in_time(fault: Fault) -> bool:
    begins, lasts = fault.at_trade or 0, fault.lasts_trades or 0
    return begins % DAY_TRADES + lasts < DAY_TRADES * CALM_FROM


class Digest:
    """A lane's bars in one number, so that none has to be kept."""

    def __init__(self) -> None:
        self.count = 0
        self._hash = hashlib.sha256()

    def add(self, bars: Iterable[Bar]) -> None:
        """Take in the next bars."""
        for bar in bars:
            self.count += 1
            fields = (bar.first_agg_trade_id, bar.last_agg_trade_id, bar.exact("open"), bar.exact("high"))
            more = (bar.exact("low"), bar.exact("close"), bar.exact("volume"), bar.close_time_us, bar.missing_trades)
            self._hash.update(repr((fields, more)).encode())

    def text(self) -> str:
        """Give the number."""
        return f"{self.count}:{self._hash.hexdigest()}"


def wanted(market: list[Tape]) -> dict[str, str]:
    """Compute the digest of each lane's bars offline."""
    found: dict[str, str] = {}
    for tape in market:
        columns = [numpy.array(column) for column in zip(*tape, strict=True)]
        for threshold in THRESHOLDS:
            with RangeBarProcessor(threshold, symbol=tape.symbol) as processor:
                digest = Digest()
                digest.add(
                    processor.push_columns(
                        agg_trade_id=columns[0],
                        price=columns[1],
                        quantity=columns[2],
                        first_trade_id=columns[3],
                        last_trade_id=columns[4],
                        timestamp_us=columns[5],
                        is_buyer_maker=columns[6],
                    )
                )
                found[f"{tape.symbol} {threshold}"] = digest.text()

    return found
