"""Prices and quantities as whole numbers of 10^-8, exactly or not at all.

The rules are those of rust-core's ``price`` module, which reads the same values from columns and from messages.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import isfinite, ulp
from typing import Any, SupportsIndex

from rangebar_anyio._errors import InvalidTradeError

Number = str | Decimal | int | float | SupportsIndex

SCALE = 100_000_000
_FLOAT_SCALE = float(SCALE)
MAX_E8 = 2**63 - 1

_DECIMALS = 8
_POWERS: tuple[int, ...] = tuple(10 ** (_DECIMALS - decimals) for decimals in range(_DECIMALS + 1))
# Below this many units a float has one nearest number with eight decimals; above, neighbours merge.
_EXACT_UNITS = float(2**51)
_MAX_DIGITS = 40
# 92233720368.54775807 is the largest number.
_MAX_ADJUSTED = 10

_PLAIN = "write it as plain digits with at most 8 decimals, for example '112070.01'"
_ROUND = "round it to 8 decimals first"
LARGEST = "the largest is 92233720368.54775807"


def to_e8(value: Number, field: str) -> int:
    """Convert a number to units of 10^-8; ``InvalidTradeError`` names the field, the value and the remedy.

    The result may be below zero or above 64 bits: the caller knows the range of the field.
    """
    kind = type(value)
    convert = _CONVERSIONS.get(kind)
    return convert(value, field) if convert is not None else _other_to_e8(value, field)


def _text_to_e8(text: str, field: str) -> int:
    whole, point, decimals = text.partition(".")
    digits = whole + decimals

    try:
        if digits.isdigit() and digits.isascii() and whole and (decimals or not point):
            return int(digits) * _POWERS[len(decimals)]
    except (IndexError, ValueError):
        # More than 8 decimals, or more digits than int() takes.
        pass

    raise _text_error(text, field)


def _text_error(text: str, field: str) -> InvalidTradeError:
    """Say what is wrong with a text that is no plain number."""
    whole, _, decimals = text.partition(".")
    digits = whole + decimals

    if not text:
        return InvalidTradeError(field, text, "is empty", _PLAIN)

    if text[0] in "+-":
        # Also "-0": whoever writes a sign means something that a price is not.
        return InvalidTradeError(field, text, "has a sign", "prices and quantities are written without one")

    if not (digits.isdigit() and digits.isascii()):
        return InvalidTradeError(field, text, "is no plain decimal number", _PLAIN)

    if not whole or text.endswith("."):
        return InvalidTradeError(field, text, "needs digits on both sides of the point", _PLAIN)

    if len(decimals) > _DECIMALS:
        return InvalidTradeError(field, text, "has more than 8 decimals", _ROUND)

    return InvalidTradeError(field, text, "is out of range", LARGEST)


def _decimal_to_e8(value: Decimal, field: str) -> int:
    # The usual Decimal prints as plain digits, and reading those is the fastest exact way.
    whole, _, decimals = str(value).partition(".")
    digits = whole + decimals

    if len(decimals) <= _DECIMALS and digits.isdigit() and len(digits) <= _MAX_DIGITS:
        return int(digits) * _POWERS[len(decimals)]

    return _unusual_decimal_to_e8(value, field, value)


def _unusual_decimal_to_e8(value: Decimal, field: str, given: object) -> int:
    """Convert any Decimal; an error shows the value that was given for it."""
    if not value.is_finite():
        raise InvalidTradeError(field, given, "is no finite number", _PLAIN)

    if not value:
        return 0

    # The size is looked at first: as a ratio, 1E+999999999 would fill the memory.
    if value.adjusted() > _MAX_ADJUSTED:
        raise InvalidTradeError(field, given, "is out of range", LARGEST)

    if value.adjusted() < -_DECIMALS:
        raise InvalidTradeError(field, given, "has more than 8 decimals", _ROUND)

    numerator, denominator = value.as_integer_ratio()
    units, rest = divmod(numerator * SCALE, denominator)

    if rest:
        raise InvalidTradeError(field, given, "has more than 8 decimals", _ROUND)

    return units


def _float_to_e8(value: float, field: str) -> int:
    scaled = value * _FLOAT_SCALE

    if -_EXACT_UNITS < scaled < _EXACT_UNITS:
        units = round(scaled)
        nearest = units / _FLOAT_SCALE

        if nearest == value or abs(nearest - value) <= 4 * ulp(value):
            return units

        raise InvalidTradeError(field, value, "is not within 4 ulp of a number with at most 8 decimals", _ROUND)

    if not isfinite(value):
        raise InvalidTradeError(field, value, "is no finite number", "leave such rows out")

    # Here several numbers with eight decimals share one float; its shortest text is the one that was meant.
    return _unusual_decimal_to_e8(Decimal(float.__repr__(value)), field, value)


def _other_to_e8(value: Number, field: str) -> int:
    """Convert what is not exactly of the four types: subclasses (NumPy's float64 is one) and NumPy's integers."""
    # What they hold, not what they print: a str that is also an Enum prints its name.
    if isinstance(value, str):
        return _text_to_e8(str.__str__(value), field)

    if isinstance(value, Decimal):
        return _decimal_to_e8(Decimal(value), field)

    if isinstance(value, float):
        return _float_to_e8(float(value), field)

    return to_int(value, field, "give it as str, Decimal, int or float") * SCALE


def to_int(value: object, field: str, remedy: str = "give it as a whole number (int)") -> int:
    """Convert an integer of any library to ``int``; a bool is none."""
    if not isinstance(value, bool) and isinstance(value, SupportsIndex):
        try:
            return value.__index__()
        except TypeError:
            pass

    raise InvalidTradeError(field, value, f"is a {type(value).__name__}", remedy)


def e8_text(units: int) -> str:
    """Write units of 10^-8 as the shortest plain decimal text."""
    return scaled_text(units, _DECIMALS)


def scaled_text(units: int, decimals: int) -> str:
    """Write units of 10^-decimals as the shortest plain decimal text."""
    return padded_text(units, decimals).rstrip("0").rstrip(".")


def padded_text(units: int, decimals: int) -> str:
    """Write units of 10^-decimals with all its decimals."""
    sign = "-" if units < 0 else ""
    whole, rest = divmod(abs(units), 10**decimals)
    return f"{sign}{whole}.{rest:0{decimals}}"


def scaled_decimal(units: int, decimals: int) -> Decimal:
    """Give units of 10^-decimals as a Decimal, exactly, whatever the caller's decimal context is."""
    return Decimal(scaled_text(units, decimals))


def _whole_to_e8(value: int, _field: str) -> int:
    return value * SCALE


_CONVERSIONS: dict[type, Callable[[Any, str], int]] = {
    str: _text_to_e8,
    Decimal: _decimal_to_e8,
    float: _float_to_e8,
    int: _whole_to_e8,
}
