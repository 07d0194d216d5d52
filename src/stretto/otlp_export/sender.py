"""Sender: hands finished sessions' spans to an OTLP/HTTP endpoint and never holds its caller up.

The standard ``OTEL_*`` variables decide where spans go and whether they go at all; unset means off.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Mapping, Sequence
from threading import Condition, Thread, get_ident
from typing import NamedTuple
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.util.re import parse_env_headers

QUEUE_LIMIT = 16_384
"""Most spans that wait: 13 MB at 800 bytes each, and room for a dozen of the longest recorded sessions."""

BATCH_LIMIT = 512
"""Most spans in one request, the default of OpenTelemetry's own batch processor."""

DEFAULT_TIMEOUT = 10.0
"""Seconds for one request with its retries, the OTLP exporters' default."""

_log = logging.getLogger(__name__)


class Sender:
    """Send spans in batches from one daemon thread, and count what was sent and what was dropped.

    A session is queued whole or refused whole. Refused is the newest, the one that no longer fits: the
    oldest may be half sent already, the refused one is still in the store, and ``submit`` tells the one who
    could send it again. A batch that the exporter gives up on, after its own retries, is dropped. Sent is
    what the exporter takes for success: an answer below 400, whatever a partial success leaves out.

    ``exporter`` is used by this sender alone and is shut down by ``close``; ``limit`` is the most spans that
    wait. ``problem`` names settings that were ignored, as a sentence for ``doctor``.
    """

    def __init__(
        self, exporter: SpanExporter, *, limit: int = QUEUE_LIMIT, problem: str | None = None
    ) -> None:
        self.problem = problem
        self._exporter = exporter
        self._limit = limit
        self._changed = Condition()
        self._queue: deque[ReadableSpan] = deque()
        self._in_flight = 0
        self._closing = False
        self._sent = 0
        self._dropped = 0
        self._last_error: str | None = None
        self._failing = False
        self._thread = Thread(target=self._run, name="stretto-sender", daemon=True)
        self._thread.start()

    @property
    def sent(self) -> int:
        """Spans that the endpoint acknowledged."""
        return self._sent

    @property
    def dropped(self) -> int:
        """Spans that were refused by a full or closed queue, or that the endpoint did not take."""
        return self._dropped

    @property
    def pending(self) -> int:
        """Spans that are neither sent nor dropped yet."""
        with self._changed:
            return len(self._queue) + self._in_flight

    @property
    def failing(self) -> bool:
        """Whether the newest request failed."""
        return self._failing

    @property
    def last_error(self) -> str | None:
        """Why spans were last lost, in the exporter's words; it stays after a later success."""
        return self._last_error

    def has_room(self, count: int) -> bool:
        """Tell whether waiting is of no use: so many spans are taken now, or exceed the whole queue."""
        with self._changed:
            return count > self._limit or len(self._queue) + count <= self._limit

    def submit(self, spans: Sequence[ReadableSpan]) -> bool:
        """Queue the spans of one session and return at once; False where they were refused, and dropped."""
        with self._changed:
            if self._closing or len(self._queue) + len(spans) > self._limit:
                self._dropped += len(spans)
                self._last_error = "the sender is closed" if self._closing else "the queue is full"
                return False
            self._queue.extend(spans)
            self._changed.notify()
            return True

    def close(self, timeout: float) -> None:
        """Send what waits, for ``timeout`` seconds at most; what is left then counts as dropped."""
        with self._changed:
            first, self._closing = not self._closing, True
            self._changed.notify()
        self._thread.join(max(0.0, timeout))
        if first:
            self._give_up()
            # Ends the exporter's wait between retries. A request that hangs keeps the thread until its own
            # time limit; a daemon thread does not keep the process.
            self._exporter.shutdown()

    def _run(self) -> None:
        overheard = _Overheard()
        logger = logging.getLogger(type(self._exporter).__module__)
        logger.addFilter(overheard)
        try:
            while batch := self._next_batch():
                self._settle(self._export(batch, overheard))
        finally:
            logger.removeFilter(overheard)

    def _next_batch(self) -> list[ReadableSpan]:
        """Wait for spans and take up to a batch of them; none means that the sender is closing."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            batch = [self._queue.popleft() for _ in range(min(BATCH_LIMIT, len(self._queue)))]
            self._in_flight = len(batch)
            return batch

    def _export(self, batch: Sequence[ReadableSpan], overheard: _Overheard) -> str | None:
        """Return None once the endpoint has the batch, else why it has not."""
        overheard.said.clear()
        try:
            if self._exporter.export(batch) is SpanExportResult.SUCCESS:
                return None
        except Exception as error:  # noqa: BLE001 - one unsendable batch must not end sending for good
            return f"{type(error).__name__}: {error}"
        return " ".join(overheard.said[-2:]) or "the exporter gave no reason"

    def _settle(self, error: str | None) -> None:
        with self._changed:
            if not self._in_flight:
                return
            if error is None:
                self._sent += self._in_flight
            else:
                self._dropped += self._in_flight
                self._last_error = error
            self._in_flight = 0
        if error and not self._failing:
            # Once per change: an endpoint that is down for a night is one line, not one per batch and retry.
            _log.warning("OTLP: spans are being dropped: %s", error)
        elif self._failing and not error:
            _log.warning("OTLP: spans are being sent again")
        self._failing = error is not None

    def _give_up(self) -> None:
        with self._changed:
            left = len(self._queue) + self._in_flight
            if left:
                self._dropped += left
                self._last_error = "the sender was closed before the endpoint answered"
            self._queue.clear()
            # What is under way is counted now: a late answer finds nothing left to count.
            self._in_flight = 0


class NullSender:
    """Sends nothing and counts nothing: sending is off. ``problem`` says why, where that is not by choice."""

    sent = dropped = pending = 0
    failing = False
    last_error = None

    def __init__(self, problem: str | None = None) -> None:
        self.problem = problem

    def submit(self, spans: Sequence[ReadableSpan]) -> bool:  # noqa: ARG002 - the shape of Sender
        """Take nothing and say so."""
        return False

    def close(self, timeout: float) -> None:
        """Return: there is nothing to end."""


class _Overheard(logging.Filter):
    """Keep what the exporter logs in this thread from standard error: it is the reason of a failed batch.

    The exporter returns only that it failed and logs why, again at each retry. What another thread's exporter
    logs passes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._thread = get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        if get_ident() != self._thread:
            return True
        self.said.append(record.getMessage())
        return False


