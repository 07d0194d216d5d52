"""Send the spans of finished sessions to an OTLP/HTTP endpoint without blocking the caller.

The standard ``OTEL_*`` variables name the endpoint; if they are unset, nothing is sent.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
"""Most spans in a request: the default of OpenTelemetry's batch processor."""

DEFAULT_TIMEOUT = 10.0
"""Seconds for a request with its retries: the default of OTLP exporters."""

_log = logging.getLogger(__name__)


class SubmissionResult(NamedTuple):
    """What became of a submitted session."""

    key: str
    """The name that the caller gave to the submission."""
    acknowledged: bool
    """Whether the endpoint acknowledged every span of it."""


@dataclass(slots=True)
class _Submission:
    """A session's spans in the queue, and how many of them were acknowledged."""

    key: str
    spans: Sequence[ReadableSpan]
    acknowledged: int = 0

    @property
    def waiting(self) -> int:
        return len(self.spans) - self.acknowledged


class Sender:
    """Queue that sends spans in batches from a daemon thread and reports which sessions were acknowledged.

    A session is queued or refused as a whole, and a request holds spans of one session only. If a request
    fails after the exporter's retries, the rest of that session is returned: ``take_results`` reports it, and
    the caller can submit the whole session again. Spans count as sent if the endpoint answers below 400, even
    if it reports a partial success.

    ``exporter`` is used by this sender only and is shut down by ``close``; ``limit`` is the most spans that
    wait. ``problem`` is a sentence for ``doctor`` that names the settings that were ignored.
    """

    def __init__(
        self, exporter: SpanExporter, *, limit: int = QUEUE_LIMIT, problem: str | None = None
    ) -> None:
        self.problem = problem
        self._exporter = exporter
        self._limit = limit
        self._changed = Condition()
        self._queue: deque[_Submission] = deque()
        self._in_flight = 0
        """Spans of the first submission in the queue that are being sent."""
        self._results: list[SubmissionResult] = []
        self._closing = False
        self._sent = 0
        self._returned = 0
        self._last_error: str | None = None
        self._failing = False
        self._thread = Thread(target=self._send_batches, name="stretto-sender", daemon=True)
        self._thread.start()

    @property
    def sent(self) -> int:
        """Spans that the endpoint acknowledged."""
        return self._sent

    @property
    def returned(self) -> int:
        """Spans that a full or closed queue or the endpoint refused; the caller may submit them again."""
        return self._returned

    @property
    def pending(self) -> int:
        """Spans that wait or are being sent."""
        with self._changed:
            return self._count_waiting()

    @property
    def failing(self) -> bool:
        """Whether the newest request failed."""
        return self._failing

    @property
    def last_error(self) -> str | None:
        """The exporter's reason for the last failed request; a later success does not clear it."""
        return self._last_error

    def has_room(self, count: int) -> bool:
        """Return whether to submit now: ``count`` spans fit, or would not fit an empty queue either."""
        with self._changed:
            return count > self._limit or self._count_waiting() - self._in_flight + count <= self._limit

    def submit(self, spans: Sequence[ReadableSpan], key: str = "") -> bool:
        """Queue the spans of a session and return at once; False if they were refused.

        Without spans the session counts as acknowledged.
        """
        with self._changed:
            if self._closing or self._count_waiting() - self._in_flight + len(spans) > self._limit:
                self._returned += len(spans)
                self._last_error = "the sender is closed" if self._closing else "the queue is full"
                return False
            if spans:
                self._queue.append(_Submission(key, spans))
            else:
                self._results.append(SubmissionResult(key, acknowledged=True))
            self._changed.notify()
            return True

    def take_results(self) -> list[SubmissionResult]:
        """Return the sessions that were acknowledged or returned since the last call."""
        with self._changed:
            results, self._results = self._results, []
            return results

    def close(self, timeout: float) -> None:
        """Send the waiting spans for at most ``timeout`` seconds; the rest is returned."""
        with self._changed:
            first, self._closing = not self._closing, True
            self._changed.notify()
        self._thread.join(max(0.0, timeout))
        if first:
            self._return_pending()
            # Ends the exporter's wait between retries. A hanging request keeps the thread until it times out;
            # a daemon thread does not keep the process alive.
            self._exporter.shutdown()

    def _count_waiting(self) -> int:
        return sum(submission.waiting for submission in self._queue)

    def _send_batches(self) -> None:
        log_capture = _LogCapture()
        logger = logging.getLogger(type(self._exporter).__module__)
        logger.addFilter(log_capture)
        try:
            while batch := self._take_batch():
                self._count_batch(self._export_batch(batch, log_capture))
        finally:
            logger.removeFilter(log_capture)

    def _take_batch(self) -> Sequence[ReadableSpan]:
        """Wait for spans and return the next batch of the first session; empty only if closing.

        Example: a session of 1,300 spans goes out as batches of 512, 512 and 276 spans.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            if not self._queue:
                return ()
            first = self._queue[0]
            batch = first.spans[first.acknowledged : first.acknowledged + BATCH_LIMIT]
            self._in_flight = len(batch)
            return batch

    def _export_batch(self, batch: Sequence[ReadableSpan], log_capture: _LogCapture) -> str | None:
        """Return None if the endpoint took the batch, else the reason."""
        log_capture.messages.clear()
        try:
            if self._exporter.export(batch) is SpanExportResult.SUCCESS:
                return None
        except Exception as error:  # noqa: BLE001 - a batch that cannot be sent must not stop the thread
            return f"{type(error).__name__}: {error}"
        return " ".join(log_capture.messages[-2:]) or "the exporter gave no reason"

    def _count_batch(self, error: str | None) -> None:
        with self._changed:
            if not self._in_flight:
                return
            first = self._queue[0]
            if error is None:
                self._sent += self._in_flight
                first.acknowledged += self._in_flight
            else:
                self._returned += first.waiting
                self._last_error = error
            self._in_flight = 0
            if error is not None or not first.waiting:
                self._queue.popleft()
                self._results.append(SubmissionResult(first.key, acknowledged=error is None))
        if error and not self._failing:
            # Logged once per change: an endpoint that is down for a night gives a single line.
            _log.warning("OTLP: spans cannot be sent and wait: %s", error)
        elif self._failing and not error:
            _log.warning("OTLP: spans are being sent again")
        self._failing = error is not None

    def _return_pending(self) -> None:
        with self._changed:
            if self._queue:
                self._returned += self._count_waiting()
                self._last_error = "the sender was closed before the endpoint answered"
            self._results.extend(
                SubmissionResult(submission.key, acknowledged=False) for submission in self._queue
            )
            self._queue.clear()
            # The batch under way is counted now, so that a late answer counts nothing.
            self._in_flight = 0


class NullSender:
    """Sender that sends nothing, for when sending is off. ``problem`` is the reason, unless it was chosen."""

    sent = returned = pending = 0
    failing = False
    last_error = None

    def __init__(self, problem: str | None = None) -> None:
        self.problem = problem

    def submit(self, spans: Sequence[ReadableSpan], key: str = "") -> bool:  # noqa: ARG002 - the shape of Sender
        """Refuse the spans and return False."""
        return False

    def take_results(self) -> list[SubmissionResult]:
        """Return nothing: no session was submitted."""
        return []

    def close(self, timeout: float) -> None:
        """Do nothing."""


class _LogCapture(logging.Filter):
    """Filter that collects the exporter's log messages of this thread, as the reason of a failed batch.

    The exporter returns only that it failed, and logs the reason again at each retry. Messages of other
    threads pass through to standard error.
    """

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self._thread = get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        if get_ident() != self._thread:
            return True
        self.messages.append(record.getMessage())
        return False


def build_sender(environ: Mapping[str, str]) -> Sender | NullSender:
    """Return a sender to the OTLP endpoint that the standard variables name, or a NullSender.

    Sending is on if ``OTEL_EXPORTER_OTLP_ENDPOINT`` or ``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`` is set. It is
    off without a problem if neither is set, or with ``OTEL_SDK_DISABLED=true`` or
    ``OTEL_TRACES_EXPORTER=none``. It is off with a problem if the protocol, exporter or endpoint cannot be
    used. Headers, time limit (seconds, as in OpenTelemetry's Python SDK), compression and certificates are
    honoured; the ``TRACES`` variables win. A setting that cannot be parsed is ignored and named in
    ``problem``. An empty variable counts as unset.
    """
    endpoint = _find_setting(environ, "ENDPOINT")
    exporters = {name.strip() for name in environ.get("OTEL_TRACES_EXPORTER", "").lower().split(",")} - {""}
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if endpoint is None or disabled or exporters == {"none"}:
        return NullSender()
    obstacle = _find_obstacle(endpoint, _find_setting(environ, "PROTOCOL"), exporters)
    if obstacle:
        return NullSender(obstacle)
    exporter, ignored = _build_exporter(environ, endpoint)
    return Sender(exporter, problem="; ".join(ignored) or None)


class _Setting(NamedTuple):
    variable: str
    value: str


def _find_setting(environ: Mapping[str, str], name: str) -> _Setting | None:
    for variable in (f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}"):
        value = environ.get(variable, "").strip()
        if value:
            return _Setting(variable, value)
    return None


def _find_obstacle(endpoint: _Setting, protocol: _Setting | None, exporters: set[str]) -> str | None:
    """Return the reason that nothing can be sent and the way to mend it; None if there is no such reason."""
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
        return f"{endpoint.variable} is not an http:// or https:// URL: write it as http://host:4318"
    return None


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _build_exporter(environ: Mapping[str, str], endpoint: _Setting) -> tuple[OTLPSpanExporter, list[str]]:
    """Return the exporter, and a sentence about each ignored setting."""
    ignored: list[str] = []
    url, headers = endpoint.value, _find_setting(environ, "HEADERS")
    if endpoint.variable == "OTEL_EXPORTER_OTLP_ENDPOINT":
        url = f"{url.removesuffix('/')}/v1/traces"
    exporter = OTLPSpanExporter(
        endpoint=url,
        headers=parse_env_headers(headers.value, liberal=True) if headers else None,
        timeout=_parse_timeout(_find_setting(environ, "TIMEOUT"), ignored),
        compression=_parse_compression(_find_setting(environ, "COMPRESSION"), ignored),
        certificate_file=_find_value(environ, "CERTIFICATE"),
        client_key_file=_find_value(environ, "CLIENT_KEY"),
        client_certificate_file=_find_value(environ, "CLIENT_CERTIFICATE"),
    )
    return exporter, ignored


def _find_value(environ: Mapping[str, str], name: str) -> str | None:
    setting = _find_setting(environ, name)
    return setting.value if setting else None


def _parse_timeout(setting: _Setting | None, ignored: list[str]) -> float:
    if setting:
        try:
            seconds = float(setting.value)
        except ValueError:
            seconds = math.nan
        if 0 < seconds < math.inf:
            return seconds
        ignored.append(f"{setting.variable} is not a number of seconds above 0: {DEFAULT_TIMEOUT} s is used")
    return DEFAULT_TIMEOUT


def _parse_compression(setting: _Setting | None, ignored: list[str]) -> Compression:
    if setting:
        try:
            return Compression(setting.value.lower())
        except ValueError:
            ignored.append(f"{setting.variable} is none of gzip, deflate and none: none is used")
    return Compression.NoCompression
