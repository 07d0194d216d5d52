"""A network on loopback between machines and their hub that repeats requests and loses answers."""

from __future__ import annotations

import gzip
import random
import urllib.error
import urllib.request
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from tests.loopback_receiver import LoopbackReceiver

ANSWER_LOST = 0.15
"""Share of the requests whose answer does not arrive."""

MOST_COPIES = 2


class RepeatingProxy(LoopbackReceiver):
    """Pass requests on to a hub; a context manager that leaves no thread.

    Every request is passed on one to three times: at once, or after any later one.
    """

    def __init__(self, hub: str, dice: random.Random) -> None:
        self.requests = 0
        """Requests that arrived."""
        self.documents = 0
        """Documents that the hub answered about, with copies."""
        self.lost_answers = 0
        self._hub = hub
        self._dice = dice
        self._waiting: list[urllib.request.Request] = []
        """Copies that are still to be passed on."""
        self._lock = Lock()
        server = _Server(("127.0.0.1", 0), _Handler)
        server.proxy = self
        super().__init__(server)

    def pass_on(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes] | None:
        """Return the hub's status and answer; None if it gets lost. Copies may be passed on first or then.

        What a hub without its database answers is lost too: it asks machines to wait for ten seconds.
        """
        request = urllib.request.Request(f"{self._hub}{path}", body, headers)
        with self._lock:
            self.requests += 1
            self._waiting += [request] * self._dice.randint(0, MOST_COPIES)
            is_lost = self._dice.random() < ANSWER_LOST
            self.lost_answers += is_lost
        self.pass_on_copies(MOST_COPIES)
        status, answer = self._ask_hub(request)
        self.pass_on_copies(MOST_COPIES)
        return None if is_lost or status >= HTTPStatus.INTERNAL_SERVER_ERROR else (status, answer)

    def pass_on_copies(self, most: int) -> None:
        """Pass on so many of the copies that wait, in any order, and keep those that the hub did not take."""
        with self._lock:
            self._dice.shuffle(self._waiting)
            copies, self._waiting = self._waiting[:most], self._waiting[most:]
        for copy in copies:
            status, _ = self._ask_hub(copy)
            if status != HTTPStatus.OK:
                with self._lock:
                    self._waiting.append(copy)

    @property
    def waiting_copies(self) -> int:
        """How many copies were not passed on yet."""
        return len(self._waiting)

    def _ask_hub(self, request: urllib.request.Request) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                taken = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except (OSError, HTTPException):
            return HTTPStatus.BAD_GATEWAY, b"the hub is away"
        with self._lock:
            assert isinstance(request.data, bytes)
            self.documents += len(gzip.decompress(request.data).splitlines())
        return taken


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: RepeatingProxy


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            return  # the machine was killed
        names = ("Authorization", "Content-Type", "Content-Encoding")
        answer = self.server.proxy.pass_on(self.path, {name: self.headers[name] for name in names}, body)
        if answer is None:
            return
        status, text = answer
        # The machine may have been killed.
        with suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""
