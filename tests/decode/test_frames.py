"""The frame decoder against wsproto as a client: the same messages and the same refusals after every read."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wsproto import frame_protocol
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from rangebar_anyio import _native

ffi = _native.ffi
lib: Any = _native.lib

HALF_SURROGATE = re.compile(rb"\xed[\xa0-\xbf]")


class StrictDecoder(codecs.getincrementaldecoder("utf-8")):  # type: ignore[misc]
    """Python's decoder waits for the third byte of an encoded surrogate, though the second one settles it."""

    def decode(self, data: Any, final: bool = False) -> str:
        text: str = super().decode(data, final)
        pending, _ = self.getstate()

        if HALF_SURROGATE.match(pending):
            raise UnicodeDecodeError("utf-8", pending, 0, 1, "surrogate")

        return text


@pytest.fixture(scope="module", autouse=True)
def strict_text() -> Iterator[None]:
    """Let wsproto refuse a surrogate at the byte that ours does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_protocol, "getincrementaldecoder", lambda _name: StrictDecoder)
        yield


MAX_MESSAGE = 1 << 20
Seen: TypeAlias = tuple[str, int, bytes]


def ours(reads: list[bytes], max_message: int = 2**63) -> list[list[Seen]]:
    """Return what our decoder sees in each read; without a limit, since wsproto has none."""
    out = ffi.new("RbFrameDecoder **")
    assert lib.rb_frame_decoder_new(max_message, out) == lib.RB_OK
    decoder = ffi.gc(out[0], lib.rb_frame_decoder_free)
    return [list(_our_read(decoder, read)) for read in reads]


def _our_read(decoder: Any, read: bytes) -> Iterator[Seen]:
    names = {
        lib.RB_FRAME_TEXT: "text",
        lib.RB_FRAME_BINARY: "binary",
        lib.RB_FRAME_PING: "ping",
        lib.RB_FRAME_PONG: "pong",
        lib.RB_FRAME_CLOSE: "close",
        lib.RB_FRAME_ERROR: "error",
    }
    message = ffi.new("RbMessage *")
    assert lib.rb_frame_decoder_receive(decoder, read, len(read)) == lib.RB_OK

    while (status := lib.rb_frame_decoder_next(decoder, message)) == lib.RB_OK:
        name = names[message.kind]
        payload = b"" if name == "error" else bytes(ffi.buffer(message.payload, message.payload_len))
        yield name, message.code, payload

    assert status == lib.RB_NONE


def wsprotos(reads: list[bytes]) -> list[list[Seen]]:
    """Return what wsproto sees in each read, with the fragments of a message put together."""
    connection = Connection(ConnectionType.CLIENT)
    parts: list[bytes] = []
    return [list(_wsproto_read(connection, read, parts)) for read in reads]


def _wsproto_read(connection: Connection, read: bytes, parts: list[bytes]) -> Iterator[Seen]:
    connection.receive_data(read)

    for event in connection.events():
        if isinstance(event, TextMessage | BytesMessage):
            parts.append(event.data.encode() if isinstance(event, TextMessage) else bytes(event.data))

            if event.message_finished:
                yield "text" if isinstance(event, TextMessage) else "binary", 0, b"".join(parts)
                parts.clear()
        elif isinstance(event, Ping | Pong):
            yield "ping" if isinstance(event, Ping) else "pong", 0, bytes(event.payload)
        elif isinstance(event, CloseConnection):
            # A close of the peer changes the state, a refusal does not.
            is_close = connection.state is ConnectionState.REMOTE_CLOSING
            reason = (event.reason or "").encode() if is_close else b""
            yield "close" if is_close else "error", int(event.code), reason


def frame(first: int, payload: bytes, *, length_form: int = 0) -> bytes:
    """Write a server's frame; ``length_form`` 2 or 8 takes that many bytes for its length, needed or not."""
    size = len(payload)

    if length_form == 8 or size > 0xFFFF:
        return bytes((first, 127)) + size.to_bytes(8, "big") + payload

    if length_form == 2 or size > 125:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload

    return bytes((first, size)) + payload


