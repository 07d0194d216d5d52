"""Ship the sessions that are due, a batch at a time: make the documents, send them, read what the hub took.

Nothing is noted here. The receipts go to the store's writer, so that a process that is killed between the
answer and the note sends the same documents again, which changes nothing at the hub.
"""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from http import HTTPStatus
from typing import TYPE_CHECKING

from stretto.clock import MINUTE, Clock
from stretto.errors import HubError
from stretto.fleet.hub_exchange import MOST_BATCH_BYTES, MOST_DOCUMENTS, MOST_REQUEST_BYTES
from stretto.fleet.session_document import VERSION, SessionDocument, encode_session_document
from stretto.shipping.document_maker import DocumentMaker, compute_digest
from stretto.store.shipped_sessions import DueSession, ShipReceipt, list_due_sessions

if TYPE_CHECKING:
    # The HTTP client takes tenths of a second to load, and most machines have no hub.
    from stretto.shipping.hub_client import HubClient

OPEN_AGE = 5 * MINUTE
"""Open sessions older than this are shipped, and again no sooner than this."""

_ABOUT_CONTENT = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Answers to a request as such: the same documents get them again."""


@dataclass(frozen=True, slots=True)
class MadeDocument:
    """A document that waits to be sent."""

    due: DueSession
    document: SessionDocument
    line: bytes
    digest: str


@dataclass(slots=True)
class ShipBatch:
    """The documents of the sessions that are due."""

    documents: list[MadeDocument] = field(default_factory=list)
    unchanged: list[ShipReceipt] = field(default_factory=list)
    """Of sessions whose document is the one that the hub answered about last."""

    @property
    def attempts(self) -> list[tuple[str, int, int]]:
        """The (session, revision, day) that are about to be sent. They must be noted before."""
        return [(made.due.id, made.document.revision, made.document.day) for made in self.documents]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was due."""
        return not (self.documents or self.unchanged)


class Shipper:
    """Makes and sends batches. Not safe to use from several threads at once."""

    def __init__(self, maker: DocumentMaker, client: HubClient, clock: Clock) -> None:
        self._maker = maker
        self._client = client
        self._clock = clock
        self._most_documents = MOST_DOCUMENTS

    @property
    def url(self) -> str:
        """The hub's address."""
        return self._client.url

    @property
    def made_as(self) -> str:
        """A digest of all that documents depend on beside their sessions."""
        hider = self._maker.hider
        rules = hider.rules
        allowed = (rules.shown, rules.shown_projects, rules.shown_labels, rules.task_types, rules.scores)
        parts = (VERSION, self.url, self._maker.instance, hider.hide_text("check", ""), *map(sorted, allowed))
        return blake2b(repr(parts).encode(), digest_size=12).hexdigest()

    def find_open_before(self, *, include_open: bool = False) -> int:
        """Return the time (ns) before which open sessions must have begun to be due; now if all are."""
        return self._clock() - (0 if include_open else OPEN_AGE)

    def make_batch(self, connection: sqlite3.Connection, *, include_open: bool = False) -> ShipBatch:
        """Return the documents of the sessions that are due, the oldest first."""
        batch, size = ShipBatch(), 0
        open_before = self.find_open_before(include_open=include_open)
        for due in list_due_sessions(connection, self._most_documents, open_before=open_before):
            document = self._maker.make_document(connection, due.id, previous=due.revision, day=due.day)
            if document is None:
                continue
            digest = compute_digest(document, self.url)
            if digest == due.digest and due.day is not None and not due.is_unanswered:
                # The hub's last answer stays; only the mark goes.
                batch.unchanged.append(
                    ShipReceipt(due.id, due.mark, due.revision, due.day, digest, due.at, due.refusal)
                )
                continue
            line = encode_session_document(document)
            batch.documents.append(MadeDocument(due, document, line, digest))
            size += len(line)
            if size >= MOST_BATCH_BYTES:
                break
        return batch

    def send_batch(self, batch: ShipBatch) -> list[ShipReceipt]:
        """Send the documents of a batch that fit into a request; return what the hub answered about.

        The rest is in no receipt and thus in a later batch. Raises HubError if the hub took nothing.
        """
        documents = batch.documents
        body = compress_lines([made.line for made in documents])
        while len(body) > MOST_REQUEST_BYTES and len(documents) > 1:
            documents = documents[: len(documents) // 2]
            body = compress_lines([made.line for made in documents])
        try:
            answer = self._client.post_documents(body)
        except HubError as error:
            if error.status not in _ABOUT_CONTENT:
                raise
            if len(documents) > 1:
                # Smaller requests, down to the one document that cannot be taken.
                self._most_documents = len(documents) // 2
                raise
            return [_make_receipt(documents[0], error.cause, self._clock())]
        self._most_documents = min(MOST_DOCUMENTS, self._most_documents * 2)
        reasons: Mapping[str, str | None] = {
            **dict.fromkeys(answer.stored),
            **{each.session: each.why for each in answer.refused},
        }
        receipts = [
            _make_receipt(made, reasons[made.document.session], self._clock())
            for made in documents
            if made.document.session in reasons
        ]
        if not receipts:
            raise HubError(
                "the hub did not take finished sessions",
                where=self.url,
                cause="its answer names none of those that were sent",
                hint="is this the address of a hub?",
            )
        return receipts


def _make_receipt(made: MadeDocument, refusal: str | None, at: int) -> ShipReceipt:
    document = made.document
    return ShipReceipt(made.due.id, made.due.mark, document.revision, document.day, made.digest, at, refusal)


def compress_lines(lines: Sequence[bytes]) -> bytes:
    """Return the body of a request."""
    return gzip.compress(b"\n".join(lines) + b"\n", mtime=0)
