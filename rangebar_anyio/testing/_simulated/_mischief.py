"""What a fault does to the connections at the moment it comes into force.

Faults that last and are looked up when they are needed (REST, handshakes) do nothing here.
"""

from __future__ import annotations

from ._connection import Connection
from ._faults import Fault, FaultKind
from ._wire_orders import Action, CloseOrder, WireOrder, garbage_frame, garbage_texts

__all__ = ("ENDINGS", "disturb", "end_connection")

_GOING_AWAY = 1001

ENDINGS = frozenset(
    {FaultKind.DROP, FaultKind.RESET, FaultKind.CLOSE, FaultKind.CUT_FRAME, FaultKind.SILENCE, FaultKind.CUT_ALL}
)


def end_connection(fault: Fault, connection: Connection) -> None:
    """End a connection, or what goes for one."""
    match fault.kind:
        case FaultKind.DROP:
            connection.end(WireOrder(Action.DROP))
        case FaultKind.CLOSE:
            connection.end(CloseOrder(fault.number(_GOING_AWAY)))
        case FaultKind.SILENCE:
            connection.outbox.append(WireOrder(Action.SILENCE))
            connection.deaf = True
        case FaultKind.CUT_FRAME:
            # The event that follows still goes out, as far as the cut lets it.
            connection.outbox.append(WireOrder(Action.CUT, fault.number(-1)))
            connection.deaf = True
        case _:
            connection.end(WireOrder(Action.RESET))


def disturb(fault: Fault, connection: Connection, symbol: str) -> None:
    """Make a connection bring less, more or other things than it should.

    Args:
        fault: what happens.
        connection: to whom.
        symbol: whose name nonsense may bear.
    """
    match fault.kind:
        case FaultKind.LOSE:
            connection.to_lose += fault.number(1)
        case FaultKind.DUPLICATE:
            connection.to_duplicate = fault.number(0)
        case FaultKind.REORDER:
            connection.to_hold = fault.number(1)
        case FaultKind.DAMAGED_EVENT:
            connection.to_replace = True
        case FaultKind.GARBAGE_JSON:
            texts = garbage_texts(symbol)
            connection.outbox.extend(texts[: fault.number(len(texts))])
        case FaultKind.GARBAGE_FRAME:
            connection.outbox.append(WireOrder(Action.WRITE, data=garbage_frame(fault.number(0))))
        case FaultKind.FRAGMENT:
            connection.outbox.append(WireOrder(Action.FRAGMENT, fault.number(20)))
        case FaultKind.DRIBBLE:
            connection.outbox.append(WireOrder(Action.DRIBBLE, fault.number(20)))
        case _:
            pass
