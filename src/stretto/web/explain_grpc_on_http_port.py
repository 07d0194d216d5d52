"""Recognise gRPC on the HTTP port: answer an exporter that speaks HTTP/2 with the words that help.

An OTLP exporter's default protocol in several languages is gRPC. Its connection begins with HTTP/2's preface
(RFC 9113, section 3.4). Each of its calls is answered with the status UNIMPLEMENTED, which exporters print
and do not repeat. A closed connection instead would be opened again at once, hundreds of times a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from stretto.web.connection_bounds import BoundedProtocol, ConnectionBounds, WaitState

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

HINT = (
    b"this port speaks OTLP over HTTP: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf,"
    b" or run stretto up --otlp-ports with grpcio installed and send to port 4317"
)

_HEADERS, _SETTINGS, _PING = 0x1, 0x4, 0x6
_ACK, _END_STREAM, _END_HEADERS = 0x1, 0x1, 0x4
_HEAD = 9
"""Bytes before a frame's payload: length (3), type, flags, stream (4)."""
_STATUS_200 = b"\x88"
"""``:status: 200`` in HPACK's static table (RFC 7541, appendix A)."""
_LONGEST_FRAME = 1 << 14


class Http2Answers:
    """The answers to a client that speaks HTTP/2 to a server that does not."""

    def __init__(self) -> None:
        self._unread = b""

    def answer_bytes(self, data: bytes) -> bytes | None:
        """Return the answer to the next bytes; None if the client breaks the protocol."""
        self._unread += data
        answer = b""
        while len(self._unread) >= _HEAD:
            length = int.from_bytes(self._unread[:3], "big")
            if length > _LONGEST_FRAME:
                return None
            if len(self._unread) < _HEAD + length:
                break
            head, payload = self._unread[:_HEAD], self._unread[_HEAD : _HEAD + length]
            self._unread = self._unread[_HEAD + length :]
            answer += b"".join(_answer_frame(head[3], head[4], head[5:], payload))
        return answer


def _answer_frame(kind: int, flags: int, stream: bytes, payload: bytes) -> Iterator[bytes]:
    if kind == _SETTINGS and not flags & _ACK:
        yield make_frame(_SETTINGS, b"", flags=_ACK)
    elif kind == _PING and not flags & _ACK:
        yield make_frame(_PING, payload, flags=_ACK)
    elif kind == _HEADERS:
        fields = {b"content-type": b"application/grpc", b"grpc-status": b"12", b"grpc-message": HINT}
        block = _STATUS_200 + b"".join(_encode_field(name, value) for name, value in fields.items())
        yield make_frame(_HEADERS, block, flags=_END_STREAM | _END_HEADERS, stream=stream)


def _encode_field(name: bytes, value: bytes) -> bytes:
    """Return a header field as a literal without indexing (RFC 7541, section 6.2.2)."""
    return b"\x00" + _encode_text(name) + _encode_text(value)


def _encode_text(text: bytes) -> bytes:
    """Return a text after its length, an integer with a prefix of 7 bits; up to 254 bytes."""
    most = 0x7F
    length = bytes((len(text),)) if len(text) < most else bytes((most, len(text) - most))
    return length + text


def make_frame(kind: int, payload: bytes, *, flags: int = 0, stream: bytes = bytes(4)) -> bytes:
    """Return a frame of HTTP/2."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream + payload


def watch_protocol(
    on_grpc: Callable[[], None], connection_bounds: ConnectionBounds | None = None
) -> type[asyncio.Protocol]:
    """Return uvicorn's HTTP protocol, which looks for the preface first and calls ``on_grpc`` if it comes."""

    class _WatchingProtocol(BoundedProtocol):
        bounds = connection_bounds or ConnectionBounds()
        _is_first = True
        _answers: Http2Answers | None = None

        def data_received(self, data: bytes) -> None:
            transport: Any = self.transport
            if self._is_first and data.startswith(PREFACE):
                on_grpc()
                self._answers, data = Http2Answers(), data[len(PREFACE) :]
                transport.write(make_frame(_SETTINGS, b""))
            self._is_first = False
            if self._answers is None:
                super().data_received(data)
                return
            answer = self._answers.answer_bytes(data)
            if answer is None:
                transport.close()
            elif answer:
                transport.write(answer)

        def find_wait_state(self) -> WaitState:
            return super().find_wait_state() if self._answers is None else WaitState.NEXT_REQUEST

    return _WatchingProtocol
