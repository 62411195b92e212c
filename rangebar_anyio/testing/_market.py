"""Generated markets: tapes that look like those of an exchange, and the same for the same seed.

The price is a walk in log space whose variance follows a GARCH(1,1) recursion, so calm and wild stretches
cluster. One step is one incoming order; an order eats through one or several price levels, and every level is an
aggregate trade with the same time stamp: those bursts are what the same-timestamp rule of range bars is about.
Sizes are log-normal, waiting times exponential and shorter when the market is wild. A flash crash and an
hour-long halt (a hole in time, none in the ids) can be put into each tape.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import exp, log, sqrt
from random import Random

from ._tape import AggTrade, Tape

__all__ = ("generate_market", "generate_tape")

_E8 = 100_000_000
#: The walk stays between e^-18 and e^18.
_PRICES_END = 60_000_000
#: A hundred million of something that costs next to nothing is enough, and what is drawn stays within 64 bits.
_MOST = 1e15
_CRASH_DEPTH = 0.08
_REBOUND = 0.6
_CRASH_SHARE = 0.004
_LONGEST_BURST = 12

# GARCH(1,1): persistence 0.985 keeps a wild stretch alive for hundreds of orders.
_ALPHA, _BETA = 0.085, 0.9


@dataclass(slots=True)
class _Volatility:
    """Variance of one step, pulled back to ``long_run`` and driven by the last step taken."""

    long_run: float
    variance: float

    def step(self, noise: float) -> float:
        move = sqrt(self.variance) * max(-6.0, min(6.0, noise))
        pull = (1.0 - _ALPHA - _BETA) * self.long_run
        self.variance = pull + _ALPHA * move * move + _BETA * self.variance
        return move

    @property
    def heat(self) -> float:
        return self.variance / self.long_run


def generate_tape(
    trades: int = 100_000,
    *,
    seed: int = 0,
    symbol: str = "BTCUSDT",
    start_price: str = "60000",
    tick_size: str = "0.01",
    start_time_us: int = 1_767_225_600_000_000,
    first_agg_trade_id: int = 1_000_000,
    trades_per_s: float = 25.0,
    step_volatility: float = 0.0001,
    flash_crash: bool = True,
    halt_s: float = 3600.0,
) -> Tape:
    """Make a realistic tape; a million trades take a few seconds.

    Args:
        trades: how many aggregate trades.
        seed: same seed and options, same tape.
        symbol: the tape's symbol, also part of the seed.
        start_price: first price, in whole units of the quote currency.
        tick_size: smallest price step; at most eight decimals.
        start_time_us: time of the first trade, microseconds since 1970.
        first_agg_trade_id: id of the first trade; ids are consecutive.
        trades_per_s: mean rate in calm stretches.
        step_volatility: standard deviation of the log price per order, in the long run.
        flash_crash: fall by eight percent and come back most of the way, at 60 % of the tape.
        halt_s: length of a halt at 35 % of the tape, in seconds; 0 for none.

    Raises:
        ValueError: a number that makes no market.
    """
    price = Decimal(start_price)
    if trades < 0 or trades_per_s <= 0 or not 0 < price < _PRICES_END or Decimal(tick_size) * _E8 < 1:
        raise ValueError(
            f"trades must not be negative; rate and tick size must be positive, the price below {_PRICES_END:,}"
        )

    maker = _Maker(
        Random(f"{seed}:{symbol}"),
        tick_e8=int(Decimal(tick_size) * _E8),
        volatility=_Volatility(step_volatility**2, step_volatility**2),
        log_price=log(float(start_price)),
        time_us=float(start_time_us),
        mean_wait_us=2_000_000 / trades_per_s,
        quantity_scale=min(_MOST, _E8 * 3_000 / float(start_price)),
    )
    maker.plan(trades, flash_crash=flash_crash, halt_us=halt_s * 1e6)
    return maker.fill(Tape(symbol), trades, first_agg_trade_id)


def generate_market(symbols: dict[str, str], trades: int = 100_000, *, seed: int = 0) -> list[Tape]:
    """Make one tape for each symbol, all starting at the same time.

    Args:
        symbols: start price by symbol, for example ``{"BTCUSDT": "60000", "ETHUSDT": "3000"}``.
        trades: aggregate trades for each symbol.
        seed: same seed, same market.
    """
    return [
        generate_tape(trades, seed=seed, symbol=symbol, start_price=price, first_agg_trade_id=1_000_000 * (n + 1))
        for n, (symbol, price) in enumerate(symbols.items())
    ]


@dataclass(slots=True)
class _Maker:
    """Carries the state of one market from order to order."""

    random: Random
    tick_e8: int
    volatility: _Volatility
    log_price: float
    time_us: float
    mean_wait_us: float
    quantity_scale: float
    crash_from: int = -1
    crash_until: int = -1
    halt_at: int = -1
    halt_us: float = 0.0

    def plan(self, trades: int, *, flash_crash: bool, halt_us: float) -> None:
        if flash_crash:
            self.crash_from = int(trades * 0.6)
            self.crash_until = self.crash_from + max(20, int(trades * _CRASH_SHARE))

        if halt_us > 0:
            self.halt_at = int(trades * 0.35)
            self.halt_us = halt_us

    def fill(self, tape: Tape, trades: int, number: int) -> Tape:
        trade_id = number
        made = 0

        while made < trades:
            burst = min(self._burst(), trades - made)
            price, step, maker = self._order(made, burst)
            time_us = int(self.time_us)

            for _ in range(burst):
                fills = self._fills()
                last = trade_id + fills - 1
                tape.append_unchecked(AggTrade(number, price, self._quantity(), trade_id, last, time_us, maker))
                number, trade_id = number + 1, last + 1
                price = max(self.tick_e8, price + step)

            made += burst

        return tape

    def _order(self, made: int, burst: int) -> tuple[int, int, bool]:
        """Advance time and price by one order; first price, step between its fills, and its side."""
        self._wait(made, burst)
        move = self.volatility.step(self.random.gauss(0.0, 1.0)) + self._crash(made, burst)
        self.log_price = max(-18.0, min(18.0, self.log_price + move))
        ticks = max(1, round(exp(self.log_price) * _E8 / self.tick_e8))
        selling = move < 0
        return ticks * self.tick_e8, -self.tick_e8 if selling else self.tick_e8, selling

    def _wait(self, made: int, burst: int) -> None:
        if made <= self.halt_at < made + burst:
            self.time_us += self.halt_us

        heat = max(0.25, min(16.0, self.volatility.heat))
        self.time_us += self.random.expovariate(1.0) * self.mean_wait_us / heat

    def _crash(self, made: int, burst: int) -> float:
        if not self.crash_from <= made < self.crash_until:
            return 0.0

        half = (self.crash_until - self.crash_from) / 2
        falling = made < self.crash_from + half
        return (-_CRASH_DEPTH if falling else _CRASH_DEPTH * _REBOUND) * burst / half

    def _burst(self) -> int:
        """Half of all orders are one trade; longer bursts are rarer by half each."""
        burst = 1

        while burst < _LONGEST_BURST and self.random.random() < 0.5:
            burst += 1

        return burst

    def _fills(self) -> int:
        return 1 + int(self.random.random() ** 3 * 5)

    def _quantity(self) -> int:
        """Whole multiples of 0.00001, the step of most pairs."""
        return max(1, int(exp(self.random.gauss(-2.5, 1.6)) * self.quantity_scale) // 1000) * 1000
