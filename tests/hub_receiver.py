"""A small hub on loopback: it keeps the highest revision of each session, and misbehaves when told to."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from stretto.fleet.hub_exchange import (
    FORGET_PATH,
    ForgetAnswer,
    RefusedSession,
    ShipAnswer,
    decode_forget_order,
    encode_message,
)
from stretto.fleet.session_document import SessionDocument, decode_session_document
from tests.loopback_receiver import LoopbackReceiver


@dataclass(frozen=True, slots=True)
class HubRefusal:
    """An answer to a whole request."""

    status: HTTPStatus
    headers: Mapping[str, str]


class HubReceiver(LoopbackReceiver):
    """Take every document until told otherwise; a context manager that leaves no thread."""

    def __init__(self) -> None:
        self.documents: dict[str, SessionDocument] = {}
        """Session → its highest revision."""
        self.arrived: list[SessionDocument] = []
        """Every document in the order of arrival, repeats too."""
        self.acknowledged: dict[str, int] = {}
        """Session → the highest revision that an answer named as stored."""
        self.headers: list[Mapping[str, str]] = []
        self.refused: dict[str, str] = {}
        """Session → why it is refused."""
        self.forgetful = False
        """Whether answers name nothing."""
        self.silent = False
        """Whether the answers are lost: stored, and the connection closed."""
        self.refusal: HubRefusal | None = None
        self.most_lines = 1_000
        """Requests with more documents are too large."""
        self._lock = Lock()
        server = _Server(("127.0.0.1", 0), _Handler)
        server.receiver = self
        super().__init__(server)

    def sum_measures(self) -> dict[str, int]:
        """Return the sums of all stored documents by measure."""
        sums: Counter[str] = Counter()
        for document in self.documents.values():
            for _, measure, _, value in document.sums:
                sums[measure] += value
        return dict(sums)

    def take_documents(self, body: bytes) -> ShipAnswer | HubRefusal | None:
        """Store documents and return the answer; None if it is lost."""
        with self._lock:
            if self.refusal is not None:
                return self.refusal
            lines = gzip.decompress(body).splitlines()
            if len(lines) > self.most_lines:
                return HubRefusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {})
            documents = [decode_session_document(line) for line in lines]
            self.arrived += documents
            taken = [document for document in documents if document.session not in self.refused]
            for document in taken:
                before = self.documents.get(document.session)
                if before is None or document.revision > before.revision:
                    self.documents[document.session] = document
            if self.silent:
                return None
            if self.forgetful:
                return ShipAnswer()
            for document in taken:
                known = self.acknowledged.get(document.session, 0)
                self.acknowledged[document.session] = max(known, document.revision)
            refused = tuple(
                RefusedSession(document.session, self.refused[document.session])
                for document in documents
                if document.session in self.refused
            )
            return ShipAnswer(tuple(document.session for document in taken), refused)

    def forget(self, body: bytes) -> ForgetAnswer:
        """Delete sessions and return how many there were."""
        with self._lock:
            sessions = set(decode_forget_order(body).sessions) & set(self.documents)
            for session in sessions:
                del self.documents[session]
            return ForgetAnswer(len(sessions))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: HubReceiver


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        receiver = self.server.receiver
        receiver.headers.append(dict(self.headers.items()))
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == FORGET_PATH:
            self._answer(encode_message(receiver.forget(body)))
            return
        answer = receiver.take_documents(body)
        if isinstance(answer, HubRefusal):
            self._answer(b"not now", answer.status, answer.headers)
        elif answer is not None:
            self._answer(encode_message(answer))

    def _answer(
        self, body: bytes, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""
