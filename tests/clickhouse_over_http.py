"""ClickHouse's engine behind its HTTP interface, in a process of its own, given PORT, FOLDER and SETTINGS.

SETTINGS is a file of ClickHouse's, with what the user, ``default``, may do.
chDB is the engine as a library. It has no server, so this answers the requests of ClickHouse's own client:
the query in the body or, with data in the body, in the address; settings and values for the query in the
address. Queries take turns.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
import threading
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import lz4.frame

NOT_SETTINGS = {"query", "database", "query_id", "session_id", "client_protocol_version", "compress"}
NOT_SETTINGS |= {"wait_end_of_query", "enable_http_compression", "default_format"}

DECOMPRESS = {"lz4": lz4.frame.decompress, "gzip": gzip.decompress, "": bytes}

_turn = threading.Lock()


def main(port: int, folder: str, settings: str) -> None:
    """Serve until the process is stopped."""
    engine = import_module("chdb.session").Session(f"file:{folder}?config-file={settings}")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(200, b"Ok.\n")

        def do_POST(self) -> None:
            address = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
            body = DECOMPRESS[self.headers.get("Content-Encoding", "")](self._read_body())
            form = read_form(self.headers["Content-Type"], body)
            address, body = address | form, form.get("query", "").encode() or body
            try:
                with _turn:
                    answer = run(engine, address, body)
            except RuntimeError as error:
                self._answer(500, str(error).encode())
            else:
                self._answer(200, answer)

        def _read_body(self) -> bytes:
            if length := self.headers.get("Content-Length"):
                return self.rfile.read(int(length))
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    _Server(("127.0.0.1", port), Handler).serve_forever()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        # Who asked may have been killed.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def read_form(content_type: str | None, body: bytes) -> dict[str, str]:
    """Return the fields of a form, if it is one: the client sends it when values are long for an address."""
    if content_type is None or not content_type.startswith("multipart/form-data"):
        return {}
    parts = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body).get_payload()
    return {
        part.get_param("name", header="Content-Disposition"): part.get_payload(decode=True).decode()  # type: ignore[union-attr,misc]  # no part is nested
        for part in parts
    }


def run(engine: Any, address: dict[str, str], body: bytes) -> bytes:
    """Run a query with its settings and values, and return the answer's bytes."""
    if database := address.get("database"):
        engine.query(f"USE {database}")
    # In one statement: each costs as much as a small query.
    settings = [f"{name} = {quote(value)}" for name, value in address.items() if name not in NOT_SETTINGS]
    if settings:
        engine.query(f"SET {', '.join(settings)}")
    # The client sends data behind the line of its INSERT.
    insert, line_end, data = body.partition(b"FORMAT Native\n")
    if not line_end:
        return to_bytes(engine.query(body.decode(), "TabSeparated"))
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return to_bytes(engine.query(f"{insert.decode()} FROM INFILE {quote(file.name)} FORMAT Native"))


def to_bytes(answer: Any) -> bytes:
    """Return the bytes of an answer; a statement may have none."""
    return b"" if answer is None else bytes(answer.bytes())


def quote(text: str) -> str:
    """Return a text as ClickHouse writes it in a query."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:4])
