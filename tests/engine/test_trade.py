"""A trade is exact and valid, or it is not made."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from enum import Enum
from fractions import Fraction
from math import inf, nextafter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangebar_anyio import InvalidTradeError, Trade
from rangebar_anyio.testing import trades

MAX = 2**63 - 1


def make(**changes: Any) -> Trade:
    fields: dict[str, Any] = {
        "agg_trade_id": 26129,
        "price": "0.01633102",
        "quantity": "4.70443515",
        "timestamp_us": 1_498_793_709_153_000,
        "is_buyer_maker": True,
    }
    return Trade(**{**fields, **changes})


def test_a_trade_gives_back_what_it_was_made_of() -> None:
    trade = make(first_trade_id=27781, last_trade_id=27783)
    assert trade.agg_trade_id == 26129
    assert (trade.price, trade.exact("price"), trade.price_e8) == (0.01633102, Decimal("0.01633102"), 1633102)
    assert (trade.quantity, trade.exact("quantity"), trade.quantity_e8) == (
        4.70443515,
        Decimal("4.70443515"),
        470443515,
    )
    assert trade.timestamp_us == 1_498_793_709_153_000
    assert trade.timestamp == datetime(2017, 6, 30, 3, 35, 9, 153000, UTC)
    assert trade.is_buyer_maker is True
    assert (trade.first_trade_id, trade.last_trade_id) == (27781, 27783)


def test_without_individual_ids_the_aggregate_id_stands_for_both() -> None:
    assert (make().first_trade_id, make().last_trade_id) == (26129, 26129)


def test_an_unknown_exact_name_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="'side' has no exact decimal"):
        make().exact("side")


@pytest.mark.parametrize(
    ("value", "units"),
    [
        ("112070.01", 11_207_001_000_000),
        ("0.00000001", 1),
        ("007", 700_000_000),
        ("92233720368.54775807", MAX),
        (Decimal("112070.01"), 11_207_001_000_000),
        (Decimal("1E-8"), 1),
        (Decimal("1.2E-7"), 12),
        (Decimal("9E+10"), 9 * 10**18),
        (Decimal("1.0000000000000000"), 10**8),
        (Decimal("92233720368.54775807"), MAX),
        (7, 700_000_000),
        (112070.01, 11_207_001_000_000),
        (0.1 + 0.2, 30_000_000),
        (1_234_567_890.5, 123_456_789_050_000_000),
        (30_000_000.1, 3_000_000_010_000_000),
    ],
)
def test_numbers_of_every_type_are_exact(value: Any, units: int) -> None:
    assert make(price=value).price_e8 == units
    assert make(quantity=value).quantity_e8 == units


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "is empty"),
        (".", "is no plain decimal number"),
        ("1.", "digits on both sides"),
        (".5", "digits on both sides"),
        ("-0.5", "has a sign"),
        ("-0", "has a sign"),
        ("+1", "has a sign"),
        ("1e5", "is no plain decimal number"),
        (" 1", "is no plain decimal number"),
        ("1_000", "is no plain decimal number"),
        ("1.2.3", "is no plain decimal number"),
        ("NaN", "is no plain decimal number"),
        ("٣", "is no plain decimal number"),
        ("1²", "is no plain decimal number"),
        ("1.000000001", "has more than 8 decimals"),
        ("92233720368.54775808", "is out of range"),
        ("9" * 5000, "is out of range"),
        (Decimal("NaN"), "is no finite number"),
        (Decimal("sNaN"), "is no finite number"),
        (Decimal("-Infinity"), "is no finite number"),
        (Decimal("1E-9"), "has more than 8 decimals"),
        (Decimal("0.000000011"), "has more than 8 decimals"),
        (Decimal("1E-999999999"), "has more than 8 decimals"),
        (Decimal("1E+999999999"), "is out of range"),
        (Decimal("92233720368.54775808"), "is out of range"),
        (float("nan"), "is no finite number"),
        (float("inf"), "is no finite number"),
        (float("-inf"), "is no finite number"),
        (1e300, "is out of range"),
        (1e12, "is out of range"),
        (1 / 3, "is not within 4 ulp"),
        (1e-9, "is not within 4 ulp"),
        (10**12, "is out of range"),
        (True, "is a bool"),
        (None, "is a NoneType"),
        (b"1", "is a bytes"),
        (Fraction(1, 2), "is a Fraction"),
        ([1], "is a list"),
    ],
)
def test_what_cannot_be_exact_is_refused_with_field_value_and_reason(value: Any, problem: str) -> None:
    for field in ("price", "quantity"):
        with pytest.raises(InvalidTradeError, match=problem) as caught:
            make(**{field: value})

        assert caught.value.field == field
        assert caught.value.value is value
        assert str(caught.value).startswith(f"{field} ")
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("zero", ["0", "0.0", 0, 0.0, -0.0, Decimal(0), Decimal("-0"), Decimal("0E-99999")])
def test_a_quantity_may_be_zero_and_a_price_not(zero: Any) -> None:
    assert make(quantity=zero).quantity_e8 == 0

    with pytest.raises(InvalidTradeError, match=r"price .* is not above zero"):
        make(price=zero)


@pytest.mark.parametrize("negative", [-1, -0.5, Decimal("-0.5"), Decimal("-1E-8")])
def test_negative_numbers_are_refused(negative: Any) -> None:
    with pytest.raises(InvalidTradeError, match=r"price .* is not above zero"):
        make(price=negative)

    with pytest.raises(InvalidTradeError, match=r"quantity .* is below zero"):
        make(quantity=negative)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"agg_trade_id": -1}, "agg_trade_id -1 is not within 0"),
        ({"agg_trade_id": 2**63}, "agg_trade_id .* is not within 0"),
        ({"agg_trade_id": 1.0}, "agg_trade_id 1.0 is a float"),
        ({"agg_trade_id": True}, "agg_trade_id True is a bool"),
        ({"agg_trade_id": "1"}, "agg_trade_id '1' is a str"),
        ({"timestamp_us": -1}, "timestamp_us -1 is before 1970"),
        ({"timestamp_us": 253_402_300_800_000_000}, "after the year 9999; give microseconds"),
        ({"timestamp_us": datetime(2020, 1, 1, tzinfo=UTC)}, "timestamp_us .* is a datetime; give microseconds"),
        ({"timestamp_us": None}, "timestamp_us None is a NoneType"),
        ({"is_buyer_maker": "False"}, "is_buyer_maker 'False' is a str; give True or False"),
        ({"is_buyer_maker": 2}, "is_buyer_maker 2 is neither True nor False"),
        ({"is_buyer_maker": None}, "is_buyer_maker None is a NoneType"),
        ({"first_trade_id": 1}, "last_trade_id None is missing beside the first id; give both or none"),
        ({"last_trade_id": 1}, "first_trade_id None is missing beside the last id"),
        ({"first_trade_id": 2, "last_trade_id": 1}, "last_trade_id 1 is below first_trade_id 2"),
        ({"first_trade_id": -1, "last_trade_id": 1}, "first_trade_id -1 is not within 0"),
        ({"first_trade_id": 1, "last_trade_id": 2**63}, "last_trade_id .* is not within 0"),
        ({"first_trade_id": True, "last_trade_id": True}, "first_trade_id True is a bool"),
    ],
)
def test_every_other_field_is_checked_too(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidTradeError, match=message):
        make(**changes)


def test_the_extremes_are_accepted() -> None:
    trade = Trade(MAX, "92233720368.54775807", "92233720368.54775807", 253_402_300_799_999_999, False, 0, MAX)
    assert (trade.price_e8, trade.quantity_e8, trade.last_trade_id) == (MAX, MAX, MAX)
    assert trade.timestamp.year == 9999
    assert Trade(0, "0.00000001", 0, 0, False, 0, 0).timestamp == datetime(1970, 1, 1, tzinfo=UTC)


def test_numpy_scalars_are_taken_where_they_are_exact() -> None:
    np: Any = pytest.importorskip("numpy")
    side: Any = np.bool_(True)
    trade = Trade(np.int64(5), np.float64(112070.01), np.int32(2), np.int64(7), side, np.uint64(1), np.int8(3))
    assert trade == Trade(5, "112070.01", "2", 7, True, 1, 3)
    assert make(price=np.float64(1_234_567_890.5)).price_e8 == 123_456_789_050_000_000

    for value in (np.bool_(True), np.float32(1.5), np.datetime64(1, "us"), np.array([1.5])):
        with pytest.raises(InvalidTradeError, match="price"):
            make(price=value)


def test_a_subclass_counts_as_what_it_holds() -> None:
    class Quote(str, Enum):  # noqa: UP042 - it prints its name
        BID = "1.5"

    class Shown(Decimal):
        def __str__(self) -> str:
            return "7"

    assert Trade(1, Quote.BID, Shown("2.5"), 1, False).price_e8 == 150_000_000
    assert Trade(1, Quote.BID, Shown("2.5"), 1, False).quantity_e8 == 250_000_000


def test_the_decimal_context_of_the_caller_does_not_matter() -> None:
    with localcontext() as context:
        context.prec = 3
        trade = make(price=Decimal("112070.01234567"))
        assert trade.price_e8 == 11_207_001_234_567
        assert str(trade.exact("price")) == "112070.01234567"


@given(st.integers(1, MAX))
def test_every_number_of_units_goes_through_text_and_decimal(units: int) -> None:
    whole, rest = divmod(units, 10**8)
    text = f"{whole}.{rest:08}"
    assert make(price=text).price_e8 == units
    assert make(price=Decimal(text)).price_e8 == units
    assert make(price=text).exact("price") == Decimal(text)
    assert make(price=text).price == float(text)


# Up to here 4 ulp are less than half a unit, so "within 4 ulp" names one number.
@given(st.integers(1, 2**49), st.integers(-4, 4))
def test_a_float_within_4_ulp_of_eight_decimals_is_that_number(units: int, steps: int) -> None:
    value = units / 10**8

    for _ in range(abs(steps)):
        value = nextafter(value, inf if steps > 0 else 0)

    assert make(price=value).price_e8 == units


@given(st.integers(2**51 + 10, MAX - 1000))
def test_a_wide_float_is_its_shortest_text(units: int) -> None:
    value = units / 10**8
    expected = Decimal(repr(value))

    if expected != round(expected, 8):
        with pytest.raises(InvalidTradeError, match="has more than 8 decimals"):
            make(price=value)
    else:
        assert make(price=value).exact("price") == expected


@given(trades())
def test_equality_hash_repr_and_pickle(trade: Trade) -> None:
    for again in (eval(repr(trade)), pickle.loads(pickle.dumps(trade)), copy.copy(trade), copy.deepcopy(trade)):
        assert again == trade
        assert hash(again) == hash(trade)
        assert repr(again) == repr(trade)

    assert trade != "a trade"


def test_a_trade_cannot_be_changed() -> None:
    trade = make()

    for name in ("price", "_packed", "anything"):
        with pytest.raises(AttributeError, match="cannot be changed"):
            setattr(trade, name, 1)

    with pytest.raises(AttributeError, match="cannot be changed"):
        del trade._packed


def _parts(trade: Trade) -> Any:
    return trade.__reduce__()


def test_a_forged_pickle_makes_no_invalid_trade() -> None:
    rebuild, arguments = _parts(make())
    (packed,) = arguments

    with pytest.raises(InvalidTradeError, match="has 55 bytes"):
        rebuild(packed[:-1])

    with pytest.raises(InvalidTradeError, match="price"):
        rebuild(packed[:8] + bytes(8) + packed[16:])
