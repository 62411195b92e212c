"""One aggregate trade, checked and packed when it is made, so that nothing is left to do when it is pushed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from struct import Struct
from typing import Final, NoReturn, SupportsIndex

from rangebar_anyio._decimals import LARGEST, MAX_E8, SCALE, Number, e8_text, scaled_decimal, to_e8, to_int
from rangebar_anyio._errors import InvalidTradeError

MAX_TIMESTAMP_US: Final = 253_402_300_799_999_999
"""The last microsecond of the year 9999."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_STRUCT = Struct("<7q")
_pack = _STRUCT.pack
_unpack = _STRUCT.unpack
_new = object.__new__


class Trade:
    """Hold one aggregate trade: immutable, valid, and exact.

    What cannot be represented exactly is refused here, so pushing a trade can only fail for its place in the tape.

    Args:
        agg_trade_id: id of the aggregate trade, zero or above: the order of the tape.
        price: above zero, with at most 8 decimals. A ``str`` is read as plain digits; a ``float`` must lie within 4 ulp
            of a number with at most 8 decimals, and from 22.5 million on it is read as ``Decimal(repr(price))``; an
            ``int`` counts whole units.
        quantity: zero or above (zero occurs in futures), of the same types.
        timestamp_us: microseconds since 1970-01-01 UTC, up to the year 9999.
        is_buyer_maker: True when the buyer was the maker, so the aggressor sold.
        first_trade_id: id of the first individual trade in it; give both ids or none. Without them it counts as one
            individual trade with the id ``agg_trade_id``.
        last_trade_id: id of the last individual trade in it.

    Raises:
        InvalidTradeError: a field is out of its range or of another type; the message names field, value and remedy.

    Example::

        trade = Trade(26129, "0.01633102", "4.70443515", 1_498_793_709_153_000, True, 27781, 27781)
        trade.price, trade.exact("price")  # (0.01633102, Decimal('0.01633102'))
    """

    __slots__ = ("_packed",)
    _packed: bytes

    def __init__(
        self,
        agg_trade_id: SupportsIndex,
        price: Number,
        quantity: Number,
        timestamp_us: SupportsIndex,
        is_buyer_maker: bool,
        first_trade_id: SupportsIndex | None = None,
        last_trade_id: SupportsIndex | None = None,
    ) -> None:
        price_e8 = to_e8(price, "price")
        quantity_e8 = to_e8(quantity, "quantity")

        if first_trade_id is None and last_trade_id is None:
            first_trade_id = last_trade_id = agg_trade_id

        # The usual case in one look; whatever is unusual is sorted out below, at leisure.
        if (
            type(agg_trade_id) is int
            and type(timestamp_us) is int
            and type(first_trade_id) is int
            and type(last_trade_id) is int
            and 0 <= agg_trade_id <= MAX_E8
            and 0 <= first_trade_id <= last_trade_id <= MAX_E8
            and 0 <= timestamp_us <= MAX_TIMESTAMP_US
            and 0 < price_e8 <= MAX_E8
            and 0 <= quantity_e8 <= MAX_E8
            and (is_buyer_maker is True or is_buyer_maker is False)
        ):
            packed = _pack(
                agg_trade_id, price_e8, quantity_e8, first_trade_id, last_trade_id, timestamp_us, is_buyer_maker
            )
        else:
            _check_decimals(price, price_e8, quantity, quantity_e8)
            packed = _pack(
                _id(agg_trade_id, "agg_trade_id"),
                price_e8,
                quantity_e8,
                *_individual_ids(first_trade_id, last_trade_id),
                _time(timestamp_us),
                side(is_buyer_maker),
            )

        _set_packed(self, packed)

    @classmethod
    def _from_packed(cls, packed: bytes) -> Trade:
        """Make a trade from 56 bytes that are known to be valid."""
        trade = _new(cls)
        _set_packed(trade, packed)
        return trade

    @property
    def agg_trade_id(self) -> int:
        """Id of the aggregate trade."""
        return self._field(0)

    @property
    def price(self) -> float:
        """Price as the nearest float; ``exact("price")`` has every digit."""
        return self._field(1) / SCALE

    @property
    def quantity(self) -> float:
        """Quantity as the nearest float; ``exact("quantity")`` has every digit."""
        return self._field(2) / SCALE

    @property
    def price_e8(self) -> int:
        """Price in units of 10^-8."""
        return self._field(1)

    @property
    def quantity_e8(self) -> int:
        """Quantity in units of 10^-8."""
        return self._field(2)

    @property
    def first_trade_id(self) -> int:
        """Id of the first individual trade in it."""
        return self._field(3)

    @property
    def last_trade_id(self) -> int:
        """Id of the last individual trade in it."""
        return self._field(4)

    @property
    def timestamp_us(self) -> int:
        """Time in microseconds since 1970-01-01 UTC."""
        return self._field(5)

    @property
    def timestamp(self) -> datetime:
        """Time as an aware datetime in UTC."""
        return EPOCH + timedelta(microseconds=self._field(5))

    @property
    def is_buyer_maker(self) -> bool:
        """True when the buyer was the maker, so the aggressor sold."""
        return self._field(6) != 0

    def exact(self, name: str) -> Decimal:
        """Give ``"price"`` or ``"quantity"`` with every digit; another name is a ``KeyError``."""
        try:
            index = {"price": 1, "quantity": 2}[name]
        except KeyError:
            raise KeyError(f"{name!r} has no exact decimal; a trade's are 'price' and 'quantity'") from None

        return scaled_decimal(self._field(index), 8)

    def _field(self, index: int) -> int:
        value: int = _unpack(self._packed)[index]
        return value

    def __eq__(self, other: object) -> bool:
        return self._packed == other._packed if isinstance(other, Trade) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._packed)

    def __repr__(self) -> str:
        agg, price, quantity, first, last, time, is_sell = _unpack(self._packed)
        ids = "" if first == last == agg else f", first_trade_id={first}, last_trade_id={last}"
        return (
            f"Trade({agg}, price='{e8_text(price)}', quantity='{e8_text(quantity)}', timestamp_us={time}, "
            f"is_buyer_maker={bool(is_sell)}{ids})"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (self._packed,)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Trade cannot be changed, so {name} cannot be set; make a new one")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Trade cannot be changed, so {name} cannot be deleted; make a new one")


