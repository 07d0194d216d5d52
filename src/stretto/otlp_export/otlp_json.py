"""Write spans as OTLP/JSON, the body of a request to ``/v1/traces``."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan

_IDS = ("traceId", "spanId", "parentSpanId")


def build_otlp_document(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """Return the spans as a request in OTLP/JSON.

    OTLP differs from Protobuf's JSON in two ways: ids are hexadecimal, and enums are numbers.
    """
    document: dict[str, Any] = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
    for resource in document.get("resourceSpans", ()):
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                span.update({name: b64decode(span[name]).hex() for name in _IDS if name in span})
    return document
