"""Recognise gRPC on the HTTP port: answer an exporter that speaks HTTP/2 with the words that help.

An OTLP exporter's default protocol in several languages is gRPC. Its connection begins with HTTP/2's preface
(RFC 9113, section 3.4), which HTTP/1.1 cannot answer. A GOAWAY frame carries a text that gRPC clients print.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

PREFACE = b"PRI * HTTP/2.0\r\n"

HINT = (
    b"this port speaks OTLP over HTTP: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf,"
    b" or run stretto up --otlp-ports with stretto[grpc] and send to port 4317"
)

_SETTINGS, _GOAWAY = 0x4, 0x7
_HTTP_1_1_REQUIRED = 0xD
"""Error code (RFC 9113, section 7)."""


def make_answer() -> bytes:
    """Return an empty SETTINGS frame and a GOAWAY frame with the hint as its debug data."""
    payload = bytes(4) + _HTTP_1_1_REQUIRED.to_bytes(4, "big") + HINT
    return _make_frame(_SETTINGS, b"") + _make_frame(_GOAWAY, payload)


def _make_frame(kind: int, payload: bytes) -> bytes:
    """Return a frame of stream 0 without flags: length (3 bytes), type, flags, stream (4 bytes), payload."""
    return len(payload).to_bytes(3, "big") + bytes((kind, 0)) + bytes(4) + payload


def watch_protocol(on_grpc: Callable[[], None]) -> type[asyncio.Protocol]:
    """Return uvicorn's HTTP protocol, which first looks for the preface and calls ``on_grpc`` if it comes."""

    class _WatchingProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # chosen at import
        _is_first = True

        def data_received(self, data: bytes) -> None:
            if self._is_first:
                self._is_first = False
                if data.startswith(PREFACE):
                    on_grpc()
                    transport: Any = self.transport
                    transport.write(make_answer())
                    transport.close()
                    return
            super().data_received(data)

    return _WatchingProtocol
