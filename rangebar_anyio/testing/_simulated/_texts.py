"""The exchange's JSON: events, rows, replies and errors, byte for byte as they stand on the wire."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..._decimals import e8_text
from .._archive import decimal_text
from .._tape import AggTrade

__all__ = (
    "combined_text",
    "error_text",
    "event_text",
    "reply_text",
    "row_text",
    "rows_text",
    "shutdown_text",
    "stream_name",
)


def stream_name(symbol: str) -> str:
    """Name of a symbol's stream of aggregate trades."""
    return f"{symbol.lower()}@aggTrade"


def event_text(symbol: str, row: AggTrade, *, microseconds: bool, futures: bool) -> str:
    """An aggTrade event as a raw stream brings it."""
    number, price, quantity, first, last, time_us, is_maker = row
    time = time_us if microseconds else time_us // 1000
    maker = "true" if is_maker else "false"

    if futures:
        p, q = e8_text(price), e8_text(quantity)
        return (
            f'{{"e":"aggTrade","E":{time},"a":{number},"s":"{symbol}","p":"{p}","q":"{q}","nq":"{q}",'
            f'"f":{first},"l":{last},"T":{time},"m":{maker},"st":1}}'
        )

    return (
        f'{{"e":"aggTrade","E":{time},"s":"{symbol}","a":{number},"p":"{decimal_text(price)}",'
        f'"q":"{decimal_text(quantity)}","f":{first},"l":{last},"T":{time},"m":{maker},"M":true}}'
    )


def combined_text(stream: str, event: str) -> str:
    """A raw event in the wrapping of a combined stream."""
    return f'{{"stream":"{stream}","data":{event}}}'


def shutdown_text(time_ms: int, *, combined: bool) -> str:
    """The announcement that the server is about to go; times are milliseconds."""
    event = f'{{"e":"serverShutdown","E":{time_ms}}}'
    return combined_text("!serverShutdown", event) if combined else event


def row_text(row: AggTrade, *, microseconds: bool, futures: bool) -> str:
    """One row of a REST answer."""
    number, price, quantity, first, last, time_us, is_maker = row
    time = time_us if microseconds else time_us // 1000
    maker = "true" if is_maker else "false"
    p, q, best = decimal_text(price), decimal_text(quantity), ',"M":true'

    if futures:
        # They leave out trailing zeros.
        p, q, best = e8_text(price), e8_text(quantity), ""

    return f'{{"a":{number},"p":"{p}","q":"{q}","f":{first},"l":{last},"T":{time},"m":{maker}{best}}}'


def rows_text(rows: Sequence[AggTrade], *, microseconds: bool, futures: bool) -> str:
    """A whole REST answer."""
    return "[" + ",".join(row_text(row, microseconds=microseconds, futures=futures) for row in rows) + "]"


def reply_text(result: object, request_id: object) -> str:
    """Answer to a request over the socket."""
    return json.dumps({"result": result, "id": request_id}, separators=(",", ":"))


def error_text(code: int, message: str, request_id: object = None) -> str:
    """Refusal of a request over the socket."""
    error: dict[str, object] = {"code": code, "msg": message}

    if request_id is not None:
        error["id"] = request_id

    return json.dumps(error, separators=(",", ":"))
