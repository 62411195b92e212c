"""The relay's frames against wsproto's: found at any cut of the bytes, and taken apart so that the messages stay."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, Message, Ping, Pong, TextMessage

from rangebar_anyio.testing._simulated._frames import FrameReader, fragments, pieces
from rangebar_anyio.testing._simulated._wire_orders import garbage_frame, ping_frame

SENT = st.lists(
    st.one_of(
        st.text(max_size=300).map(lambda text: TextMessage(data=text)),
        st.sampled_from([b"", b"x" * 125, b"y" * 126, b"z" * 70_000]).map(lambda data: BytesMessage(data=data)),
        st.binary(max_size=125).map(lambda data: Ping(payload=data)),
        st.binary(max_size=125).map(lambda data: Pong(payload=data)),
    ),
    max_size=6,
)


def payload(event: object) -> bytes:
    if isinstance(event, TextMessage):
        return event.data.encode()

    assert isinstance(event, BytesMessage | Ping | Pong)
    return bytes(event.data if isinstance(event, BytesMessage) else event.payload)


@given(sent=SENT, side=st.sampled_from(list(ConnectionType)), size=st.integers(1, 1000))
def test_frames_of_either_side_are_found_at_any_cut(
    sent: list[TextMessage | BytesMessage | Ping | Pong], side: ConnectionType, size: int
) -> None:
    connection = Connection(side)
    stream = b"".join(connection.send(event) for event in sent)
    reader = FrameReader()
    found = [frame for at in range(0, len(stream), size) for frame in reader.feed(stream[at : at + size])]

    assert [frame.payload for frame in found] == [payload(event) for event in sent]
    assert [frame.is_data for frame in found] == [isinstance(event, Message) for event in sent]
    assert b"".join(frame.raw for frame in found) == stream


@given(text=st.text(max_size=400), parts=st.integers(1, 9))
def test_fragments_make_the_same_message_with_pings_between(text: str, parts: int) -> None:
    [frame] = FrameReader().feed(Connection(ConnectionType.SERVER).send(TextMessage(data=text)))
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(fragments(frame, parts))
    events = list(client.events())
    messages = [event for event in events if isinstance(event, TextMessage)]

    assert "".join(message.data for message in messages) == text
    assert [message.message_finished for message in messages].count(True) == 1
    assert all(event.payload == b"between" for event in events if isinstance(event, Ping))
    assert len(text.encode()) < 2 or parts < 2 or any(isinstance(event, Ping) for event in events)


@given(data=st.binary(max_size=100), seed=st.integers(0, 50))
def test_pieces_lose_nothing(data: bytes, seed: int) -> None:
    cut = pieces(data, seed)

    assert b"".join(cut) == data
    assert all(1 <= len(piece) <= 7 for piece in cut)


def test_a_ping_is_one_to_wsproto_too() -> None:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(ping_frame(b"1234"))

    assert [event.payload for event in client.events() if isinstance(event, Ping)] == [b"1234"]


def test_there_are_six_sorts_of_garbage() -> None:
    assert len({garbage_frame(sort) for sort in range(12)}) == 6
