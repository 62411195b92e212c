"""What the simulated exchange counts, so that tests can judge a client's manners."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ("Counters",)


@dataclass(slots=True)
class Counters:
    """Running totals since the exchange opened; each is only ever added to, except ``open_connections``.

    Attributes:
        tcp_connections: connections accepted at either port.
        connection_attempts: WebSocket handshakes asked for.
        connections: handshakes granted.
        handshakes_refused: handshakes answered with an HTTP error, by status.
        open_connections: WebSocket connections open now.
        most_open_connections: the highest value of the line above.
        subscribe_requests: SUBSCRIBE messages taken.
        messages_received: frames received from clients.
        most_messages_in_a_second: the most frames any one client sent in one second.
        pings_sent: pings sent to clients.
        pongs_matched: pongs that carried the payload of an open ping.
        pongs_unasked: all other pongs.
        pong_timeouts: clients disconnected for want of a pong.
        message_limit_disconnects: clients disconnected for too many messages.
        stream_limit_refusals: requests for more streams than a connection may carry.
        slow_client_disconnects: clients disconnected because they did not read.
        lifetime_disconnects: connections closed for their age.
        requests: REST requests.
        answers: REST answers by status.
        weight_used: request weight counted, whatever the answer.
        trades_played: trades of the tape that went live.
        events_sent: aggTrade events handed to connections.
        events_withheld: events that a fault kept from a connection.
        faults: faults that came into force, by kind.
    """

    tcp_connections: int = 0
    connection_attempts: int = 0
    connections: int = 0
    handshakes_refused: Counter[int] = field(default_factory=Counter)
    open_connections: int = 0
    most_open_connections: int = 0
    subscribe_requests: int = 0
    messages_received: int = 0
    most_messages_in_a_second: int = 0
    pings_sent: int = 0
    pongs_matched: int = 0
    pongs_unasked: int = 0
    pong_timeouts: int = 0
    message_limit_disconnects: int = 0
    stream_limit_refusals: int = 0
    slow_client_disconnects: int = 0
    lifetime_disconnects: int = 0
    requests: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    weight_used: int = 0
    trades_played: int = 0
    events_sent: int = 0
    events_withheld: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def limit_violations(self) -> int:
        """How often a client went over a limit of the exchange; 0 for a client with manners."""
        return (
            self.message_limit_disconnects
            + self.stream_limit_refusals
            + self.pong_timeouts
            + self.handshakes_refused[429]
            + self.answers[429]
            + self.answers[418]
        )
