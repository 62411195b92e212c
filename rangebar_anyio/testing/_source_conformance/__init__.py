"""A check that any source of trades can be held against: one small function per clause of its contract."""

from __future__ import annotations

import anyio

from . import _answers, _facts, _requests, _rest, _sockets, _texts, _whole
from ._subject import Clause, Maker, Subject, VenueName, broken, require

__all__ = ("check_trade_source",)

#: The longest that a clause takes on a slow machine, several times over; all that is waited for inside is shorter.
_PATIENCE_S = 120.0
_CLAUSES = (
    *_facts.CLAUSES,
    *_texts.CLAUSES,
    *_answers.CLAUSES,
    *_sockets.CLAUSES,
    *_rest.CLAUSES,
    *_requests.CLAUSES,
    *_whole.CLAUSES,
)


async def check_trade_source(maker: Maker, *, venue: VenueName = "spot") -> None:
    """Hold a source of `open_stream` against its contract.

    `maker(ws_url, rest_url)` gives a source that is pointed at a server on this machine, each time it is called.
    Checked are the facts of its market, the texts of its requests and the meaning of answers; its sockets and requests
    against a simulated exchange and against servers that refuse, break off, keep silent or send too much; and the bars
    of a stream through a connection that is cut. Raises `AssertionError` naming the clause that does not hold. It opens
    real sockets and takes some seconds; run it on every event loop that the source is for.

    The stream decodes what Binance's sockets send. So this is a check for `BinanceSpot` and its kind, for what is
    derived from them or wraps them, say with a transport of its own, and for servers that behave as Binance does; the
    interfaces of other venues are not public yet.

    Args:
        maker: see above.
        venue: the market that the exchange behind it plays, as for `SimulatedExchange`.

    Raises:
        AssertionError: a clause does not hold.
        ImportError: hypercorn is missing (install `rangebar-anyio[simulate]`).

    Example::

        @pytest.mark.anyio
        async def test_contract():
            await check_trade_source(lambda ws_url, rest_url: ThroughOurProxy(BinanceSpot(ws_url, rest_url)))
    """
    subject = Subject(maker, venue)
    for clause in _CLAUSES:
        await _hold_against(subject, clause)


async def _hold_against(subject: Subject, clause: Clause) -> None:
    asked = (clause.__doc__ or "").rstrip(".")
    with anyio.move_on_after(_PATIENCE_S) as scope:
        try:
            await clause(subject)
        except AssertionError:
            raise
        except Exception as error:  # noqa: BLE001 - a source may raise what it likes, and must not
            broken(f"{asked}; there it raises", error)

    require(not scope.cancelled_caught, f"{asked}; there it hangs")
