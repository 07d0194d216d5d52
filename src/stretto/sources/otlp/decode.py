"""Decode: the bytes of one OTLP/HTTP request → plain records, within bounds.

Format: github.com/open-telemetry/opentelemetry-proto, docs/specification.md, "OTLP/HTTP". Memory stays
bounded whatever is sent: what a body inflates to is limited, and so is what its parts take once they are
objects, which can be a hundred times their bytes.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import StrEnum

from stretto.sources.otlp import proto_json, protobuf
from stretto.sources.otlp.plain_records import DecodedRequest, MalformedError, TooManyError

MIB = 1024 * 1024

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


class Signal(StrEnum):
    """What a request carries; the last part of its path."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Limits:
    """Most that one request may hold. SDKs send 512 spans at once, as JSON about 0.7 MiB without content."""

    received: int = 16 * MIB
    """Bytes of the body as it came."""
    inflated: int = 32 * MIB
    """Bytes of the body once decompressed."""
    items: int = 100_000
    """Spans, log records or metrics."""
    item: int = 2 * MIB
    """Bytes of one of them; a larger one is rejected, its neighbours are kept."""
    elements: int = 1_500_000
    """Commas in a JSON body: at most that many values more than containers come of it."""


class RefusedError(Exception):
    """The whole request is refused, with a status of HTTP and a message for whoever runs the client."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def parse_media_type(content_type: str) -> str:
    """Return which of the two encodings a Content-Type names. Raises RefusedError (415) for any other."""
    named = content_type.partition(";")[0].strip().lower()
    if named not in (PROTOBUF, JSON):
        raise RefusedError(415, f"send {PROTOBUF} or {JSON}")
    return named


def decode_request(
    signal: Signal,
    body: bytes,
    *,
    content_type: str,
    content_encoding: str,
    limits: Limits,
    wanted: frozenset[str],
) -> DecodedRequest:
    """Return the records of a request, with the attributes that are ``wanted``.

    Raises RefusedError: 400 for a body that is not what it says, 413 for one beyond the limits, 415 for a
    type or a compression that is not taken.
    """
    media = parse_media_type(content_type)
    if len(body) > limits.received:
        raise RefusedError(413, f"the body is larger than {limits.received} bytes")
    plain = _decompress_body(body, content_encoding, limits.inflated)
    try:
        if media == JSON:
            return _decode_json(signal, plain, limits, wanted)
        return protobuf.decode_request(signal, plain, wanted, items=limits.items, item=limits.item)
    except TooManyError as error:
        raise RefusedError(413, f"the request has more than {limits.items} parts") from error
    except MalformedError as error:
        raise RefusedError(400, f"the body is no export request in {media}: {error}") from error
    except RecursionError as error:
        raise RefusedError(400, "the body is nested too deeply") from error


def _decode_json(signal: Signal, plain: bytes, limits: Limits, wanted: frozenset[str]) -> DecodedRequest:
    # A comma stands before every value but a container's first, so their number bounds the objects made.
    if plain.count(b",") > limits.elements:
        raise RefusedError(413, f"the request has more than {limits.elements} values")
    return proto_json.decode_request(signal, plain, wanted, items=limits.items, item=limits.item)


def _decompress_body(body: bytes, encoding: str, limit: int) -> bytes:
    named = encoding.strip().lower()
    if named in ("", "identity"):
        if len(body) > limit:
            raise RefusedError(413, f"the body is larger than {limit} bytes")
        return body
    if named != "gzip":
        raise RefusedError(415, "compress with gzip or not at all")
    return _decompress_gzip(body, limit)


def _decompress_gzip(body: bytes, limit: int) -> bytes:
    """Return what a gzip file of one member (RFC 1952) holds, reading no further than the limit.

    Members that follow are refused: no exporter writes them, and a body can hold a million empty ones.
    """
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise RefusedError(400, "the body is no gzip data") from error
    if len(plain) > limit:
        raise RefusedError(413, f"the body inflates to more than {limit} bytes")
    if not inflater.eof:
        raise RefusedError(400, "the gzip data is cut short")
    if inflater.unused_data:
        raise RefusedError(400, "there is something behind the gzip data")
    return plain
