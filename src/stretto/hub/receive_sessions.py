"""Receive shipped sessions: decode a request, check each document, and store those that are fine."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

import msgspec

from stretto.clock import MINUTE, SECOND
from stretto.errors import EngineError, StrettoError
from stretto.fleet.hub_exchange import MOST_BATCH_BYTES, MOST_DOCUMENTS, RefusedSession, ShipAnswer
from stretto.fleet.session_document import MOST_BYTES, SessionDocument, decode_and_clean_document
from stretto.hub.access_tokens import AccessToken
from stretto.hub.document_checks import DocumentFault, RefusalReason, find_document_fault
from stretto.hub.engine import Engine, ReceivedSession

MOST_TEXT_BYTES = MOST_BATCH_BYTES + MOST_BYTES + MOST_DOCUMENTS
"""Most bytes of a decompressed request: a batch, the document that made it full, and the ends of lines."""

MOST_BYTES_AT_ONCE = 4 * MOST_TEXT_BYTES
"""Most bytes of decompressed requests in memory at once. Whoever comes beyond it is asked to come again."""

_PIECE = 64 * 1024
"""Bytes that are decompressed at once, after room for them is reserved."""

LOG = logging.getLogger(__name__)

NOTABLE_SKEW = 5 * MINUTE
"""A document from so far (ns) ahead is counted: its sums are in slots of a time that has not come."""

_UNSTORABLE = DocumentFault(RefusalReason.UNSTORABLE, "the hub cannot store the session: see its log")


class BusyError(StrettoError):
    """So many requests are being stored that this one has to come again later."""


class MalformedRequestError(StrettoError):
    """The body of a request is not what its headers say, or too large."""


@dataclass
class ReceiveCounts:
    """What a hub has received since its start."""

    received: int = 0
    stored: int = 0
    refused: dict[RefusalReason, int] = field(default_factory=lambda: dict.fromkeys(RefusalReason, 0))
    skewed: int = 0
    """Documents of machines whose clock is ahead."""
    bytes: int = 0
    """Of requests, as they came."""
    lag_seconds: float = 0.0
    """From the last event of the stored sessions to their arrival, summed."""


@dataclass(frozen=True, slots=True)
class _RefusedLine:
    """A document that is refused, with the name of its session if it has one."""

    session: str
    fault: DocumentFault


class SessionReceiver:
    """Stores the sessions of requests in an engine. Several threads may call it at once."""

    def __init__(self, engine: Engine, most_bytes: int = MOST_BYTES_AT_ONCE) -> None:
        self._engine = engine
        self._most_bytes = most_bytes
        self._lock = Lock()
        self._bytes = 0
        self._counts = ReceiveCounts()

    def copy_counts(self) -> ReceiveCounts:
        """Return what was received until now."""
        with self._lock:
            return replace(self._counts, refused=dict(self._counts.refused))

    def receive_request(self, body: bytes, encoding: str, token: AccessToken, now: int) -> ShipAnswer:
        """Store the documents of a request as its sender's; return which are stored and which are refused.

        Team, tenant and owner are the token's, whatever a document claims. Raises BusyError or EngineError if
        the request is to come again, MalformedRequestError if not.
        """
        reserved = 0

        def reserve_piece() -> None:
            nonlocal reserved
            with self._lock:
                if self._bytes + _PIECE > self._most_bytes:
                    raise BusyError("the hub is storing other requests", hint="send it again later")
                self._bytes += _PIECE
            reserved += _PIECE

        try:
            lines = _split_lines(_decompress(body, encoding, reserve_piece))
            return self._store(lines, token, now, size=len(body))
        finally:
            with self._lock:
                self._bytes -= reserved

    def _store(self, lines: Sequence[bytes], token: AccessToken, now: int, *, size: int) -> ShipAnswer:
        sessions: list[ReceivedSession] = []
        refused: list[_RefusedLine] = []
        for line in lines:
            read = _read_document(line, now)
            if isinstance(read, _RefusedLine):
                refused.append(read)
                continue
            document, stored_line = read
            sessions.append(
                ReceivedSession(
                    tenant=token.tenant,
                    team=token.team,
                    owner=token.owner,
                    received=now,
                    document=document,
                    line=stored_line,
                )
            )
        unwritten = self._write_sessions(sessions)
        refused += [_RefusedLine(each.document.session, _UNSTORABLE) for each in unwritten]
        keys = {(each.document.instance, each.document.session) for each in unwritten}
        stored = [
            each.document for each in sessions if (each.document.instance, each.document.session) not in keys
        ]
        with self._lock:
            counts = self._counts
            counts.received += len(lines)
            counts.bytes += size
            counts.stored += len(stored)
            counts.skewed += sum(each.document.last > now + NOTABLE_SKEW for each in sessions)
            counts.lag_seconds += sum(max(0, now - document.last) for document in stored) / SECOND
            for each in refused:
                counts.refused[each.fault.reason] += 1
        return ShipAnswer(
            tuple(document.session for document in stored),
            tuple(RefusedSession(each.session, each.fault.text) for each in refused),
        )

    def _write_sessions(self, sessions: Sequence[ReceivedSession]) -> list[ReceivedSession]:
        """Store sessions; return those that cannot be stored. Raises EngineError.

        A session that its machine sends again and again without an answer would hold up all later ones.
        """
        if not sessions:
            return []
        try:
            self._engine.write_sessions(sessions)
        except EngineError:
            raise
        except Exception:
            LOG.exception("%d sessions of %s cannot be stored", len(sessions), sessions[0].tenant)
        else:
            return []
        if len(sessions) == 1:
            return [*sessions]
        return [unwritten for each in sessions for unwritten in self._write_sessions([each])]


def _decompress(body: bytes, encoding: str, reserve_piece: Callable[[], None]) -> bytes:
    """Return the body as it was before compression. Before each piece of it, room is reserved."""
    if encoding in {"", "identity"}:
        for _ in range(0, len(body), _PIECE):
            reserve_piece()
        text = body
    elif encoding == "gzip":
        text = _decompress_gzip(body, reserve_piece)
    else:
        raise MalformedRequestError("compress the body by gzip or not at all")
    if len(text) > MOST_TEXT_BYTES:
        raise MalformedRequestError(f"the body has more than {MOST_TEXT_BYTES} bytes")
    return text


def _decompress_gzip(body: bytes, reserve_piece: Callable[[], None]) -> bytes:
    decompressor, text = zlib.decompressobj(wbits=31), bytearray()
    while not decompressor.eof and len(text) <= MOST_TEXT_BYTES:
        reserve_piece()
        try:
            piece = decompressor.decompress(body, _PIECE)
        except zlib.error as error:
            raise MalformedRequestError("the body is not compressed by gzip", cause=str(error)) from error
        body = decompressor.unconsumed_tail
        if not piece and not body and not decompressor.eof:
            raise MalformedRequestError("the compressed body is cut short")
        text += piece
    return bytes(text)


def _split_lines(text: bytes) -> list[bytes]:
    lines = [line for line in text.split(b"\n") if line.strip()]
    if len(lines) > MOST_DOCUMENTS:
        raise MalformedRequestError(f"the request has {len(lines)} documents, more than {MOST_DOCUMENTS}")
    return lines


def _read_document(line: bytes, now: int) -> tuple[SessionDocument, bytes] | _RefusedLine:
    """Return the document of a line and the line to store, or why it is refused.

    A line that is too long is not decoded.
    """
    if len(line) > MOST_BYTES:
        fault = DocumentFault(
            RefusalReason.SIZE, f"the document has {len(line)} bytes, more than {MOST_BYTES}"
        )
        return _RefusedLine(_read_name(line), fault)
    try:
        document, stored_line = decode_and_clean_document(line)
    except (msgspec.DecodeError, RecursionError) as error:
        malformed = DocumentFault(RefusalReason.MALFORMED, f"not a document: {error}")
        return _RefusedLine(_read_name(line), malformed)
    found = find_document_fault(document, line, now)
    return (document, stored_line) if found is None else _RefusedLine(document.session, found)


def _read_name(line: bytes) -> str:
    """Return the session that a line is about, so that its machine knows which is refused; empty without."""
    try:
        return _decode_name(line).session
    except (msgspec.DecodeError, RecursionError):
        return ""


class _NamedLine(msgspec.Struct):
    """The only field of a document that is decoded if the rest of it cannot be taken."""

    session: str = ""


_decode_name = msgspec.json.Decoder(_NamedLine).decode
