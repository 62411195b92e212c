"""The fields of a bar and where they lie in its 176 bytes; one place for the bar, the table and the tests."""

from __future__ import annotations

from typing import Final

TIME_OFFSETS: Final = {"open_time": 0, "close_time": 8}

PRICE_OFFSETS: Final = {"open": 16, "high": 24, "low": 32, "close": 40}

# 128-bit sums: (offset, decimals of the unit).
SUM_OFFSETS: Final = {"volume": (48, 8), "turnover": (64, 16), "buy_volume": (80, 8), "buy_turnover": (96, 16)}

INTEGER_OFFSETS: Final = {
    "individual_trade_count": 112,
    "buy_trade_count": 120,
    "agg_record_count": 128,
    "first_trade_id": 136,
    "last_trade_id": 144,
    "first_agg_trade_id": 152,
    "last_agg_trade_id": 160,
    "missing_trades": 168,
}

# In the order of RbFeatures, after its vwap and its duration.
FEATURES: Final = (
    "ofi",
    "vwap_close_deviation",
    "price_impact",
    "kyle_lambda_proxy",
    "trade_intensity",
    "volume_per_trade",
    "aggression_ratio",
    "aggregation_density",
    "turnover_imbalance",
)

# Decimals of the unit of every field that is a decimal number, in the order of rb_bars_exact.
DECIMALS: Final = {
    "open": 8,
    "high": 8,
    "low": 8,
    "close": 8,
    "volume": 8,
    "turnover": 16,
    "vwap": 8,
    "buy_volume": 8,
    "sell_volume": 8,
    "buy_turnover": 16,
    "sell_turnover": 16,
}

# In the order of the integers of rb_bars_columns; the first two are times.
INTEGER_COLUMNS: Final = (
    "open_time",
    "close_time",
    "individual_trade_count",
    "agg_record_count",
    "buy_trade_count",
    "sell_trade_count",
    "first_trade_id",
    "last_trade_id",
    "first_agg_trade_id",
    "last_agg_trade_id",
    "duration_us",
    "missing_trades",
)

# In the order of the floats of rb_bars_columns.
FLOAT_COLUMNS: Final = (*DECIMALS, *FEATURES)

# What a table shows, in this order.
TABLE_COLUMNS: Final = (
    "open_time",
    "close_time",
    *DECIMALS,
    *INTEGER_COLUMNS[2:11],
    *FEATURES,
    "missing_trades",
)

# What a bar is as a mapping, in this order.
BAR_FIELDS: Final = (
    "venue",
    "symbol",
    "threshold_dbps",
    "is_closed",
    "open_time",
    "close_time",
    "open_time_us",
    "close_time_us",
    *TABLE_COLUMNS[2:],
)