# The slot's own setter, since __setattr__ refuses.
_set_packed = Trade.__dict__["_packed"].__set__


def _restore(packed: bytes) -> Trade:
    """Make a trade from a pickle, which may have been damaged or forged: checked like any other input."""
    if len(packed) != _STRUCT.size:
        raise InvalidTradeError("packed", packed, f"has {len(packed)} bytes and not {_STRUCT.size}")

    agg, price, quantity, first, last, time, is_sell = _unpack(packed)
    return Trade(agg, e8_text(price), e8_text(quantity), time, bool(is_sell), first, last)


def _check_decimals(price: Number, price_e8: int, quantity: Number, quantity_e8: int) -> None:
    if price_e8 <= 0:
        raise InvalidTradeError("price", price, "is not above zero")

    if price_e8 > MAX_E8:
        raise InvalidTradeError("price", price, "is out of range", LARGEST)

    if quantity_e8 < 0:
        raise InvalidTradeError("quantity", quantity, "is below zero", "the side is is_buyer_maker, not the sign")

    if quantity_e8 > MAX_E8:
        raise InvalidTradeError("quantity", quantity, "is out of range", LARGEST)


def _id(value: object, field: str) -> int:
    number = to_int(value, field)

    if 0 <= number <= MAX_E8:
        return number

    raise InvalidTradeError(field, value, f"is not within 0 and {MAX_E8}")


def _individual_ids(first: object, last: object) -> tuple[int, int]:
    if first is None or last is None:
        missing, given = ("first_trade_id", "last") if first is None else ("last_trade_id", "first")
        raise InvalidTradeError(missing, None, f"is missing beside the {given} id", "give both or none")

    first_id = _id(first, "first_trade_id")
    last_id = _id(last, "last_trade_id")

    if last_id < first_id:
        raise InvalidTradeError("last_trade_id", last, f"is below first_trade_id {first_id}")

    return first_id, last_id


def _time(value: object) -> int:
    number = to_int(value, "timestamp_us", "give microseconds since 1970-01-01 UTC as a whole number (int)")

    if 0 <= number <= MAX_TIMESTAMP_US:
        return number

    raise InvalidTradeError(
        "timestamp_us", value, "is before 1970 or after the year 9999", "give microseconds, not nanoseconds"
    )


def side(value: object) -> int:
    """Convert a side to 0 or 1; a text, even "False", is refused."""
    if type(value).__name__ in ("bool", "bool_"):
        # NumPy's bool has the same name and is no integer.
        return 1 if value else 0

    number = to_int(value, "is_buyer_maker", "give True or False")

    if number in (0, 1):
        return number

    raise InvalidTradeError("is_buyer_maker", value, "is neither True nor False")
