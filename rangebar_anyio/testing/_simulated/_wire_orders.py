"""What the exchange tells the relay to do with one connection, and at which of its frames.

Everything here needs bytes or sockets, which an ASGI server does not hand out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto, unique

__all__ = ("Action", "CloseOrder", "WireOrder", "close_frame", "garbage_frame", "garbage_texts", "ping_frame")


@unique
class Action(Enum):
    """What to do."""

    DROP = auto()  # end the stream, no close frame
    RESET = auto()  # reset the connection
    SILENCE = auto()  # pass nothing more in either direction, and stay open
    WRITE = auto()  # write `data` to the client
    CUT = auto()  # pass the first `amount` bytes of the next frame, then reset (-1: half of it)
    FRAGMENT = auto()  # split the next `amount` frames into fragments, pings between them
    DRIBBLE = auto()  # write the next `amount` frames a few bytes at a time


@dataclass(frozen=True, slots=True)
class WireOrder:
    """An order for the relay, in force where it stands between the messages of its connection."""

    action: Action
    amount: int = 0
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class CloseOrder:
    """Close the WebSocket properly, with this code."""

    code: int = 1000
    reason: str = ""


def ping_frame(payload: bytes) -> bytes:
    """A ping as a server sends it."""
    return bytes((0x89, len(payload))) + payload


def close_frame(code: int) -> bytes:
    """A close frame as a server sends it."""
    return b"\x88\x02" + code.to_bytes(2, "big")


_EVENT = b'{"e":"aggTrade","E":1,"s":"NOSUCH","a":1,"p":"1","q":"1","f":1,"l":1,"T":1,"m":true,"M":true}'
_GARBAGE_FRAMES = (
    b"\xc1\x05hello",  # a reserved bit that nobody agreed on
    b"\x83\x00",  # an opcode that does not exist
    b"\x81\x85\x00\x00\x00\x00hello",  # masked, with a mask of zeros
    b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff",  # a length with its highest bit set
    b"\x80\x05hello",  # a continuation of nothing
    b"\x09\x00",  # a ping in fragments
)


def garbage_frame(sort: int) -> bytes:
    """Bytes that are no legal frame from a server; there are six sorts."""
    return _GARBAGE_FRAMES[sort % len(_GARBAGE_FRAMES)]


def garbage_texts(symbol: str) -> tuple[str, ...]:
    """Legal text messages that bring no trade: no JSON, other JSON, other events, events that make no sense."""
    return (
        "",
        "hello",
        "{",
        "[]",
        "null",
        '{"e":"aggTrade"}',
        _EVENT.decode().replace('"p":"1"', '"p":"abc"').replace("NOSUCH", symbol),
        _EVENT.decode().replace('"a":1', '"a":-5').replace("NOSUCH", symbol),
        _EVENT.decode().replace('"q":"1"', '"q":"1e400"').replace("NOSUCH", symbol),
        _EVENT.decode().replace('"a":1', '"a":99999999999999999999999').replace("NOSUCH", symbol),
        _EVENT.decode(),
        f'{{"e":"trade","E":1,"s":"{symbol}","t":1,"p":"1","q":"1","T":1,"m":true,"M":true}}',
        f'{{"e":"24hrTicker","E":1,"s":"{symbol}","x":{{"a":[1,2,{{"e":"aggTrade"}}]}}}}',
        "[" * 200 + "]" * 200,
        '{"stream":"none","data":null}',
        '{"result":null,"id":4711}',
    )
