"""Decode the body of an OTLP/HTTP request into plain records, within limits.

Format: github.com/open-telemetry/opentelemetry-proto, docs/specification.md, "OTLP/HTTP". Memory is bounded
for every body: by the decompressed size, and by the number of parts, since objects can take a hundred times
the bytes they are decoded from.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import StrEnum

from stretto.sources.otlp.decode_json_body import decode_json
from stretto.sources.otlp.decode_protobuf_body import decode_protobuf
from stretto.sources.otlp.plain_records import DecodedRequest, MalformedBodyError, TooManyItemsError

MIB = 1024 * 1024

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


class Signal(StrEnum):
    """The kind of telemetry in a request; the last part of its path."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a request. SDKs send 512 spans at once: as JSON about 0.7 MiB, without content."""

    body_bytes: int = 16 * MIB
    """Size of the body as received."""
    decompressed_bytes: int = 32 * MIB
    """Size of the decompressed body."""
    items: int = 100_000
    """Spans, log records or metrics."""
    item_bytes: int = 2 * MIB
    """Size of a span or log record; a larger item is rejected, the others are kept."""
    json_commas: int = 1_500_000
    """Commas in a JSON body, which bound the number of its values."""


class RefusedError(Exception):
    """The whole request is refused, with an HTTP status and a message for the client's operator."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def require_media_type(content_type: str) -> str:
    """Return the media type in a Content-Type: protobuf or JSON. Raises RefusedError (415) for others."""
    media = content_type.partition(";")[0].strip().lower()
    if media not in (PROTOBUF, JSON):
        raise RefusedError(415, f"send {PROTOBUF} or {JSON}")
    return media


def decode_request(
    signal: Signal,
    body: bytes,
    *,
    content_type: str,
    content_encoding: str,
    limits: Limits,
    wanted: frozenset[str],
) -> DecodedRequest:
    """Return the records of a request, with only the ``wanted`` attributes.

    Raises RefusedError: 400 for a body that does not fit its content type, 413 beyond the limits, 415 for an
    unsupported type or compression.
    """
    media = require_media_type(content_type)
    if len(body) > limits.body_bytes:
        raise RefusedError(413, f"the body is larger than {limits.body_bytes} bytes")
    plain = _decompress_body(body, content_encoding, limits.decompressed_bytes)
    try:
        if media == JSON:
            return _decode_bounded_json(signal, plain, limits, wanted)
        return decode_protobuf(signal, plain, wanted, items=limits.items, item_bytes=limits.item_bytes)
    except TooManyItemsError as error:
        raise RefusedError(413, f"the request has more than {limits.items} parts") from error
    except MalformedBodyError as error:
        raise RefusedError(400, f"the body is not an OTLP export request in {media}: {error}") from error
    except RecursionError as error:
        raise RefusedError(400, "the body is nested too deeply") from error


def _decode_bounded_json(
    signal: Signal, plain: bytes, limits: Limits, wanted: frozenset[str]
) -> DecodedRequest:
    # Every value except the first of a container follows a comma, so commas bound the objects that are made.
    # Example: [1,2,{"a":3}] has two commas, two containers and four values.
    if plain.count(b",") > limits.json_commas:
        raise RefusedError(413, f"the request has more than {limits.json_commas} values")
    return decode_json(signal, plain, wanted, items=limits.items, item_bytes=limits.item_bytes)


def _decompress_body(body: bytes, encoding: str, limit: int) -> bytes:
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        if len(body) > limit:
            raise RefusedError(413, f"the body is larger than {limit} bytes")
        return body
    if encoding != "gzip":
        raise RefusedError(415, "compress with gzip or not at all")
    return _decompress_gzip(body, limit)


def _decompress_gzip(body: bytes, limit: int) -> bytes:
    """Return the content of a gzip file with a single member (RFC 1952), up to the limit.

    Further members are refused: no exporter writes them, and a body could hold a million empty members.
    """
    decompressor = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = decompressor.decompress(body, limit + 1)
    except zlib.error as error:
        raise RefusedError(400, "the body is not gzip data") from error
    if len(plain) > limit:
        raise RefusedError(413, f"the body decompresses to more than {limit} bytes")
    if not decompressor.eof:
        raise RefusedError(400, "the gzip data is cut short")
    if decompressor.unused_data:
        raise RefusedError(400, "there is more data after the gzip data")
    return plain
