"""The market of the demo: the same trades in the exchange's process and in the one that checks its bars."""

from __future__ import annotations

from ..testing._market import generate_tape
from ..testing._tape import Tape

__all__ = ("CUT_AT", "HISTORY", "RATE", "THRESHOLDS", "demo_tapes")

THRESHOLDS = (250, 1000)
#: Trades of all symbols that are in the past at the start, and trades a second after it.
HISTORY = 3_000
RATE = 1_600.0
#: When the exchange begins to misbehave, in trades of all symbols after the start.
CUT_AT = 3_000

_SYMBOLS = {"BTCUSDT": "60000", "ETHUSDT": "3000", "SOLUSDT": "150"}
_TRADES = 8_000


def demo_tapes() -> list[Tape]:
    """Generate the tapes; they are the same each time."""
    return [
        generate_tape(
            _TRADES,
            seed=5,
            symbol=symbol,
            start_price=price,
            first_agg_trade_id=1_000_000 * number,
            step_volatility=0.0002,
            halt_s=0,
        )
        for number, (symbol, price) in enumerate(_SYMBOLS.items(), start=1)
    ]