def sender_from_environment(environ: Mapping[str, str]) -> Sender | NullSender:
    """Return a sender to the OTLP endpoint that the standard variables name, or a NullSender.

    On when ``OTEL_EXPORTER_OTLP_ENDPOINT`` or ``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`` is set. Off without a
    problem: neither set, ``OTEL_SDK_DISABLED=true``, ``OTEL_TRACES_EXPORTER=none``. Off with one: a protocol,
    an exporter or an endpoint that cannot be used. Headers, time limit (seconds, as in OpenTelemetry's own
    Python SDK), compression and certificates are honoured, for each the ``TRACES`` variable first; one that
    cannot be read is ignored and named in ``problem``. A variable that is empty is not set.
    """
    endpoint = _setting(environ, "ENDPOINT")
    exporters = {name.strip() for name in environ.get("OTEL_TRACES_EXPORTER", "").lower().split(",")} - {""}
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if endpoint is None or disabled or exporters == {"none"}:
        return NullSender()
    obstacle = _obstacle(endpoint, _setting(environ, "PROTOCOL"), exporters)
    if obstacle:
        return NullSender(obstacle)
    exporter, ignored = _exporter(environ, endpoint)
    return Sender(exporter, problem="; ".join(ignored) or None)


class _Setting(NamedTuple):
    variable: str
    value: str


def _setting(environ: Mapping[str, str], name: str) -> _Setting | None:
    for variable in (f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}"):
        value = environ.get(variable, "").strip()
        if value:
            return _Setting(variable, value)
    return None


def _obstacle(endpoint: _Setting, protocol: _Setting | None, exporters: set[str]) -> str | None:
    """Return what makes sending impossible and what to do about it."""
    if exporters and not exporters & {"otlp", "otlp_proto_http"}:
        return (
            "OTEL_TRACES_EXPORTER does not name otlp, the only exporter there is: add it, or set it to none"
        )
    if protocol and protocol.value.lower() != "http/protobuf":
        return (
            f"{protocol.variable} is {protocol.value}, and only http/protobuf can be sent: "
            f"set it to http/protobuf and {endpoint.variable} to the collector's HTTP port, usually 4318"
        )
    if not _is_http(endpoint.value):
        # The value may hold a password, so it is not repeated.
        return f"{endpoint.variable} is no http:// or https:// URL: write it as http://host:4318"
    return None


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _exporter(environ: Mapping[str, str], endpoint: _Setting) -> tuple[OTLPSpanExporter, list[str]]:
    """Return the exporter, and a sentence for each setting that was ignored."""
    ignored: list[str] = []
    url, headers = endpoint.value, _setting(environ, "HEADERS")
    if endpoint.variable == "OTEL_EXPORTER_OTLP_ENDPOINT":
        url = f"{url.removesuffix('/')}/v1/traces"
    exporter = OTLPSpanExporter(
        endpoint=url,
        headers=parse_env_headers(headers.value, liberal=True) if headers else None,
        timeout=_timeout(_setting(environ, "TIMEOUT"), ignored),
        compression=_compression(_setting(environ, "COMPRESSION"), ignored),
        certificate_file=_value(environ, "CERTIFICATE"),
        client_key_file=_value(environ, "CLIENT_KEY"),
        client_certificate_file=_value(environ, "CLIENT_CERTIFICATE"),
    )
    return exporter, ignored


def _value(environ: Mapping[str, str], name: str) -> str | None:
    setting = _setting(environ, name)
    return setting.value if setting else None


def _timeout(setting: _Setting | None, ignored: list[str]) -> float:
    if setting:
        try:
            seconds = float(setting.value)
        except ValueError:
            seconds = math.nan
        if 0 < seconds < math.inf:
            return seconds
        ignored.append(f"{setting.variable} is no number of seconds above 0: {DEFAULT_TIMEOUT} s is used")
    return DEFAULT_TIMEOUT


def _compression(setting: _Setting | None, ignored: list[str]) -> Compression:
    if setting:
        try:
            return Compression(setting.value.lower())
        except ValueError:
            ignored.append(f"{setting.variable} is none of gzip, deflate and none: none is used")
    return Compression.NoCompression