PAYLOADS = st.one_of(
    st.binary(max_size=8),
    st.text(max_size=40).map(str.encode),
    st.integers(1000, 5000).map(lambda code: code.to_bytes(2, "big") + b"bye"),
    st.sampled_from([b"x" * size for size in (124, 125, 126, 127, 65_535, 65_536)]),
    st.sampled_from([b"\xe2", b"\x82\xac", b"\xed\xa0", b"\xf4\x90", b"\xf0\x9f\xa6\x80", b"\xc0", b"\xff"]),
)
SOUND_FIRST = st.sampled_from([0x81, 0x81, 0x82, 0x01, 0x02, 0x00, 0x00, 0x80, 0x80, 0x89, 0x8A])
ANY_FIRST = st.one_of(SOUND_FIRST, SOUND_FIRST, SOUND_FIRST, st.just(0x88), st.integers(0, 255))
FRAMES = st.builds(frame, ANY_FIRST, PAYLOADS)
ODD_FRAMES = st.builds(frame, ANY_FIRST, PAYLOADS, length_form=st.sampled_from([2, 8]))


@st.composite
def sequences(draw: st.DrawFn) -> list[bytes]:
    """Draw the reads of one connection: frames, perhaps damaged, cut anywhere."""
    parts = draw(st.lists(st.one_of(FRAMES, FRAMES, FRAMES, ODD_FRAMES, st.binary(max_size=4)), max_size=8))
    data = bytearray(b"".join(parts))

    for at, bit in draw(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 7)), max_size=2)):
        if at < len(data):
            data[at] ^= 1 << bit

    return _cut(bytes(data), sorted(draw(st.lists(st.integers(0, len(data)), max_size=12))))


def _cut(data: bytes, cuts: list[int]) -> list[bytes]:
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@settings(max_examples=1000)
@given(reads=sequences())
@example(reads=[b"\x01\x01\xe2", b"\x89\x00", b"\x80\x02\x82\xac"])
@example(reads=[b"\x01\x02\xed\xa0"])
@example(reads=[b"\x88\x02\x03\xf6"])
def test_reads_give_what_wsproto_gives(reads: list[bytes]) -> None:
    assert ours(reads) == wsprotos(reads)


@given(reads=sequences())
def test_one_byte_at_a_time_gives_what_wsproto_gives(reads: list[bytes]) -> None:
    data = b"".join(reads)[:600]
    single = [data[at : at + 1] for at in range(len(data))]
    assert ours(single) == wsprotos(single)


def test_every_first_two_bytes() -> None:
    for first in range(256):
        for second in range(256):
            reads = [bytes((first, second)), b"\0" * 10]
            assert ours(reads) == wsprotos(reads), (first, second)


@pytest.mark.parametrize("code", [*range(990, 1020), 2999, 3000, 4999, 5000, 65535])
def test_close_codes(code: int) -> None:
    reads = [frame(0x88, code.to_bytes(2, "big") + "grüß".encode())]
    assert ours(reads) == wsprotos(reads)


def test_a_message_beyond_the_limit_is_refused_at_its_header() -> None:
    header = frame(0x82, b"")[:1] + bytes((127,)) + (MAX_MESSAGE + 1).to_bytes(8, "big")
    assert ours([header, b"more"], MAX_MESSAGE) == [[("error", 1009, b"")], []]
    assert ours([frame(0x82, b"x" * MAX_MESSAGE)], MAX_MESSAGE) == [[("binary", 0, b"x" * MAX_MESSAGE)]]


def test_null_handles_and_outputs_are_refused() -> None:
    message = ffi.new("RbMessage *")
    assert lib.rb_frame_decoder_new(1, ffi.NULL) == lib.RB_ERR_NULL
    assert lib.rb_frame_decoder_receive(ffi.NULL, b"", 0) == lib.RB_ERR_NULL
    assert lib.rb_frame_decoder_next(ffi.NULL, message) == lib.RB_ERR_NULL
    lib.rb_frame_decoder_free(ffi.NULL)
    out = ffi.new("RbFrameDecoder **")
    assert lib.rb_frame_decoder_new(1, out) == lib.RB_OK
    decoder = ffi.gc(out[0], lib.rb_frame_decoder_free)
    assert lib.rb_frame_decoder_receive(decoder, ffi.NULL, 1) == lib.RB_ERR_NULL
    assert lib.rb_frame_decoder_receive(decoder, ffi.NULL, 0) == lib.RB_OK
    assert lib.rb_frame_decoder_next(decoder, ffi.NULL) == lib.RB_ERR_NULL
    assert lib.rb_frame_decoder_next(decoder, message) == lib.RB_NONE
