"""Receive shipped sessions: decode a request, check each document, and store those that are fine."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

import msgspec

from stretto.clock import MINUTE
from stretto.errors import StrettoError
from stretto.fleet.hub_exchange import MOST_DOCUMENTS, RefusedSession, ShipAnswer
from stretto.fleet.session_document import MOST_BYTES, SessionDocument, decode_session_document
from stretto.hub.access_tokens import AccessToken
from stretto.hub.document_checks import find_document_fault
from stretto.hub.engine import Engine, ReceivedSession

MOST_BYTES_AT_ONCE = 64 * 1024 * 1024
"""Most bytes of decompressed requests in memory at once. Whoever comes beyond it is asked to come again."""

NOTABLE_SKEW = 5 * MINUTE
"""A document from so far (ns) ahead is counted: its sums are in slots of a time that has not come."""

_OTHERS = "the hub has the session for another team or owner: it keeps what the earlier token shipped"


class BusyError(StrettoError):
    """So many requests are being stored that this one has to come again later."""


class MalformedRequestError(StrettoError):
    """The body of a request is not what its headers say, or too large."""


@dataclass
class ReceiveCounts:
    """What a hub has received since its start."""

    stored: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By the reason's words before the first colon."""
    skewed: int = 0
    """Documents of machines whose clock is ahead."""


class SessionReceiver:
    """Stores the sessions of requests in an engine. Several threads may call it at once."""

    def __init__(self, engine: Engine, most_bytes: int = MOST_BYTES_AT_ONCE) -> None:
        self._engine = engine
        self._most_bytes = most_bytes
        self._lock = Lock()
        self._bytes = 0
        self.counts = ReceiveCounts()

    def receive_request(self, body: bytes, encoding: str, token: AccessToken, now: int) -> ShipAnswer:
        """Store the documents of a request as its sender's; return which are stored and which are refused.

        Team, tenant and owner are the token's, whatever a document says. Raises BusyError or EngineError if
        the request is to come again, MalformedRequestError if not.
        """
        text = _decompress(body, encoding)
        with self._lock:
            if self._bytes and self._bytes + len(text) > self._most_bytes:
                raise BusyError("the hub is storing other requests", hint="send it again later")
            self._bytes += len(text)
        try:
            return self._store(_split_lines(text), token, now)
        finally:
            with self._lock:
                self._bytes -= len(text)

    def _store(self, lines: Sequence[bytes], token: AccessToken, now: int) -> ShipAnswer:
        sessions: list[ReceivedSession] = []
        refused: list[RefusedSession] = []
        for line in lines:
            document, fault = _read_document(line, now)
            if document is None or fault is not None:
                refused.append(RefusedSession("" if document is None else document.session, fault or ""))
                continue
            if document.last > now + NOTABLE_SKEW:
                self.counts.skewed += 1
            sessions.append(
                ReceivedSession(
                    tenant=token.tenant, team=token.team, owner=token.owner, received=now, document=document
                )
            )
        others = self._engine.write_sessions(sessions) if sessions else []
        refused += [RefusedSession(each.document.session, _OTHERS) for each in others]
        keys = {(each.document.instance, each.document.session) for each in others}
        stored = tuple(
            each.document.session
            for each in sessions
            if (each.document.instance, each.document.session) not in keys
        )
        self.counts.stored += len(stored)
        self.counts.refused.update(each.why.partition(":")[0] for each in refused)
        return ShipAnswer(stored, tuple(refused))


def _decompress(body: bytes, encoding: str) -> bytes:
    """Return the body as it was before compression, at most so many bytes that all documents can be."""
    most = MOST_DOCUMENTS * (MOST_BYTES + 1)
    if encoding in {"", "identity"}:
        text = body
    elif encoding == "gzip":
        try:
            decompressor = zlib.decompressobj(wbits=31)
            text = decompressor.decompress(body, most + 1)
        except zlib.error as error:
            raise MalformedRequestError("the body is not compressed by gzip", cause=str(error)) from error
        if len(text) <= most and not decompressor.eof:
            raise MalformedRequestError("the compressed body is cut short")
    else:
        raise MalformedRequestError("compress the body by gzip or not at all")
    if len(text) > most:
        raise MalformedRequestError(f"the body has more than {most} bytes")
    return text


def _split_lines(text: bytes) -> list[bytes]:
    lines = [line for line in text.split(b"\n") if line.strip()]
    if len(lines) > MOST_DOCUMENTS:
        raise MalformedRequestError(f"the request has {len(lines)} documents, more than {MOST_DOCUMENTS}")
    return lines


def _read_document(line: bytes, now: int) -> tuple[SessionDocument | None, str | None]:
    try:
        document = decode_session_document(line)
    except (msgspec.DecodeError, RecursionError) as error:
        return None, f"not a document: {error}"
    return document, find_document_fault(document, len(line), now)
